//! `relup logs` and `logs-clear`: one row for each attempt, oldest first.
//!
//! The rows come from the journal, and from the upstream plugin's table where the running node has
//! one, so that the history from before this program is not lost. Works with the node down.

use jiff::Timestamp;
use relup::journal::{Action, Attempt, AttemptResult};
use serde_json::{Value, json};

use crate::error::Error;
use crate::install::Install;
use crate::lock::RelupLock;
use crate::node::{Node, NodeError, PluginLogRow};
use crate::output::{Answer, Console};
use crate::state;
use crate::upgrade::take_lock;

/// One attempt, whoever recorded it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    started: String,
    finished: Option<String>,
    from: String,
    to: String,
    status: String,
    result: String,
    detail: String,
    action: String,
    source: &'static str,
}

/// Shows all attempts.
pub(crate) fn run(
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    let under_way = under_way(install, node);
    let mut rows: Vec<Row> = state::read_attempts(&install.base)?
        .iter()
        .map(|attempt| Row::of_attempt(attempt, under_way))
        .collect();
    match node.plugin_logs() {
        Ok(plugin) => rows.extend(plugin.iter().map(Row::of_plugin)),
        Err(NodeError::NotRunning(_)) => {}
        Err(error) => console.warn(format!("the plugin's own rows are not shown: {error}")),
    }
    // RFC 3339 in UTC with the same number of digits sorts as text.
    rows.sort_by(|one, other| one.started.cmp(&other.started));
    let list: Vec<Value> = rows.iter().map(Row::to_json).collect();
    let lines = match rows.as_slice() {
        [] => vec!["no upgrade history on this node".to_owned()],
        rows => rows.iter().map(Row::line).collect(),
    };
    Ok(Answer {
        lines,
        ..Answer::default()
    }
    .field("attempts", list))
}

/// Forgets all attempts.
pub(crate) fn clear(
    install: &Install,
    node: &mut dyn Node,
    console: &mut Console<'_>,
) -> Result<Answer, Error> {
    if install.base.journal().exists() {
        let _lock = take_lock(install, node)?;
        state::clear_journal(&install.base)?;
    }
    match node.clear_plugin_logs() {
        Ok(()) | Err(NodeError::NotRunning(_)) => {}
        Err(error) => console.warn(format!("the plugin's own rows are still there: {error}")),
    }
    Ok(Answer::line("cleared all upgrade logs"))
}

/// The row of the last attempt in the journal.
pub(crate) fn last(install: &Install, under_way: bool) -> Result<Option<Row>, Error> {
    let attempts = state::read_attempts(&install.base)?;
    Ok(attempts
        .last()
        .map(|attempt| Row::of_attempt(attempt, under_way)))
}

/// Whether an attempt is being worked on, by a command or by the node alone.
pub(crate) fn under_way(install: &Install, node: &mut dyn Node) -> bool {
    RelupLock::holder(&install.base).is_some() || matches!(node.running_attempt(), Ok(Some(_)))
}

impl Row {
    fn of_attempt(attempt: &Attempt, under_way: bool) -> Row {
        let (status, result, detail) = match &attempt.result {
            Some(AttemptResult::Success) => ("finished", "success".to_owned(), String::new()),
            Some(AttemptResult::Error { name, detail }) => {
                ("finished", name.clone(), detail.clone())
            }
            None if under_way => ("in-progress", "-".to_owned(), attempt.last_step.clone()),
            None => (
                "interrupted",
                "unknown".to_owned(),
                format!("after {}", attempt.last_step),
            ),
        };
        Row {
            started: attempt.started_at.clone(),
            finished: attempt.finished_at.clone(),
            from: attempt.from.clone().unwrap_or_else(|| "?".to_owned()),
            to: attempt.to.clone().unwrap_or_else(|| "?".to_owned()),
            status: status.to_owned(),
            result,
            detail,
            action: attempt.action.as_str().to_owned(),
            source: "journal",
        }
    }

    fn of_plugin(row: &PluginLogRow) -> Row {
        let blank = |text: &str| {
            if text.is_empty() {
                "-".to_owned()
            } else {
                text.to_owned()
            }
        };
        Row {
            started: time(row.started_at_ms),
            finished: row.finished_at_ms.map(time),
            from: row.from.clone(),
            to: row.to.clone(),
            status: row.status.clone(),
            result: blank(&row.result),
            detail: String::new(),
            action: Action::Upgrade.as_str().to_owned(),
            source: "plugin",
        }
    }

    fn line(&self) -> String {
        let finished = self.finished.as_deref().unwrap_or("-");
        let mut line = format!(
            "started={} finished={finished} {} -> {} status={} result={}",
            self.started, self.from, self.to, self.status, self.result
        );
        // What is not an upgrade says so at the end, where it disturbs nobody who reads fields.
        if self.action != Action::Upgrade.as_str() {
            line.push_str(" action=");
            line.push_str(&self.action);
        }
        line
    }

    /// The row for people.
    pub(crate) fn text(&self) -> String {
        match self.detail.as_str() {
            "" => self.line(),
            detail => format!("{} ({detail})", self.line()),
        }
    }

    /// The row as an object.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "started": self.started,
            "finished": self.finished,
            "from": self.from,
            "to": self.to,
            "status": self.status,
            "result": self.result,
            "detail": self.detail,
            "action": self.action,
            "source": self.source,
        })
    }
}

/// Milliseconds since the epoch as RFC 3339; a time that can't be one is shown as the number.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), state::timestamp)
}
