//! What the end-to-end tests, the demo and the benchmarks have in common.
//!
//! Everything here drives the launcher as its users do: as a process, on a real release that is
//! unpacked into a throw-away directory, with real MQTT clients connected to a real node. Nothing
//! in this crate may link the launcher or stand in for a part of it. The release comes from
//! `make sample` (`dist/sample`) or from the user, the binary from `make build` (`dist/emqx`).

pub mod bench;
pub mod demo;
pub mod deployed;
pub mod error;
pub mod exec_trace;
pub mod four;
pub mod install;
pub mod journal;
pub mod load;
pub mod mounted;
pub mod newer;
pub mod node;
pub mod patch;
pub mod ports;
pub mod process;
pub mod refusal;
pub mod relay;
pub mod sample;
pub mod swarm;
pub mod systemd;
pub mod tarball;
pub mod terminal;
pub mod tree;
pub mod unit;
pub mod witness;
pub mod workshop;

pub use error::{Error, Result};
