//! Stand-ins for the helper programs of old: a native client of the Erlang distribution protocol
//! in place of `nodetool` and `erl_call`, and the Erlang modules that are handed to a VM.
//!
//! No VM is ever started here and nothing is written to disk. What comes from the peer is not
//! trusted: sizes, nesting and time are bounded before memory or the stack is spent on them.
//!
//! | module | what it is |
//! |---|---|
//! | [`node_name`], [`cookie`] | who to talk to, and the shared secret |
//! | [`dist`] | the connection: handshake, frames, calls |
//! | [`io_server`] | this program as the group leader of what it calls |
//! | [`command`], [`eval`] | `ping`, `pid`, `ctl`, `rpc`, `rpcterms`, `eval` |
//! | [`agent`], [`erl`] | the hot-apply agent in the node, and its source |
//! | [`cluster`] | what every node of a cluster runs and boots next |
//! | [`boot_helper`] | the dialogue with the VM that prepares a boot |
//! | [`term`] | building and reading Erlang terms |

pub mod agent;
pub mod boot_helper;
pub mod cluster;
pub mod command;
pub mod cookie;
pub mod dist;
pub mod erl;
mod etf;
pub mod eval;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod io_server;
pub mod node_name;
mod parse;
mod program;
pub mod release_handler;
pub mod term;
