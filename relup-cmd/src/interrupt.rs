//! Ctrl-C, SIGTERM and SIGHUP as a flag that long loops look at.
//!
//! Nothing is ever undone inside a signal handler: the loops stop, return
//! [`Error::Interrupted`], and the normal clean-up of the staging directory and the lock runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::error::Error;

/// The flag. Signals are caught while at least one value that listens is alive.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    raised: Arc<AtomicBool>,
    _listening: Option<Arc<Listening>>,
}

#[derive(Debug)]
struct Listening(Vec<SigId>);

impl Drop for Listening {
    fn drop(&mut self) {
        for id in &self.0 {
            signal_hook::low_level::unregister(*id);
        }
    }
}

impl Interrupt {
    /// Starts listening. A signal that cannot be caught keeps its default effect.
    pub(crate) fn listen() -> Interrupt {
        let raised = Arc::new(AtomicBool::new(false));
        let ids = [SIGINT, SIGTERM, SIGHUP]
            .into_iter()
            .filter_map(|signal| signal_hook::flag::register(signal, Arc::clone(&raised)).ok())
            .collect();
        Interrupt {
            raised,
            _listening: Some(Arc::new(Listening(ids))),
        }
    }

    /// A flag that no signal raises.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn deaf() -> Interrupt {
        Interrupt {
            raised: Arc::new(AtomicBool::new(false)),
            _listening: None,
        }
    }

    /// Raises the flag as a signal would.
    #[cfg(test)]
    pub(crate) fn raise(&self) {
        self.raised.store(true, Ordering::Relaxed);
    }

    /// Whether a signal has come.
    pub(crate) fn raised(&self) -> bool {
        self.raised.load(Ordering::Relaxed)
    }

    /// The error to leave a loop with, if a signal has come.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.raised() {
            Err(Error::Interrupted)
        } else {
            Ok(())
        }
    }
}
