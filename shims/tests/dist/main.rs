//! The distribution client against real Erlang nodes, and against peers that misbehave.

mod agent;
mod calls;
mod commands;
mod handshake;
mod hostile;
mod io;
mod io_ends;
mod support;
