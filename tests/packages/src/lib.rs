//! What the tests of packages have in common: building them, and machines to install them on.
//!
//! Everything is the real thing: the scripts of `packaging/` make the packages from the sample release,
//! `dpkg` and `rpm` install them in a root of their own, and where this machine lets it, a systemd that
//! is process 1 there runs their unit. What cannot be had here is told as "left out", with the reason.

pub mod machine;
pub mod making;
