//! `troubleshoot.md` against the sources: every name that an error can have, and no other.

use e2e::sample::workspace;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files below a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) -> e2e::Result<()> {
    for entry in fs_err::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Whether a text is the name of an error.
fn is_name(text: &str) -> bool {
    let letters = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '_';
    !text.is_empty() && text.chars().all(letters)
}

/// Text literals of a line of Rust.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// Names in the functions that give an error its name, and in those that are made with one.
fn names_in_rust(text: &str, names: &mut BTreeSet<String>) {
    // The indentation of the function's first line ends it as well.
    let mut end = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let begins = ["fn name(&self)", "fn error_name(&self)"];
        if begins.iter().any(|begins| line.contains(begins)) && line.ends_with('{') {
            end = Some(indent);
        } else if end == Some(indent) && line.trim() == "}" {
            end = None;
        } else if end.is_some() || line.trim_start().starts_with("name: \"") && line.contains('_') {
            // What a name depends on stands before the arrow.
            let value = line.split_once("=>").map_or(line, |(_, value)| value);
            names.extend(
                literals(value)
                    .filter(|text| is_name(text))
                    .map(str::to_owned),
            );
        }
    }
}

/// First arguments of the agent's functions that give up.
fn names_in_erlang(text: &str, names: &mut BTreeSet<String>) {
    for call in ["fail(", "failed(", "guarded("] {
        for rest in text.split(call).skip(1) {
            let first = rest.split([',', ')']).next().unwrap_or_default().trim();
            if is_name(first) {
                names.insert(first.to_owned());
            }
        }
    }
}

fn names_in_sources() -> e2e::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut sources = Vec::new();
    for dir in ["relup-cmd/src", "relup/src", "shims/erl"] {
        files(&workspace().join(dir), &mut sources)?;
    }
    for source in sources {
        let path = source.to_string_lossy();
        // Fixtures, states of boots, and names of files are no errors.
        if ["test", "assessment", "layout"]
            .iter()
            .any(|part| path.contains(part))
        {
            continue;
        }
        let text = fs_err::read_to_string(&source)?;
        match source.extension().and_then(|kind| kind.to_str()) {
            Some("rs") => names_in_rust(&text, &mut names),
            Some("erl") => names_in_erlang(&text, &mut names),
            _ => {}
        }
    }
    Ok(names)
}

/// First cells of the table rows of the page, without their backticks.
fn first_cells() -> e2e::Result<Vec<String>> {
    let page = fs_err::read_to_string(workspace().join("docs/troubleshoot.md"))?;
    let cells = page.lines().filter_map(|line| {
        let (cell, _) = line.strip_prefix("| `")?.split_once("` |")?;
        Some(cell.to_owned())
    });
    Ok(cells.collect())
}

#[test]
fn every_name_of_an_error_is_explained_and_no_other() -> e2e::Result<()> {
    let names = names_in_sources()?;
    assert!(
        names.contains("locked") && names.contains("code_change_failed"),
        "{names:?}"
    );
    let cells = first_cells()?;
    let explained = cells.iter().filter(|cell| is_name(cell)).cloned();
    let explained = explained.collect::<Vec<_>>();
    let once = explained.iter().cloned().collect::<BTreeSet<_>>();
    assert_eq!(once.len(), explained.len(), "a name is explained twice");
    let missing = names.difference(&once).collect::<Vec<_>>();
    assert!(missing.is_empty(), "not explained: {missing:?}");
    let made_up = once.difference(&names).collect::<Vec<_>>();
    assert!(made_up.is_empty(), "in no source: {made_up:?}");
    Ok(())
}

#[test]
fn every_message_is_one_that_the_launcher_has() -> e2e::Result<()> {
    let source = fs_err::read_to_string(workspace().join("launcher/src/error.rs"))?;
    let messages = first_cells()?.into_iter().filter(|cell| !is_name(cell));
    let messages = messages.collect::<Vec<_>>();
    assert!(messages.len() > 10, "{messages:?}");
    let shown = source
        .lines()
        .filter(|line| line.trim_start().starts_with("#[error("));
    let shown = shown.collect::<Vec<_>>();
    for message in messages {
        let is_there = shown.iter().any(|line| {
            let mut parts = message.split("...").map(str::trim);
            parts.all(|part| line.contains(part))
        });
        assert!(is_there, "{message}");
    }
    Ok(())
}
