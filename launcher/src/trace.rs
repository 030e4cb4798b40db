//! `DEBUG=1` and `DEBUG=2`: what the program decides, on standard error.

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
