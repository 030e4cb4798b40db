//! The node of this installation: which process it is, or will be, or was; and the way to it.

pub mod distribution;
pub mod in_use;
pub mod pipe;
pub mod running;
pub mod stopped;
pub mod target;
pub mod underway;
pub mod vm_options;
