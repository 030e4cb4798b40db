//! The proof that a relup command cannot be caught half-way: it is killed, cut off from power and
//! refused by the kernel at every system call that changes a disk, and what is left is judged.
//!
//! The program under test is `dist/emqx`, run as its users run it. Nothing here links a part of it or
//! believes what it says: what a state is worth is decided by comparing the disk with what it may be,
//! and only then the program is asked whether it sees the same. See README.md for what covers what.

pub mod agent;
pub mod cuts;
pub mod disk;
pub mod faults;
pub mod full_disk;
pub mod image;
pub mod judge;
pub mod kills;
pub mod lab;
pub mod power;
pub mod release;
pub mod scene;
pub mod scenes;
pub mod seat;
pub mod states;
pub mod trace;
pub mod tracer;

/// Whether everything is tried (`make crash`) or a sample of it (`make test`).
#[must_use]
pub fn is_full() -> bool {
    std::env::var_os("CRASH_FULL").is_some_and(|value| value == "1")
}

/// A failure of the thing under test, or of the harness itself.
pub fn fault(text: impl Into<String>) -> e2e::Error {
    e2e::Error::Unexpected(text.into())
}
