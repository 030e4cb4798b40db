//! From the first sign of life to the last: when a `start` returns and with what, how a `stop` ends
//! whatever there is, what a `restart` does first, who is told by a service manager and what it is told, and how the VM
//! fares as the first process of a container.

mod console;
mod container;
mod notify;
mod readiness;
mod restart;
mod service;
mod stopping;
mod systemd;
