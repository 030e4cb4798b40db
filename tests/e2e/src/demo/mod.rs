//! The main job, shown from beginning to end on a real release with real clients.
//!
//! The scenario is a list of stages; each types the commands that an operator types. Nothing is
//! repaired or tried twice: a check that fails stays failed, and the demo ends with its name.

mod narrator;
mod scenario;
mod subject;

pub use narrator::Narrator;
pub use scenario::run;
pub use subject::{Release, Subject};

use crate::swarm::Figures;

/// What remains when all is told.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The clients during each hop.
    pub hops: Vec<Figures>,
}

impl Outcome {
    /// Whether no client was cut off and no message got lost in any hop.
    #[must_use]
    pub fn unharmed(&self) -> bool {
        !self.hops.is_empty() && self.hops.iter().all(Figures::unharmed)
    }
}
