//! The invariants of the architecture that can be checked by reading the sources.
//!
//! Each test lists every place that breaks its rule, with file and line, so that one run shows all
//! of them. Comments and unit tests (from `#[cfg(test)]` to the end of the file) may say and do
//! more than the code.

use e2e::sample::workspace;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATES: [&str; 10] = [
    "launcher",
    "relup-cmd",
    "relup",
    "shims",
    "tests/compliance",
    "tests/crash",
    "tests/e2e",
    "tests/fuzz",
    "tests/hostile",
    "tests/packages",
];
const MAX_LINES: usize = 400;

fn files(below: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![workspace().join(below)];
    while let Some(dir) = open.pop() {
        for entry in fs_err::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The lines of code of a file with their numbers: no comments, no unit tests.
fn code(path: &Path) -> Vec<(usize, String)> {
    let text = fs_err::read_to_string(path).expect("a source file is text");
    let lines = text
        .lines()
        .take_while(|line| line.trim() != "#[cfg(test)]");
    lines
        .enumerate()
        .map(|(number, line)| (number + 1, line.trim().to_owned()))
        .filter(|(_, line)| !line.starts_with("//"))
        .collect()
}

/// Every line of code below a folder that holds one of the words, except in the allowed file.
fn uses(below: &str, words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for path in files(below, "rs") {
        if allowed.iter().any(|allowed| path.ends_with(allowed)) {
            continue;
        }
        for (number, line) in code(&path) {
            if words.iter().any(|word| line.contains(word)) {
                found.push(format!("{}:{number}: {line}", path.display()));
            }
        }
    }
    found
}

fn assert_none(found: &[String], rule: &str) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn relup_has_no_effects() {
    let words = [
        "std::fs",
        "std::process",
        "std::env",
        "std::net",
        "std::time",
        "std::thread",
        "fs_err",
        "SystemTime",
        "Instant::now",
        "File::",
        "Command::",
    ];
    assert_none(
        &uses("relup/src", &words, &[]),
        "the pure crate touches the world",
    );
    let manifest =
        fs_err::read_to_string(workspace().join("relup/Cargo.toml")).expect("a manifest");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
    let dependencies = dependencies.split("\n[").next().unwrap_or_default();
    for effectful in [
        "nix",
        "fs-err",
        "rustix",
        "tempfile",
        "tokio",
        "shims",
        "relup-cmd",
        "launcher",
    ] {
        let listed = dependencies.lines().any(|line| line.starts_with(effectful));
        assert!(!listed, "relup depends on {effectful}");
    }
}

#[test]
fn crates_depend_only_along_the_allowed_edges() {
    let forbidden = [
        ("relup-cmd", &["shims", "launcher"][..]),
        ("shims", &["relup-cmd", "launcher"][..]),
        ("tests/compliance", &["shims", "relup-cmd", "launcher"][..]),
        ("tests/crash", &["shims", "relup-cmd", "launcher"][..]),
        ("tests/e2e", &["shims", "relup-cmd", "launcher"][..]),
        ("tests/hostile", &["shims", "relup-cmd", "launcher"][..]),
    ];
    for (member, edges) in forbidden {
        let path = workspace().join(member).join("Cargo.toml");
        let manifest = fs_err::read_to_string(path).expect("a manifest");
        for edge in edges {
            let listed = manifest.lines().any(|line| {
                line.strip_prefix(edge)
                    .is_some_and(|rest| rest.starts_with([' ', '.', '=']))
            });
            assert!(!listed, "{member} depends on {edge}");
        }
    }
}

#[test]
fn only_the_host_files_read_the_real_world() {
    let words = [
        "env::var",
        "env::args",
        "env::vars",
        "env::current_dir",
        "current_exe",
        "\"/proc",
    ];
    assert_none(
        &uses(
            "launcher/src",
            &words,
            &["launcher/src/host.rs", "launcher/src/host/process.rs"],
        ),
        "a second reader",
    );
    assert_none(
        &uses("relup-cmd/src", &words, &[]),
        "relup-cmd reads the environment",
    );
    assert_none(
        &uses("shims/src", &words, &[]),
        "shims reads the environment",
    );
}

#[test]
fn relup_cmd_knows_no_cookie() {
    assert_none(
        &uses("relup-cmd/src", &["Cookie", "cookie", "NodeName"], &[]),
        "a secret leaks",
    );
}

#[test]
fn one_file_replaces_the_process_image() {
    let words = ["execve", "execv(", "execvp", ".exec()"];
    let mut found = Vec::new();
    for member in ["launcher/src", "relup-cmd/src", "shims/src", "relup/src"] {
        found.extend(uses(member, &words, &[]));
    }
    let mut places: Vec<_> = found
        .iter()
        .filter_map(|line| line.split(':').next())
        .collect();
    places.dedup();
    assert_eq!(
        places.len(),
        1,
        "expected exactly one file:\n{}",
        found.join("\n")
    );
}

#[test]
fn paths_of_a_release_tree_are_joined_in_the_layout_only() {
    let words = [
        "join(\"relup",
        "join(\"releases",
        "join(\"lib\"",
        "join(\"erts",
        "join(\"current",
        "join(\"catalog",
        "join(\"journal",
        "join(\"RELEASES",
        "join(\"BUILD_INFO",
    ];
    let mut found = uses("launcher/src", &words, &[]);
    found.extend(uses("relup-cmd/src", &words, &[]));
    found.extend(uses("shims/src", &words, &[]));
    assert_none(&found, "a path of the tree is joined outside relup::layout");
}

#[test]
fn unsafe_code_is_forbidden_everywhere() {
    let root = fs_err::read_to_string(workspace().join("Cargo.toml")).expect("a manifest");
    assert!(
        root.contains("unsafe_code = \"forbid\""),
        "the workspace forbids unsafe code"
    );
    for member in CRATES {
        let path = workspace().join(member).join("Cargo.toml");
        let manifest = fs_err::read_to_string(path).expect("a manifest");
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{member} takes the lints"
        );
    }
}

#[test]
fn every_source_file_says_why_it_exists() {
    let mut found = Vec::new();
    for (extension, opening) in [("rs", "//!"), ("erl", "%%%")] {
        for member in CRATES.into_iter().chain(["tests/sample"]) {
            for path in files(member, extension) {
                let text = fs_err::read_to_string(&path).expect("a source file is text");
                if !text.starts_with(opening) {
                    found.push(path.display().to_string());
                }
            }
        }
    }
    assert_none(&found, "files without an opening comment");
}

#[test]
fn no_source_file_is_too_long() {
    let mut found = Vec::new();
    for member in CRATES {
        for path in files(member, "rs") {
            let count = fs_err::read_to_string(&path).expect("text").lines().count();
            if count > MAX_LINES {
                found.push(format!("{}: {count} lines", path.display()));
            }
        }
    }
    assert_none(&found, &format!("files of more than {MAX_LINES} lines"));
}

#[test]
fn nothing_is_left_to_be_done() {
    let words = ["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX"];
    let mut found = Vec::new();
    for member in CRATES {
        // This file has to name the words.
        found.extend(uses(member, &words, &["tests/tidy.rs"]));
    }
    assert_none(&found, "left undone");
}

#[test]
fn carried_erlang_sources_compile_without_a_warning() {
    let out = tempfile::tempdir().expect("a temp dir");
    let sources = files("shims/erl", "erl");
    assert!(!sources.is_empty(), "no Erlang source in shims/erl");
    for source in sources {
        let mut compiler = Command::new("erlc");
        compiler.arg("-Werror").arg("-o").arg(out.path());
        // Test modules are not carried: nobody calls their functions by a specification.
        if !source.components().any(|part| part.as_os_str() == "test") {
            compiler.arg("+warn_missing_spec");
        }
        let compiled = compiler.arg(&source).output().expect("erlc is installed");
        let said = String::from_utf8_lossy(&compiled.stdout);
        assert!(compiled.status.success(), "{}:\n{said}", source.display());
    }
}
