//! Usage and help, and the commands that need no node: exit codes and which stream they speak on.

use e2e::install::Install;
use e2e::process;
use e2e::sample::V4;
use e2e::tree::Snapshot;
use e2e::witness::faults_of_words;
use std::os::unix::fs::PermissionsExt;

const COMMANDS: [&str; 19] = [
    "start",
    "stop",
    "restart",
    "foreground",
    "console",
    "console_clean",
    "attach",
    "remote",
    "remote_console",
    "eval",
    "eval-ex",
    "rpc",
    "rpcterms",
    "ping",
    "pid",
    "root_dir",
    "ertspath",
    "escript",
    "check_config",
];

#[test]
fn usage_and_help_tell_about_every_command_without_a_node() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    let before = Snapshot::of(install.root())?;
    let none: [&str; 0] = [];
    let usage = install.emqx(&none)?.exit_code(1)?;
    assert!(usage.stdout.starts_with("Usage: "), "{usage}");
    let help = install.emqx(&["help"])?.success()?;
    for command in COMMANDS.iter().chain(&["ctl", "relup"]) {
        // The second name of a command stands in its own help.
        let second = *command == "remote_console";
        assert!(
            second || help.stdout.contains(command),
            "{command} is not in {help}"
        );
    }
    for command in COMMANDS {
        let told = install.emqx(&[command, "help"])?.success()?;
        assert!(told.stdout.contains(&format!("emqx {command}")), "{told}");
        assert!(told.stderr.is_empty(), "{told}");
    }
    let relup = install.emqx(&["relup", "--help"])?.success()?;
    for command in [
        "upgrade",
        "list-supported-paths",
        "status",
        "logs",
        "logs-clear",
        "rollback",
    ] {
        assert!(
            relup.stdout.contains(command),
            "{command} is not in {relup}"
        );
    }
    assert_eq!(install.emqx(&["relup", "no-such-command"])?.code, Some(2));
    assert_eq!(install.emqx(&["relup", "upgrade"])?.code, Some(2));
    let unknown = install.emqx(&["no_such_command"])?.exit_code(1)?;
    assert!(
        unknown.stdout.contains("Usage: ") || unknown.stderr.contains("Usage: "),
        "{unknown}"
    );
    assert_eq!(
        before.differences(&Snapshot::of(install.root())?),
        Vec::<String>::new()
    );
    Ok(())
}

#[test]
fn escripts_run_with_the_release_own_runtime() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    // What the VM makes of arguments depends on the locale.
    install.set_env("LC_ALL", "C.UTF-8");
    let script = install.path("bin/hello.escript");
    let text = "#!/usr/bin/env escript\nmain(Args) ->\n    \
                io:format(\"~ts|~w~n\", [code:root_dir(), Args]), halt(7).\n";
    fs_err::write(&script, text)?;
    fs_err::set_permissions(&script, PermissionsExt::from_mode(0o755))?;
    let finished = install.emqx(&["escript", "bin/hello.escript", "a b", "$c", "ü"])?;
    assert_eq!(finished.code, Some(7), "{finished}");
    assert_eq!(
        finished.text(),
        format!("{}|[[97,32,98],[36,99],[252]]", install.root().display()),
        "{finished}"
    );
    let gone = install.emqx(&["escript", "bin/no_such.escript"])?;
    assert!(gone.code.is_some_and(|code| code != 0), "{gone}");
    Ok(())
}

#[test]
fn configuration_is_checked_by_the_release_and_nothing_is_written() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.emqx(&["check_config"])?.success()?;
    let conf = install.path("etc/emqx.conf");
    let right = fs_err::read_to_string(&conf)?;
    let before = Snapshot::of(&install.path("data"))?;
    for (line, text) in [
        ("node.no_such_field = 1", "no_such_field"),
        ("node.dist_net_ticktime = \"soon\"", "dist_net_ticktime"),
        ("node { unclosed = ", ""),
    ] {
        fs_err::write(&conf, format!("{right}\n{line}\n"))?;
        for command in ["check_config", "start", "foreground"] {
            let finished = install.emqx(&[command])?;
            assert_eq!(finished.code, Some(1), "{finished}");
            let said = format!("{}{}", finished.stdout, finished.stderr);
            assert!(said.contains(text), "{line:?} is not told: {finished}");
            assert!(install.processes().is_empty(), "{line:?}: something runs");
        }
    }
    fs_err::write(&conf, &right)?;
    let now = Snapshot::of(&install.path("data"))?;
    assert_eq!(
        before.differences(&now),
        Vec::<String>::new(),
        "a check writes nothing"
    );
    install.set_env("EMQX_NODE__NO_SUCH_FIELD", "1");
    install.set_env("EMQX_NODE__DIST_NET_TICKTIME", "soon");
    let finished = install.emqx(&["check_config"])?;
    assert_eq!(finished.code, Some(1), "{finished}");
    Ok(())
}

#[test]
fn starting_without_configuration_or_licence_is_refused() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.set_env("EMQX_SECURITY_PROFILE", "paranoid");
    let finished = install.emqx(&["start"])?.exit_code(1)?;
    assert!(finished.stderr.contains("paranoid"), "{finished}");
    assert_eq!(
        faults_of_words(&finished),
        Vec::<String>::new(),
        "{finished}"
    );
    install.remove_env("EMQX_SECURITY_PROFILE");
    fs_err::remove_file(install.path("etc/emqx.conf"))?;
    let finished = install.emqx(&["start"])?.exit_code(1)?;
    assert!(finished.stderr.contains("emqx.conf"), "{finished}");
    assert_eq!(
        faults_of_words(&finished),
        Vec::<String>::new(),
        "{finished}"
    );
    assert!(install.processes().is_empty());
    process::wait_until("nothing to be left", process::HANG, || {
        Ok(install.vms().is_empty())
    })
}
