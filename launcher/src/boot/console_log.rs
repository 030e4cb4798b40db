//! What the daemon's console said last, for the error about a node that ended while it booted.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::boot::Boot;
use crate::error::Error;
use crate::release::Release;

/// How many of the console log's last lines an error shows.
const TAIL_LINES: usize = 15;

/// How much of the log's end is read. It may be ten megabytes long, with lines of any length.
const TAIL_BYTES: u64 = 64 * 1024;

/// What `run_erl` writes between one console and the next.
const BEGIN: &str = "===== LOGGING STARTED ";

/// What it writes where nothing else was written for a while.
const IDLE: &str = "===== ALIVE ";

/// The error for a node that ended, with what its console said last.
pub fn died(release: &Release, boot: &Boot) -> Error {
    let log = newest_console_log(&release.log_dir);
    Error::StartDied {
        description: release.description.clone(),
        vsn: release.vsn.to_string(),
        name: boot.name.to_string(),
        tail: log
            .as_deref()
            .and_then(|path| read_end(path).ok())
            .map(|text| last_words(&text))
            .unwrap_or_default(),
        log: log.unwrap_or_else(|| release.log_dir.join("erlang.log.*")),
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

fn read_end(path: &Path) -> std::io::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last lines that say something, of the last console only: an earlier boot's must not be
/// taken for this one's.
fn last_words(text: &str) -> String {
    // A terminal's control characters would have their way with the reader's terminal.
    let text = text.replace(|c: char| c.is_control() && c != '\n', "");
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .filter(|line| line.chars().any(|c| c != '=') && !line.starts_with(IDLE))
        .collect();
    let begin = lines.iter().rposition(|line| line.starts_with(BEGIN));
    let own = &lines[begin.map_or(0, |at| at + 1)..];
    own[own.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_console_is_quoted() {
        let head = "=====\n===== LOGGING STARTED Sat Nov 21 12:38:03 UTC 2026\n=====\n";
        let check = |text: &str, expected: &str| assert_eq!(last_words(text), expected, "{text}");
        check(&format!("{head}old\r\n\r\n{head}new\r\n \r\n"), "new");
        check(&format!("{head}old\n{head}"), "");
        check("cut off\nnew", "cut off\nnew");
        check("a\u{1b}[1mb\n\n===== ALIVE Sat Nov 21\n", "a[1mb");
        let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        check(&many.join("\n"), &many[5..].join("\n"));
    }

    #[test]
    fn only_the_end_of_a_long_log_is_read() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "\u{e9}".repeat(50_000) + "\nthe end";
        fs_err::write(file.path(), &text).expect("written");
        let read = read_end(file.path()).expect("readable");
        assert!(read.ends_with("\nthe end") && read.len() < text.len());
        assert!(read_end(Path::new("/nonexistent")).is_err());
    }
}
