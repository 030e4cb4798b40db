//! Bad input: each is told in one line with a remedy, with the right exit code, and changes nothing.

use e2e::install::Install;
use e2e::node;
use e2e::process::Finished;
use e2e::sample::{Sample, V4, V5};
use e2e::tree::Snapshot;
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

#[test]
fn commands_for_a_node_that_is_down_say_so_at_once() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let name = install.node_name();
    // The default name may be that of somebody else's node on this machine.
    let conf = install.path("etc/emqx.conf");
    let text = fs_err::read_to_string(&conf)?.replace("emqx@127.0.0.1", &name);
    fs_err::write(&conf, text)?;
    install.remove_env("EMQX_NODE__NAME");
    let before = Snapshot::of(install.root())?;
    for args in [
        &["ping"][..],
        &["pid"],
        &["ctl", "status"],
        &["eval", "1+1"],
        &["rpc", "erlang", "node"],
        &["rpcterms", "erlang", "node"],
        &["stop"],
        &["remote"],
        &["attach"],
    ] {
        let finished = install.emqx(args)?;
        assert_eq!(finished.code, Some(1), "{finished}");
        assert_eq!(
            faults_of_words(&finished),
            Vec::<String>::new(),
            "{finished}"
        );
        assert!(
            finished.stdout.is_empty(),
            "nothing to tell on stdout: {finished}"
        );
    }
    let ping = install.emqx(&["ping"])?;
    assert_told(&ping, 1, &format!("Node {name} not responding to pings."));

    install.set_env("EMQX_NODE__NAME", &name);
    let named = install.emqx(&["ping"])?;
    assert_eq!(named.code, Some(1), "{named}");
    assert!(named.stderr.contains(&name), "{named}");
    for bad in [
        "two words@127.0.0.1",
        "semi;colon@127.0.0.1",
        "@127.0.0.1",
        "under.dot@127.0.0.1",
    ] {
        install.set_env("EMQX_NODE__NAME", bad);
        let finished = install.emqx(&["start"])?;
        assert_told(
            &finished,
            1,
            "Invalid node name, should be of format '^[0-9A-Za-z_-]+$'.",
        );
        assert_told(&install.emqx(&["ping"])?, 1, "");
    }
    assert_eq!(
        before.differences(&Snapshot::of(install.root())?),
        Vec::<String>::new()
    );
    Ok(())
}

#[test]
fn a_node_name_that_does_not_run_is_told_while_another_one_does() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.start()?;
    let witness = Witness::of_running(&install)?;
    let own = install.node_name();
    let other = install.slot().node_name(1);
    install.set_env("EMQX_NODE__NAME", &other);
    for args in [&["ping"][..], &["ctl", "status"], &["pid"], &["stop"]] {
        let finished = install.emqx(args)?;
        assert_told(&finished, 1, &other);
    }
    install.set_env("EMQX_NODE__NAME", "emqx@no.such.host.invalid");
    assert_told(&install.emqx(&["ping"])?, 1, "emqx@no.such.host.invalid");
    install.set_env("EMQX_NODE__NAME", &own);
    assert_eq!(witness.differences(&install)?, Vec::<String>::new());
    Ok(())
}

#[test]
fn damaged_markers_are_refused_with_the_remedy() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let marker = install.path("relup/current");
    let incomplete = install.path("relup/5.10.8");
    fs_err::create_dir_all(incomplete.join("bin"))?;
    let markers: [(&str, &[u8]); 14] = [
        ("missing tree", b"5.10.7\n"),
        ("incomplete tree", b"5.10.8\n"),
        ("empty", b""),
        ("newline only", b"\n"),
        ("blanks only", b"  \n"),
        ("parent", b"..\n"),
        ("path", b"../../tmp\n"),
        ("slash", b"5.10.5/bin\n"),
        ("absolute", b"/tmp\n"),
        ("NUL", b"5.10\x005\n"),
        ("two lines", b"5.10.5\n5.10.6\n"),
        ("command", b"$(reboot)\n"),
        ("quote", b"\"5.10.5\"\n"),
        ("no text", b"\xff\xfe\n"),
    ];
    for (name, content) in markers {
        fs_err::write(&marker, content)?;
        let before = Snapshot::of(install.root())?;
        for args in [
            &["start"][..],
            &["foreground"],
            &["root_dir"],
            &["ertspath"],
            &["restart"],
        ] {
            let finished = install.emqx(args)?;
            assert_eq!(finished.code, Some(1), "{name}: {finished}");
            assert_eq!(
                faults_of_words(&finished),
                Vec::<String>::new(),
                "{name}: {finished}"
            );
            let told = &finished.stderr;
            assert!(
                told.contains(&*marker.to_string_lossy()),
                "{name}: the marker is not named: {told}"
            );
            assert!(
                told.matches("hint: ").count() >= 2,
                "{name}: two commands mend it: {told}"
            );
        }
        assert!(
            install.processes().is_empty(),
            "{name}: something was started"
        );
        let now = Snapshot::of(install.root())?;
        assert_eq!(before.differences(&now), Vec::<String>::new(), "{name}");
    }
    // A marker that is no file, and one that can't be read through, are damaged as well.
    fs_err::remove_file(&marker)?;
    fs_err::create_dir(&marker)?;
    assert_eq!(install.emqx(&["start"])?.code, Some(1));
    fs_err::remove_dir(&marker)?;
    std::os::unix::fs::symlink("current", &marker)?;
    assert_eq!(install.emqx(&["start"])?.code, Some(1));
    fs_err::remove_file(&marker)?;

    // The remedy that is told mends it.
    fs_err::write(&marker, "5.10.7\n")?;
    install.emqx(&["relup", "rollback"])?.success()?;
    assert!(!marker.exists());
    install.start()?;
    assert_eq!(node::version(&install)?, V4);
    Ok(())
}

#[test]
fn emqx_vars_with_anything_but_assignments_is_refused_with_file_and_line() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let vars = install.path("releases/emqx_vars");
    let right = fs_err::read_to_string(&vars)?;
    let canary = install.scratch().join("executed");
    let lines = [
        format!("touch {}", canary.display()),
        format!("X=$(touch {})", canary.display()),
        format!("X=`touch {}`", canary.display()),
        format!("X=\"$(touch {})\"", canary.display()),
        "X=\"no end".to_owned(),
        "if true; then".to_owned(),
        "X=1; Y=2".to_owned(),
        "= value".to_owned(),
        "X=${Y".to_owned(),
    ];
    let line_number = right.lines().count() + 1;
    for line in &lines {
        fs_err::write(&vars, format!("{}\n{line}\n", right.trim_end_matches('\n')))?;
        let before = Snapshot::of(install.root())?;
        for args in [&["start"][..], &["root_dir"], &["ping"]] {
            let finished = install.emqx(args)?;
            let place = format!("{}:{line_number}", vars.display());
            assert_told(&finished, 1, &place);
        }
        assert!(!canary.exists(), "{line:?} was executed");
        let now = Snapshot::of(install.root())?;
        assert_eq!(before.differences(&now), Vec::<String>::new(), "{line:?}");
    }
    // Lines appended by an upgrade win, and unusual but right assignments are read.
    let text =
        format!("{right}\nexport EMQX_DESCRIPTION='Another Name'\n# a comment\n\nX=${{Y:-z}}\n");
    fs_err::write(&vars, text)?;
    install
        .start()?
        .says("Another Name 5.10.4 is started successfully!")?;
    Ok(())
}

#[test]
fn no_release_around_the_program_is_told() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    fs_err::remove_file(install.path("releases/emqx_vars"))?;
    let finished = install.emqx(&["start"])?;
    assert_told(&finished, 1, "emqx_vars");
    fs_err::remove_dir_all(install.path("releases"))?;
    assert_told(
        &install.emqx(&["ping"])?,
        1,
        &install.root().to_string_lossy(),
    );
    Ok(())
}
