//! Long work shows how far it is: a bar on a terminal, plain lines where somebody reads them later,
//! nothing at all beside the object of `--json`.

use e2e::install::Install;
use e2e::sample::{Sample, V4, V5};
use e2e::terminal::Terminal;
use serde_json::Value;

const STAGES: [&str; 4] = [
    "verifying the tarball",
    "extracting",
    "checking the release",
    "deploying 5.10.5",
];

/// An installation whose node is down, and a command that has a lot to do.
fn cold_upgrade() -> e2e::Result<(Install, String)> {
    let install = Install::sample(V4)?;
    let target = Sample::find()?.tarball(V5)?;
    let command = format!("relup upgrade --cold '{}'", target.display());
    Ok((install, command))
}

#[test]
fn a_terminal_shows_bars_and_keeps_a_line_of_each_stage() -> e2e::Result<()> {
    if !Terminal::is_available() {
        return Ok(());
    }
    let (mut install, command) = cold_upgrade()?;
    install.set_env("NO_COLOR", "1");
    let ended = Terminal::run(&install, &command)?.ends()?.success()?;
    let screen = &ended.stdout;
    assert!(screen.contains("[=") && screen.contains(" MiB/"), "{ended}");
    // What remains once the bars are gone; a line begins behind the last thing that cleared it.
    let kept: Vec<&str> = screen
        .lines()
        .map(|line| {
            line.trim_end()
                .rsplit("\u{1b}[2K")
                .next()
                .unwrap_or_default()
        })
        .collect();
    for stage in STAGES {
        assert!(
            kept.iter()
                .any(|line| line.starts_with(stage) && line.ends_with(" s")),
            "{stage}: {kept:?}"
        );
    }
    assert!(kept.contains(&"upgrade complete"), "{kept:?}");
    assert!(!screen.contains("\u{1b}[3"), "no colour: {ended}");
    Ok(())
}

#[test]
fn a_pipe_gets_plain_lines() -> e2e::Result<()> {
    let (install, _) = cold_upgrade()?;
    let target = Sample::find()?.tarball(V5)?.display().to_string();
    let ended = install
        .emqx(&["relup", "upgrade", "--cold", &target])?
        .success()?;
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(lines[..4], STAGES, "{ended}");
    assert!(!ended.stdout.contains('\u{1b}') && !ended.stdout.contains('\r'));
    assert_eq!(ended.stderr, "");
    Ok(())
}

#[test]
fn json_is_one_object_also_on_a_terminal() -> e2e::Result<()> {
    if !Terminal::is_available() {
        return Ok(());
    }
    let (install, command) = cold_upgrade()?;
    let ended = Terminal::run(&install, &format!("{command} --json"))?
        .ends()?
        .success()?;
    let object: Value = serde_json::from_str(ended.text()).expect("one object and nothing else");
    assert_eq!(object["ok"], true);
    Ok(())
}
