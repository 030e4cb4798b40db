//! What the tests of packages have in common: building them, and machines to install them on.
//!
//! Everything is the real thing: the scripts of `packaging/` make the packages from the sample release,
//! `dpkg` and `rpm` install them in a root of their own, and where this machine lets it, a systemd that
//! is process 1 there runs their unit. What cannot be had here is told as "left out", with the reason.

use std::io::Write;

pub mod machine;
pub mod making;

/// Says what cannot be tried here, and why. `tests/run` repeats it in its last lines, and so it has
/// to get past a harness that keeps what successful tests print to itself.
pub fn left_out(why: &str) {
    // Who cannot be told cannot be told that either.
    let _ = writeln!(std::io::stdout(), "\nleft out: {why}");
}
