//! The distribution client against real Erlang nodes, and against peers that misbehave.

mod calls;
mod commands;
mod handshake;
mod io;
mod support;
