//! What the daemon's console said last, for the error about a node that ended while it booted.

use std::path::{Path, PathBuf};

use crate::boot::Boot;
use crate::error::Error;
use crate::release::Release;

/// How many of the console log's last lines an error shows.
const TAIL_LINES: usize = 15;

/// The error for a node that ended, with what its console said last.
pub fn died(release: &Release, boot: &Boot) -> Error {
    Error::StartDied {
        description: release.description.clone(),
        vsn: release.vsn.to_string(),
        name: boot.name.to_string(),
        log: release.log_dir.join("erlang.log.*"),
        tail: newest_console_log(&release.log_dir)
            .map(|path| tail(&path))
            .unwrap_or_default(),
    }
}

fn newest_console_log(log_dir: &Path) -> Option<PathBuf> {
    fs_err::read_dir(log_dir)
        .ok()?
        .filter_map(Result::ok)
        .filter(|entry| {
            entry
                .file_name()
                .to_string_lossy()
                .starts_with("erlang.log.")
        })
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .max()
        .map(|(_, path)| path)
}

fn tail(path: &Path) -> String {
    let bytes = fs_err::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace('\r', "");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}
