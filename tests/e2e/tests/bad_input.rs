//! Bad input: each is told in one line with a remedy, with the right exit code, and changes nothing.

use e2e::install::Install;
use e2e::node;
use e2e::process::Finished;
use e2e::sample::{Sample, V4, V5};
use e2e::witness::{Witness, error_name, faults_of_words, relup_json};

/// Demands a failure with one line for people that has a text in it.
fn assert_told(finished: &Finished, code: i32, text: &str) {
    assert_eq!(finished.code, Some(code), "{finished}");
    let faults = faults_of_words(finished);
    assert_eq!(faults, Vec::<String>::new(), "{finished}");
    assert!(
        finished.stderr.contains(text),
        "{text:?} is not told: {finished}"
    );
}

#[test]
fn a_wrong_cookie_is_told_apart_from_a_node_that_is_down() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.start()?;
    let witness = Witness::of_running(&install)?;
    let log_before = node_log(&install);

    install.set_env("EMQX_NODE__COOKIE", "another");
    for args in [
        &["ping"][..],
        &["ctl", "status"],
        &["eval", "1+1"],
        &["relup", "status"],
    ] {
        let finished = install.emqx(args)?;
        if args[0] != "relup" {
            assert_told(&finished, 1, "ookie");
        }
        assert!(
            !finished.stderr.contains("another"),
            "a cookie is told: {finished}"
        );
    }
    install.remove_env("EMQX_NODE__COOKIE");
    assert_eq!(witness.differences(&install)?, Vec::<String>::new());
    assert_eq!(log_before, node_log(&install), "the node saw no attempt");

    // The running VM's own arguments are outdated: its cookie was changed since.
    let cookie = node::eval(&install, "erlang:get_cookie()")?;
    install
        .emqx(&["eval", "erlang:set_cookie('changed-since')"])?
        .success()?;
    let target = Sample::find()?.tarball(V5)?;
    let ping = install.emqx(&["ping"])?;
    assert_told(&ping, 1, "not responding to pings");
    assert!(ping.stderr.contains("ookie"), "the reason is told: {ping}");
    let (finished, json) = relup_json(&install, &["upgrade", &target.to_string_lossy()])?;
    assert_eq!(finished.code, Some(1), "{finished}");
    assert_eq!(error_name(&json), "node_unreachable", "{finished}");
    assert!(
        !finished.stdout.contains(cookie.trim_matches('\'')),
        "a cookie is told: {finished}"
    );
    assert!(!install.path("relup/5.10.5").exists());
    Ok(())
}

fn node_log(install: &Install) -> String {
    fs_err::read_to_string(install.path("log/emqx.log")).unwrap_or_default()
}
