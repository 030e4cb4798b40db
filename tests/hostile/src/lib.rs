//! Every hostile or broken input of the project's list, built byte by byte, tried on the real
//! program.
//!
//! Each case is a test named by its number on the list, with the outcome that is written there.
//! Archives go through `emqx relup stage`, what a release and its sidecar say through the real
//! `emqx relup upgrade` on a node that runs. Before and after each, everything in the test's root
//! is looked at: nothing outside the staging directory may have changed. Accepted archives are also
//! listed by GNU tar and by Python's tarfile, and all three must agree.

pub mod case;
pub mod cases;
pub mod differential;
pub mod gzip;
pub mod measured;
pub mod node;
pub mod place;
pub mod release;
pub mod scan;
pub mod tar;
