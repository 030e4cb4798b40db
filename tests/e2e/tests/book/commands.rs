//! Every command line of the book, against what the program says of its commands.

use crate::pages::{blocks, pages, prose};
use e2e::process::{self, Finished};
use e2e::sample::{launcher, workspace};
use std::collections::BTreeMap;
use std::process::Command;

/// Commands that have commands of their own.
const GROUPS: &[&str] = &["relup", "self"];
/// Commands whose words go on to the node.
const PASSED_ON: &[&str] = &["ctl", "eval", "rpc", "rpcterms", "escript"];

/// An option that no help names, because its output may change.
const HIDDEN: &str = "--show-plan";

/// Calls of the launcher in a line of a shell: the words behind its name.
fn calls(line: &str) -> Vec<Vec<String>> {
    let line = line.split(" #").next().unwrap_or_default();
    let mut found = Vec::new();
    for part in line.split(['|', ';', '&']) {
        let mut words = part.split_whitespace().peekable();
        while words
            .next_if(|word| word.contains('=') || *word == "sudo")
            .is_some()
        {}
        let program = words.next().unwrap_or_default();
        if program == "emqx" || program.ends_with("/emqx") && !program.ends_with("/etc/emqx") {
            found.push(words.map(str::to_owned).collect());
        }
    }
    found
}

/// What stands in backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The manual page of a command, asked once; it has all options.
fn manual(words: &[String], told: &mut BTreeMap<Vec<String>, String>) -> e2e::Result<String> {
    if let Some(text) = told.get(words) {
        return Ok(text.clone());
    }
    let mut ask = Command::new(launcher()?);
    let Finished { stdout, .. } =
        process::run(ask.arg("man").args(words), process::HANG)?.success()?;
    let text = stdout.replace("\\-", "-");
    told.insert(words.to_vec(), text.clone());
    Ok(text)
}

#[test]
fn every_command_and_option_in_the_book_exists() -> e2e::Result<()> {
    let mut told = BTreeMap::new();
    let mut seen = 0;
    let mut texts = Vec::new();
    for page in pages()? {
        texts.push((page.file, page.text));
    }
    for other in ["README.md", "packaging/ansible/README.md"] {
        let file = workspace().join(other);
        let text = fs_err::read_to_string(&file)?;
        texts.push((file, text));
    }
    for (file, text) in texts {
        let lines = ["sh", "bash"]
            .into_iter()
            .flat_map(|kind| blocks(&text, kind));
        let mut found = lines
            .map(|block| block.replace("\\\n", " "))
            .flat_map(|block| block.lines().flat_map(calls).collect::<Vec<_>>())
            .collect::<Vec<_>>();
        // What stands there in prose is what there is not.
        let prose = if file.ends_with("docs/differences.md") {
            String::new()
        } else {
            prose(&text)
        };
        found.extend(quoted(&prose).flat_map(calls));
        for words in found {
            let Some(first) = words.first() else { continue };
            // `emqx COMMAND help` stands for any of them.
            if first.starts_with('-') || first == "..." || first == "COMMAND" || first == "help" {
                continue;
            }
            // Without a name of a command of its own, the group is meant.
            let is_group = GROUPS.contains(&first.as_str());
            let second = words
                .get(1)
                .filter(|second| !second.starts_with(['-', '.', '…']));
            let depth = if is_group && second.is_some() { 2 } else { 1 };
            let text = manual(&words[..depth], &mut told)?;
            seen += 1;
            if PASSED_ON.contains(&first.as_str()) || is_group && depth == 1 {
                continue;
            }
            for option in words.iter().filter(|word| word.starts_with("--")) {
                let option = option.split('=').next().unwrap_or(option);
                assert!(
                    text.contains(option) || option == HIDDEN,
                    "{}: {words:?}\n{text}",
                    file.display()
                );
            }
        }
    }
    assert!(seen > 80, "{seen} commands");
    Ok(())
}

#[test]
fn calls_are_found_in_lines_of_a_shell() {
    let calls = |line| {
        calls(line)
            .into_iter()
            .map(|words| words.join(" "))
            .collect::<Vec<_>>()
    };
    assert_eq!(calls("A=1 emqx ping # look"), ["ping"]);
    assert_eq!(
        calls("/opt/emqx/bin/emqx self uninstall"),
        ["self uninstall"]
    );
    assert_eq!(calls("emqx man relup | man -l -"), ["man relup"]);
    assert_eq!(calls("rc-service emqx start"), Vec::<String>::new());
    assert_eq!(calls("cp -R data /opt/emqx"), Vec::<String>::new());
}
