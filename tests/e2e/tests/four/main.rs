//! Releases before 5.0: booted, asked and stopped by the same program, below a directory with a blank
//! in its name.

mod boot;
mod by_hand;
mod configured;
mod found;
mod plan;
mod users;
