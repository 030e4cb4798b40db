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
use crate::recovery::take_lock;
use crate::state;

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
        let _lock = take_lock(install, node, console)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeNode, NEW, OLD, Site, write};

    const STARTED: &str = r#"{"at":"2026-01-02T03:04:05.678Z","attempt":"a","action":"upgrade","step":"started","by":"command","from":"5.10.3","to":"5.10.4"}"#;

    fn plugin_row(started_at_ms: i64) -> PluginLogRow {
        PluginLogRow {
            started_at_ms,
            finished_at_ms: None,
            from: "5.10.2".to_owned(),
            to: "5.10.3".to_owned(),
            status: "in-progress".to_owned(),
            result: String::new(),
        }
    }

    #[test]
    fn without_any_history_it_says_so_and_creates_nothing() {
        let site = Site::new();
        let before = site.snapshot();
        for mut node in [site.node(), FakeNode::down()] {
            assert_eq!(
                site.run(&mut node, &["logs"]).out,
                "no upgrade history on this node\n"
            );
            assert_eq!(
                site.run(&mut node, &["logs-clear"]).out,
                "cleared all upgrade logs\n"
            );
        }
        assert_eq!(site.snapshot(), before);
    }

    #[test]
    fn every_attempt_is_one_row_oldest_first() {
        let site = Site::with_hop();
        write(&site.base().journal(), &format!("{STARTED}\n"));
        let tarball = site.new_tarball();
        let mut node = site.node().failing("module_not_found", false, false);
        site.upgrade(&mut node, &tarball, &[]);
        site.upgrade(&mut site.node(), &tarball, &[]);
        site.run(&mut site.node(), &["rollback"]);
        let mut node = site.node();
        node.plugin_rows = vec![plugin_row(1_700_000_000_000)];
        let said = site.run(&mut node, &["logs"]);
        let lines: Vec<_> = said.out.lines().collect();
        let [plugin, torn, refused, upgraded, back] = lines.as_slice() else {
            panic!("{said:?}")
        };
        assert_eq!(
            *plugin,
            "started=2023-11-14T22:13:20.000Z finished=- 5.10.2 -> 5.10.3 status=in-progress result=-"
        );
        let ends = |line: &str, end: &str| assert!(line.ends_with(end), "{line}");
        // The next command has closed its record.
        ends(torn, "5.10.3 -> 5.10.4 status=finished result=interrupted");
        ends(
            refused,
            "5.10.4 -> 5.10.5 status=finished result=module_not_found",
        );
        ends(upgraded, "5.10.4 -> 5.10.5 status=finished result=success");
        ends(
            back,
            "5.10.5 -> 5.10.4 status=finished result=success action=rollback",
        );
        let json = site.run(&mut node, &["logs", "--json"]).json();
        assert_eq!(json["attempts"].as_array().map(Vec::len), Some(5));
        assert_eq!(json["attempts"][2]["detail"], json!("emqx_x"));
        assert_eq!(
            (&json["attempts"][4]["from"], &json["attempts"][4]["to"]),
            (&json!(NEW), &json!(OLD))
        );
    }

    #[test]
    fn an_attempt_that_the_node_works_on_is_in_progress() {
        let site = Site::new();
        write(&site.base().journal(), &format!("{STARTED}\n"));
        let mut node = site.node();
        node.attempt = Ok(Some("a".to_owned()));
        let said = site.run(&mut node, &["logs"]);
        assert!(said.out.contains("status=in-progress result=-"), "{said:?}");
    }

    #[test]
    fn clearing_forgets_the_journal_and_the_plugins_rows() {
        let site = Site::new();
        write(&site.base().journal(), &format!("{STARTED}\n"));
        let mut node = site.node();
        node.plugin_rows = vec![plugin_row(0)];
        let said = site.run(&mut node, &["logs-clear"]);
        assert_eq!(
            (said.code, said.out.as_str()),
            (0, "cleared all upgrade logs\n")
        );
        assert_eq!(
            site.run(&mut node, &["logs"]).out,
            "no upgrade history on this node\n"
        );
        assert_eq!(site.relup_names(), ["journal.jsonl"]);
    }
}
