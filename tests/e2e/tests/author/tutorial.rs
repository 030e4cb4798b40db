//! `docs/authoring.md` as its readers follow it: every command, and what it is said to print.

use e2e::install::Install;
use e2e::process;
use e2e::sample::{V4, workspace};

/// What stands between two fences of a kind, in order; with how many blocks of commands came before.
fn blocks<'a>(page: &'a str, kind: &str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    let mut commands = 0;
    for part in page.split("\n```").skip(1).step_by(2) {
        let (language, text) = part.split_once('\n').unwrap_or((part, ""));
        commands += usize::from(language == "sh");
        if language == kind {
            found.push((commands, text));
        }
    }
    found
}

/// Whether a line is as the page has it, where `...` stands for anything.
fn is_like(line: &str, shown: &str) -> bool {
    let mut rest = line;
    for (at, part) in shown.split("...").enumerate() {
        rest = match (at, rest.find(part)) {
            (0, Some(0)) | (1.., Some(_)) => rest.split_once(part).map_or("", |(_, rest)| rest),
            _ => return false,
        };
    }
    rest.is_empty() || shown.ends_with("...")
}

#[test]
fn the_page_is_followed_to_the_letter() -> e2e::Result<()> {
    let page = fs_err::read_to_string(workspace().join("docs/authoring.md"))?;
    // Not started: it lends its place, its node name and its ports.
    let install = Install::sample(V4)?;
    let mut script = "exec 2>&1; set -e\n\
        trap '[ ! -d \"$lab/installed\" ] || \"$lab/installed/bin/emqx\" stop >stopped 2>&1 || true' EXIT\n"
        .to_owned();
    for (number, commands) in blocks(&page, "sh") {
        script.extend([commands, "\necho '== ", &number.to_string(), "'\n"]);
    }
    let mut bash = install.command("bash");
    bash.arg("-c").arg(script).current_dir(workspace());
    bash.env("TMPDIR", install.scratch());
    bash.env("EMQX_NODE__NAME", install.node_name());
    bash.env(
        "EMQX_LISTENERS__TCP__DEFAULT__BIND",
        install.mqtt_port().to_string(),
    );
    let told = process::run(&mut bash, process::HANG)?.success()?;
    println!("{told}");
    let shown = blocks(&page, "text");
    assert!(shown.len() > 3, "{shown:?}");
    for (number, lines) in shown {
        let from = told
            .stdout
            .find(&format!("== {}\n", number - 1))
            .unwrap_or(0);
        let to = told.stdout.find(&format!("== {number}\n")).unwrap_or(0);
        let mut said = told.stdout[from..to].lines();
        for line in lines.lines() {
            assert!(
                said.any(|said| is_like(said, line)),
                "behind block {number} the page has {line:?}\n{}",
                &told.stdout[from..to]
            );
        }
    }
    Ok(())
}

#[test]
fn three_dots_stand_for_anything() {
    assert!(is_like("a: one b", "a: ... b"));
    assert!(is_like("a: one", "a: ..."));
    assert!(!is_like("a: one c", "a: ... b"));
    assert!(!is_like("an a: one", "a: ..."));
}
