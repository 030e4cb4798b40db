//! The life of a node, by every command that boots, asks or stops one.

use e2e::install::Install;
use e2e::node;
use e2e::process::{self, HANG};
use e2e::sample::{FOUR_0, FOUR_16};
use e2e::terminal::Terminal;

#[test]
fn a_daemon_is_started_asked_restarted_and_stopped() -> e2e::Result<()> {
    let install = Install::four(FOUR_0)?;
    let started = install.start()?;
    assert!(
        started
            .stdout
            .contains("EMQX Broker 4.4.0 is started successfully!"),
        "{started}"
    );
    install
        .emqx(&["start"])?
        .exit_code(1)?
        .says("is already running!")?;
    assert_eq!(install.emqx(&["ping"])?.success()?.text(), "pong");
    let pid = install.emqx(&["pid"])?.success()?.text().to_owned();
    assert_eq!(pid, node::os_pid(&install)?.to_string());
    install
        .emqx(&["ctl", "status"])?
        .success()?
        .says(&format!("Node '{}' 4.4.0 is started", install.node_name()))?;
    install.emqx(&["ctl", "nonsense"])?.exit_code(1)?;
    assert_eq!(node::eval(&install, "X = 6, X * 7")?, "42");
    let printed = install
        .emqx(&["eval", "io:format(\"~s\", [\"said\"])"])?
        .success()?;
    assert_eq!(printed.text(), "saidok");
    install
        .emqx(&["eval", "1 +"])?
        .exit_code(1)?
        .says("syntax error at 1:")?;
    install
        .emqx(&["eval", "nobody:home()"])?
        .exit_code(1)?
        .says("undef")?;
    let root = install.root().to_string_lossy().into_owned();
    assert_eq!(install.emqx(&["root_dir"])?.success()?.text(), root);
    assert_eq!(node::root_dir(&install)?, root);

    let restarted = install.emqx(&["restart"])?.success()?;
    assert!(
        restarted.stdout.contains("started successfully!"),
        "{restarted}"
    );
    assert_ne!(node::os_pid(&install)?.to_string(), pid);
    let stopped = install.stop()?;
    assert_eq!((stopped.text(), stopped.stderr.as_str()), ("ok", ""));
    install.emqx(&["ping"])?.exit_code(1)?;
    assert_eq!(install.vms().len(), 0);
    assert!(!install.path("log/crash.dump").exists());
    Ok(())
}

#[test]
fn the_vm_tells_its_programs_of_the_generated_arguments() -> e2e::Result<()> {
    let install = Install::four(FOUR_0)?;
    install.start()?;
    // An upgrade saves them as those of the next release.
    let told = node::eval_text(&install, "element(2, init:get_argument(vm_args))")?;
    let configs = install.path("data/configs");
    assert!(told.contains(&*configs.to_string_lossy()), "{told}");
    let mut names: Vec<String> = fs_err::read_dir(&configs)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .collect();
    names.sort();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(told.contains(&names[1]), "{told} {names:?}");
    let args = fs_err::read_to_string(configs.join(&names[1]))?;
    assert!(
        args.contains(&format!("\n-name {}\n", install.node_name())),
        "{args}"
    );
    let database = node::eval_text(&install, "mnesia:system_info(directory)")?;
    assert_eq!(
        database,
        install
            .path("data/mnesia")
            .join(install.node_name())
            .to_string_lossy()
    );
    install.stop()?;
    Ok(())
}

#[test]
fn the_foreground_logs_to_its_output_and_ends_with_the_node() -> e2e::Result<()> {
    let install = Install::four(FOUR_0)?;
    let mut foreground = install.spawn(&["foreground"])?;
    process::wait_until("the broker to run", HANG, || {
        let asked = install.emqx(&["eval", "emqx:is_running(node())"])?;
        Ok(asked.stdout == "true\n")
    })?;
    let handlers = node::eval(
        &install,
        "[H || H <- [console, file], {ok, _} <- [logger:get_handler_config(H)]]",
    )?;
    assert_eq!(handlers, "[console]");
    install.stop()?;
    let ended = foreground.wait(HANG)?.success()?;
    assert!(
        ended.stdout.starts_with("Starting EMQX Broker 4.4.0\n"),
        "{ended}"
    );
    Ok(())
}

#[test]
fn another_boot_file_is_booted_where_it_is_asked_for() -> e2e::Result<()> {
    let install = Install::four(FOUR_0)?;
    for (words, says) in [
        (&["start_boot"][..], "wrong arguments"),
        (&["start_boot", "nonsense"], "there is no boot file"),
        (&["console_boot", "../nonsense"], "there is no boot file"),
    ] {
        install.emqx(words)?.exit_code(1)?.says(says)?;
    }
    install.emqx(&["start_boot", "start"])?.success()?;
    assert_eq!(node::eval(&install, "emqx:is_running(node())")?, "true");
    install.stop()?;

    // A path counts from the root.
    let other = install.path("data/other boot");
    fs_err::copy(
        install.path("releases/4.4.0/start.boot"),
        other.with_extension("boot"),
    )?;
    let mut console = if Terminal::is_available() {
        Terminal::run(&install, "console_boot 'data/other boot'")?
    } else {
        println!("console_boot is not tried here: script(1) is not installed");
        return Ok(());
    };
    process::wait_until("the node to answer", HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(0))
    })?;
    let booted = node::eval_text(&install, "element(2, init:get_argument(boot))")?;
    assert!(booted.contains("data/other boot"), "{booted}");
    console.types("6 * 111.\n")?;
    console.shows("666")?;
    install.stop()?;
    console.ends()?;
    Ok(())
}

#[test]
fn commands_of_old_are_none_of_later_releases() -> e2e::Result<()> {
    let install = Install::sample(e2e::sample::V4)?;
    for command in ["start_boot", "console_boot"] {
        let refused = install.emqx(&[command, "start"])?.exit_code(1)?;
        assert!(
            refused
                .stderr
                .contains("is a command of EMQX before 5.0, and this is 5.10.4"),
            "{refused}"
        );
    }
    Ok(())
}

#[test]
fn the_console_and_a_remote_shell_take_what_is_typed() -> e2e::Result<()> {
    if !Terminal::is_available() {
        println!("not tried here: script(1) is not installed");
        return Ok(());
    }
    let install = Install::four(FOUR_16)?;
    let mut console = Terminal::run(&install, "console")?;
    process::wait_until("the node to answer", HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(0))
    })?;
    console.types("emqx_release:version().\n")?;
    console.shows("\"4.4.16\"")?;
    let mut remote = Terminal::run(&install, "remote_console")?;
    remote.types("7 * 111, node().\n")?;
    remote.shows(&format!("'{}'", install.node_name()))?;
    remote.types("q().\n")?;
    install.stop()?;
    console.ends()?;
    Ok(())
}

#[test]
fn a_daemon_that_does_not_answer_is_stopped_through_its_console() -> e2e::Result<()> {
    let install = Install::four(FOUR_0)?;
    install.start()?;
    if Terminal::is_available() {
        let mut attached = Terminal::run(&install, "attach")?;
        attached.types("\n6 * 111.\n")?;
        attached.shows("666")?;
        attached.types("\u{4}")?;
        attached.ends()?;
    }
    // Nobody can connect to it any more.
    node::eval(&install, "erlang:set_cookie(node(), other)")?;
    let stopped = install.emqx(&["stop"])?.success()?;
    assert!(stopped.stdout.contains("through its console"), "{stopped}");
    assert_eq!(install.vms().len(), 0);
    Ok(())
}
