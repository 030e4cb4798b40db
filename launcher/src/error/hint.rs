//! Remedies that take more than a sentence.

use std::path::Path;

use crate::service::{Manager, Unit};

/// What to look at where the release's VM does not run on this machine.
pub fn hints_for_the_vm(build_info: &str, vsn: &str) -> Vec<String> {
    let mut hints = vec!["the release was built for:".to_owned()];
    hints.extend(build_info.lines().map(|line| format!("  {line}")));
    hints.push(format!("  version: {vsn}"));
    hints.push("libraries needed: openssl (libcrypto), ncurses (libtinfo), libatomic1".into());
    hints
}

/// What the console of a node that ended said last, and where to read on.
pub fn last_words(log: &Path, tail: &str) -> Vec<String> {
    let log = log.display();
    if tail.is_empty() {
        return vec![format!(
            "it said nothing in {log}; run_erl needs a pseudo terminal (/dev/pts)"
        )];
    }
    let mut hints: Vec<String> = tail.lines().map(|line| format!("  {line}")).collect();
    hints.push(format!("find more in {log}"));
    hints
}

/// Who may tell a service manager what to do: root, and everybody their own.
pub fn hint_of_command(verb: &str, unit: &Unit) -> String {
    let command = unit.command_line(verb);
    match unit.manager {
        Manager::System => format!("`sudo {command}`"),
        Manager::User(uid) => format!("`{command}` as the user with the id {uid}"),
    }
}

/// Where a service manager keeps what a unit said.
pub fn hint_of_journal(unit: &Unit) -> String {
    match unit.manager {
        Manager::System => format!("`journalctl -e -u {}` shows what it said", unit.name),
        Manager::User(_) => format!("`journalctl --user -e -u {}` shows what it said", unit.name),
    }
}

/// What is left of a boot that was given up; an empty line is not printed.
pub fn still_there(process: Option<i32>) -> String {
    process.map_or_else(String::new, |pid| {
        format!("process {pid} does not end; `kill -9 {pid}` ends it")
    })
}
