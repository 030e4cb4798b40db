//! The journal of upgrades, read by the words of its documentation and by nothing else.
//!
//! It is an independent reader on purpose: what the launcher wrote must make sense to somebody who
//! knows only the format (one JSON object a line, a torn last line ignored).

use crate::error::Result;
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// One line of the journal.
#[derive(Debug, Clone)]
pub struct Record {
    /// When it was written.
    pub at: jiff::Timestamp,
    /// Id of the attempt.
    pub attempt: String,
    /// `upgrade`, `rollback` and so on.
    pub action: String,
    /// The step that was done.
    pub step: String,
    /// Who wrote it: `command` or `node`.
    pub by: String,
    /// `success`, or the name of the error; only in the last step of an attempt.
    pub result: Option<String>,
}

/// All records of an installation's journal, oldest first; none when there is no journal.
pub fn read(root: &Path) -> Result<Vec<Record>> {
    let path = root.join("relup/journal.jsonl");
    if !path.exists() {
        return Ok(Vec::new());
    }
    let bytes = fs_err::read(path)?;
    Ok(String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(parse)
        .collect())
}

/// The records of the newest attempt.
pub fn last_attempt(root: &Path) -> Result<Vec<Record>> {
    let mut records = read(root)?;
    let newest = records.last().map(|record| record.attempt.clone());
    records.retain(|record| Some(&record.attempt) == newest.as_ref());
    Ok(records)
}

/// How long the steps of an attempt took: each from the record before it.
#[must_use]
pub fn durations(records: &[Record]) -> Vec<(String, Duration)> {
    let pairs = records.iter().zip(records.iter().skip(1));
    pairs
        .map(|(before, after)| {
            let took = after.at.duration_since(before.at);
            (after.step.clone(), took.try_into().unwrap_or_default())
        })
        .collect()
}

fn parse(line: &str) -> Option<Record> {
    let value: Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let result = match value.get("result") {
        Some(Value::String(word)) => Some(word.clone()),
        Some(other) => other
            .get("error")
            .and_then(Value::as_str)
            .map(str::to_owned),
        None => None,
    };
    Some(Record {
        at: text("at")?.parse().ok()?,
        attempt: text("attempt")?,
        action: text("action")?,
        step: text("step")?,
        by: text("by")?,
        result,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOURNAL: &str = r#"{"at":"2026-01-02T03:04:05.000Z","attempt":"a","action":"upgrade","step":"started","by":"command","from":"1","to":"2"}
{"at":"2026-01-02T03:04:05.250Z","attempt":"a","action":"upgrade","step":"staged","by":"command","from":"1","to":"2"}
{"at":"2026-01-02T03:04:06.000Z","attempt":"a","action":"upgrade","step":"finished","by":"node","from":"1","to":"2","result":{"error":"sha256_mismatch","detail":"x"}}
{"at":"2026-01-02T03:04:06.500Z","att"#;

    #[test]
    fn steps_are_timed_and_a_torn_line_is_ignored() {
        let dir = tempfile::tempdir().expect("a temp dir");
        fs_err::create_dir_all(dir.path().join("relup")).expect("made");
        fs_err::write(dir.path().join("relup/journal.jsonl"), JOURNAL).expect("written");
        let records = last_attempt(dir.path()).expect("read");
        let took = durations(&records);
        assert_eq!(took[0], ("staged".to_owned(), Duration::from_millis(250)));
        assert_eq!(took[1], ("finished".to_owned(), Duration::from_millis(750)));
        assert_eq!(records[2].result.as_deref(), Some("sha256_mismatch"));
    }
}
