//! A thread that does one slow thing at a time, so that the connection is looked after meanwhile.
//! It starts with the first job and is left behind when its owner goes: a read of the terminal
//! cannot be called off.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

type Work<J, R> = Box<dyn FnMut(J) -> R + Send>;

pub(crate) struct Worker<J, R> {
    name: &'static str,
    work: Option<Work<J, R>>,
    running: Option<(Sender<J>, Receiver<R>)>,
    busy: bool,
}

impl<J: Send + 'static, R: Send + 'static> Worker<J, R> {
    pub(crate) fn new(name: &'static str, work: impl FnMut(J) -> R + Send + 'static) -> Self {
        Worker {
            name,
            work: Some(Box::new(work)),
            running: None,
            busy: false,
        }
    }

    /// Whether a job was given whose result was not fetched.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Gives it a job; it must not be busy. `false`: the system gives no thread.
    pub(crate) fn submit(&mut self, job: J) -> bool {
        if let Some(work) = self.work.take() {
            self.running = start(self.name, work);
        }
        self.busy = self
            .running
            .as_ref()
            .is_some_and(|(jobs, _)| jobs.send(job).is_ok());
        self.busy
    }

    /// The result of the job, waiting that long at most. `Some(Err(_))`: it came to grief.
    pub(crate) fn poll(&mut self, wait: Duration) -> Option<Result<R, Gone>> {
        let (_, results) = self.running.as_ref()?;
        let result = match results.recv_timeout(wait) {
            Ok(result) => Ok(result),
            Err(RecvTimeoutError::Timeout) => return None,
            Err(RecvTimeoutError::Disconnected) => Err(Gone),
        };
        self.busy = false;
        Some(result)
    }
}

/// The thread is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

fn start<J: Send + 'static, R: Send + 'static>(
    name: &str,
    mut work: Work<J, R>,
) -> Option<(Sender<J>, Receiver<R>)> {
    let (jobs, todo) = channel::<J>();
    let (done, results) = channel();
    let thread = std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            while let Ok(job) = todo.recv() {
                if done.send(work(job)).is_err() {
                    return;
                }
            }
        });
    thread.ok().map(|_| (jobs, results))
}
