//! `DEBUG=1`: what the program decides and why, a line each on standard error. `DEBUG=2`: also every
//! program that it starts. Secrets are redacted in both.

use tracing::Level;
use tracing_subscriber::fmt;

/// Turns tracing on where the caller asks for it.
pub fn start(debug: Option<&str>) {
    let level = match debug {
        Some("1") => Level::DEBUG,
        Some("2") => Level::TRACE,
        Some(_) | None => return,
    };
    fmt()
        .with_max_level(level)
        .with_writer(std::io::stderr)
        .with_target(false)
        .without_time()
        .init();
}
