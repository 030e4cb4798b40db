//! Measurements side by side: the launcher against what it stands in for, in one run.
//!
//! Contenders take turns, so that whatever else the machine does hits all of them, and medians are
//! compared. A figure without its rival says nothing, so only ratios and the goals that name a
//! figure are judged, and a missed goal is printed, never hidden and never an error.

mod apply;
mod big;
mod boot;
mod commands;
mod measure;
mod old_way;
mod peak;
mod report;
mod staging;

pub use apply::apply;
pub use boot::boot;
pub use commands::commands;
pub use peak::run_and_tell_peak;
pub use report::{Goal, Report};
pub use staging::staging;
