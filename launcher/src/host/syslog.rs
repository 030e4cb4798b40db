//! Lines for the system log, where there is one: what was booted and how it stopped.

use ::syslog::{Facility, Formatter3164};

/// Writes one line under the release's name. A machine without a system log is no error.
pub fn log(release: &str, pid: i32, text: &str) {
    let formatter = Formatter3164 {
        facility: Facility::LOG_USER,
        hostname: None,
        process: release.to_owned(),
        pid: u32::try_from(pid).unwrap_or_default(),
    };
    if let Ok(mut logger) = ::syslog::unix(formatter) {
        // The log is a courtesy: nothing depends on it.
        let _ = logger.notice(text);
    }
}
