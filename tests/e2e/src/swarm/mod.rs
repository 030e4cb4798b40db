//! Many real MQTT clients that never stop talking, to see what an upgrade does to them.
//!
//! Client `i` subscribes to a topic of its own and publishes to the topic of client `i + 1`, QoS 1,
//! with a number in each message. So every message has exactly one reader, and each of them can be
//! followed from publish over acknowledgement to receipt. A *drop* is a connection that broke for
//! any reason; a *lost* message was acknowledged by the broker and never came. The clients' library
//! knows nothing of EMQX, and nothing here is tuned to make figures look better: the gap is
//! measured from before the message is queued in the client until its reader has decoded it.

mod client;
mod ledger;

pub use ledger::Figures;

use crate::error::{Error, Result};
use crate::process;
use ledger::Ledger;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// How many clients talk, how fast, and to whom.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of the broker.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Number of clients.
    pub clients: usize,
    /// Time between two messages of one client.
    pub interval: Duration,
}

impl Options {
    /// The 200 clients of the demo, 2000 messages a second together, on the loopback address.
    #[must_use]
    pub fn on_port(port: u16) -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port,
            clients: 200,
            interval: Duration::from_millis(100),
        }
    }
}

/// What the clients are doing; each of them watches it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Gathering,
    Talking,
    Listening,
    Leaving,
}

/// The running clients.
#[derive(Debug)]
pub struct Swarm {
    // Taken out only to shut it down.
    runtime: Option<Runtime>,
    ledger: Arc<Ledger>,
    stage: watch::Sender<Stage>,
}

impl Swarm {
    /// Connects all clients, lets them subscribe, and then lets them talk.
    pub fn start(options: &Options, limit: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let ledger = Arc::new(Ledger::new(options.clients));
        let (stage, watching) = watch::channel(Stage::Gathering);
        // Two swarms on one broker must not take over each other's sessions.
        let run = fastrand::u32(..);
        for index in 0..options.clients {
            let talk = client::Talk {
                index,
                run,
                options: options.clone(),
                ledger: Arc::clone(&ledger),
                stage: watching.clone(),
            };
            runtime.spawn(talk.for_ever());
        }
        let swarm = Self {
            runtime: Some(runtime),
            ledger,
            stage,
        };
        process::wait_until("all clients to subscribe", limit, || {
            Ok(swarm.ledger.subscribed() == options.clients)
        })?;
        swarm.stage.send_replace(Stage::Talking);
        Ok(swarm)
    }

    /// Begins a phase: what happens from now on is counted under this name.
    pub fn begin(&self, phase: &str) {
        self.ledger.begin(phase);
    }

    /// Waits until every message that was published before now has come to its reader. `false` when
    /// some have not by then, which the figures tell as lost or unacknowledged.
    pub fn settle(&self, limit: Duration) -> Result<bool> {
        let mark = self.ledger.mark();
        match process::wait_until("messages", limit, || Ok(self.ledger.all_came_before(&mark))) {
            Err(Error::TimedOut { .. }) => Ok(false),
            other => other.map(|()| true),
        }
    }

    /// Figures of a phase, up to the last [`Swarm::settle`].
    #[must_use]
    pub fn figures(&self, phase: &str) -> Figures {
        self.ledger.figures(phase)
    }

    /// Stops publishing, waits for what is on its way, lets the clients leave, and gives the
    /// figures of every phase in order.
    pub fn finish(mut self, limit: Duration) -> Result<Vec<Figures>> {
        self.stage.send_replace(Stage::Listening);
        // Clients may be in the middle of a publish when they learn of it.
        std::thread::sleep(Duration::from_millis(100));
        self.settle(limit)?;
        self.ledger.close();
        let figures = self.ledger.all_figures();
        self.stage.send_replace(Stage::Leaving);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
        Ok(figures)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        self.ledger.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
