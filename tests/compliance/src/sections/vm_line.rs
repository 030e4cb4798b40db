//! Section 5: the command line and the environment of the VM, and what a boot starts.

use crate::call::{Call, Text, run};
use crate::case::Check::{Looking, Steps};
use crate::case::{Case, Need, fix, kept};
use crate::ensure;
use crate::subject::Subject;
use e2e::process;
use e2e::{Error, Result};
use std::os::unix::ffi::OsStrExt;

const SAMPLE: &[Need] = &[Need::Sample];

/// The cases.
pub const CASES: &[Case] = &[
    kept(
        "5.9",
        "EMQX_LOG__TO becomes what the schema knows",
        Steps(log_to),
    ),
    kept(
        "5.9",
        "the console handler where nobody says otherwise",
        Steps(log_handler),
    ),
    kept(
        "5.9",
        "a foreground node logs to its output",
        Steps(logs_to_console),
    )
    .needs(SAMPLE),
    kept(
        "5.10",
        "the options of the VM in their order",
        Steps(options),
    ),
    kept(
        "5.10",
        "the data directory is the last argument",
        Steps(data_dir_last),
    ),
    kept(
        "5.11",
        "what heart and run_erl are told",
        Steps(daemon_variables),
    ),
    kept(
        "5.11",
        "what the operator tells run_erl stays",
        Steps(own_variables),
    ),
    fix(
        "5.11",
        "heart starts the base's program",
        Steps(heart_of_deployed),
    ),
    fix("5.12", "one helper VM for each boot", Steps(one_helper)),
    fix(
        "5.13",
        "a node that dies in its boot is no success",
        Steps(dies_in_boot),
    )
    .needs(SAMPLE),
    kept(
        "5.16",
        "the VM is called by the node's short name",
        Steps(short_name),
    ),
    kept("5.19", "helper VMs leave no crash dump", Steps(no_dump)),
    kept(
        "5.11",
        "the node does not inherit what is meant for helpers",
        Looking(NOT_INHERITED),
    ),
];

const NOT_INHERITED: &[Call] = &[
    run(&["eval", "[V || \"_EMQX\" ++ V <- os:getenv()]"]).out(Text::Is("[]\n")),
    run(&["eval", "os:getenv(\"EMQX_BOOT_CONFIGS\")"]).out(Text::Is("false\n")),
    run(&[
        "eval",
        "[V || \"ERL_CRASH_DUMP_BYTES=0\" ++ V <- os:getenv()]",
    ])
    .out(Text::Is("[]\n")),
];

fn log_to(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let node = site.capture_node()?;
    for (setting, console, file) in [
        ("console", Some("true"), Some("false")),
        ("file", Some("false"), Some("true")),
        ("both", Some("true"), Some("true")),
        ("default", None, None),
    ] {
        node.clear()?;
        site.emqx_with("EMQX_LOG__TO", setting, &["foreground"])?
            .success()?;
        for (name, expected) in [
            ("EMQX_LOG__CONSOLE__ENABLE", console),
            ("EMQX_LOG__FILE__ENABLE", file),
            ("EMQX_LOG__TO", None),
        ] {
            let value = node.variable(name)?;
            ensure!(
                value.as_deref() == expected,
                "{setting}: {name} is {value:?}"
            );
        }
    }
    Ok(())
}

fn log_handler(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let node = site.capture_node()?;
    let mut handler = |command: &str, setting: Option<&str>| -> Result<Option<String>> {
        node.clear()?;
        if let Some(value) = setting {
            site.set_env("EMQX_DEFAULT_LOG_HANDLER", value);
        } else {
            site.remove_env("EMQX_DEFAULT_LOG_HANDLER");
        }
        // As a daemon it cannot become ready: its VM ends at once.
        site.emqx(&[command])?;
        node.variable("EMQX_DEFAULT_LOG_HANDLER")
    };
    for (command, setting, expected) in [
        ("foreground", None, Some("console")),
        ("console", None, Some("console")),
        ("foreground", Some("file"), Some("file")),
        ("start", None, None),
        ("start", Some("both"), Some("both")),
    ] {
        let value = handler(command, setting)?;
        ensure!(
            value.as_deref() == expected,
            "{command} with {setting:?}: {value:?}, not {expected:?}"
        );
    }
    Ok(())
}

fn logs_to_console(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let mut running = site.spawn(&["foreground"])?;
    site.wait_ready()?;
    site.emqx(&["eval", "logger:error(\"said-by-the-node\")"])?
        .success()?;
    running.wait_for("said-by-the-node", process::HANG)?;
    ensure!(
        !site.path("log/emqx.log").exists(),
        "it logs to a file as well"
    );
    site.stop()?;
    running.wait(process::HANG)?;
    // As a daemon, to its file.
    site.start()?;
    site.emqx(&["eval", "logger:error(\"said-by-the-daemon\")"])?
        .success()?;
    site.stop()?;
    let mut grep = site.command("grep");
    grep.args(["-rl", "said-by-the-daemon"])
        .arg(site.path("log"));
    let found = process::run(&mut grep, process::HANG)?.success()?;
    ensure!(found.stdout.contains("emqx.log"), "{found}");
    Ok(())
}

fn options(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    // What another release's shell has left behind is not believed.
    site.set_env("ROOTDIR", "/no/such/release");
    let node = site.capture_node()?;
    for (command, first) in [
        ("foreground", &["-noinput", "-noshell", "+Bd"][..]),
        ("console", &[]),
    ] {
        node.clear()?;
        site.emqx(&[command])?.success()?;
        let args = node.args()?;
        let config = args.iter().find(|arg| arg.ends_with(".config"));
        let config = config.map(String::as_str).unwrap_or_default();
        let time = config
            .rsplit_once("app.")
            .map(|(_, time)| time.trim_end_matches(".config"));
        let vm_args = site.fill(&format!(
            "{{root}}/data/configs/vm.{}.args",
            time.unwrap_or_default()
        ));
        ensure!(
            config.starts_with(&site.fill("{root}/data/configs/app.")),
            "{config}"
        );
        let boot = site.fill("{root}/releases/{vsn}/emqx");
        let lib = site.fill("{root}/lib");
        let rest = [
            "-boot",
            &boot,
            "-boot_var",
            "RELEASE_LIB",
            &lib,
            "-boot_var",
            "ERTS_LIB_DIR",
            &lib,
            "-mode",
            "embedded",
            "-config",
            config,
            "-args_file",
            &vm_args,
        ];
        let end = [
            "-start_epmd",
            "false",
            "-epmd_module",
            "ekka_epmd",
            "-proto_dist",
            "ekka",
            "--",
        ];
        let all: Vec<&str> = [first, &rest, &end].concat();
        let mut args_left = args.iter();
        for option in all {
            ensure!(
                args_left.any(|arg| arg == option),
                "no {option:?} where it should be: {args:?}"
            );
        }
        ensure!(
            node.variable("ROOTDIR")?.is_none(),
            "another release's root"
        );
        let pair = args
            .windows(2)
            .any(|pair| pair == ["-enable-feature", "maybe_expr"]);
        ensure!(pair, "no -enable-feature: {args:?}");
        ensure!(
            node.working_dir()? == site.root(),
            "it works in another directory"
        );
    }
    Ok(())
}

fn data_dir_last(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let node = site.capture_node()?;
    site.emqx(&["console"])?.success()?;
    let args = node.args()?;
    let data = site.fill("{root}/data");
    let [.., dist, transport, option, dir] = args.as_slice() else {
        return Err(Error::Unexpected(format!("{args:?}")));
    };
    ensure!(
        [dist.as_str(), transport, option, dir]
            == ["-ekka_proto_dist", "inet_tcp", "-emqx_data_dir", &data],
        "{args:?}"
    );
    Ok(())
}

fn daemon_variables(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let node = site.capture_node()?;
    site.emqx(&["start"])?;
    for (name, expected) in [
        ("HEART_COMMAND", site.fill("{root}/bin/emqx start")),
        ("RUN_ERL_LOG_GENERATIONS", "5".to_owned()),
        ("RUN_ERL_LOG_MAXSIZE", "10485760".to_owned()),
    ] {
        let value = node.variable(name)?;
        ensure!(
            value.as_ref() == Some(&expected),
            "{name} is {value:?}, not {expected}"
        );
    }
    Ok(())
}

fn own_variables(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let node = site.capture_node()?;
    site.set_env("RUN_ERL_LOG_GENERATIONS", "9");
    site.set_env("RUN_ERL_LOG_MAXSIZE", "4096");
    site.emqx(&["start"])?;
    for (name, expected) in [
        ("RUN_ERL_LOG_GENERATIONS", "9"),
        ("RUN_ERL_LOG_MAXSIZE", "4096"),
    ] {
        let value = node.variable(name)?;
        ensure!(value.as_deref() == Some(expected), "{name} is {value:?}");
    }
    Ok(())
}

fn heart_of_deployed(subject: &Subject) -> Result<()> {
    let site = subject.fresh_named("emqx comp with blanks ")?;
    site.deploy()?;
    site.start()?;
    let program = site.path("bin/emqx");
    let command = site.eval("os:getenv(\"HEART_COMMAND\")")?;
    let command = command.trim_matches('"');
    // It is run by a shell, which splits at blanks.
    let mut sh = site.command("sh");
    sh.args(["-c", &format!("set -- {command}; printf '%s|' \"$@\"")]);
    let words = process::run(&mut sh, process::HANG)?.success()?;
    let expected = format!("{}|start|", program.display());
    ensure!(words.stdout == expected, "not {expected}: {words}");
    site.stop()?;
    Ok(())
}

fn one_helper(subject: &Subject) -> Result<()> {
    for command in ["start", "foreground", "check_config"] {
        let site = subject.fresh()?;
        let count = fs_err::canonicalize(site.scratch())?.join("VMs");
        site.wrap_erlexec(&format!("echo x >>'{}'", count.display()))?;
        let expected = match command {
            "check_config" => {
                site.emqx(&[command])?.success()?;
                1
            }
            "start" => {
                site.start()?;
                site.stop()?;
                2
            }
            _ => {
                let mut running = site.spawn(&[command])?;
                site.wait_ready()?;
                site.stop()?;
                running.wait(process::HANG)?;
                2
            }
        };
        let started = fs_err::read_to_string(&count)?.lines().count();
        ensure!(
            started == expected,
            "{command} starts {started} VMs, not {expected}"
        );
    }
    Ok(())
}

fn dies_in_boot(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    // The broker itself runs by then: `emqx:is_running()` is true.
    site.patch(
        "emqx_dashboard_app",
        "-export([start/2, stop/1]).\n\
         start(_, _) -> timer:sleep(500), {error, the_dashboard_does_not_want}.\n\
         stop(_) -> ok.\n",
    )?;
    let told = site.emqx(&["start"])?.exit_code(1)?;
    ensure!(!told.stdout.contains("successfully"), "{told}");
    ensure!(told.stderr.contains("erlang.log"), "{told}");
    site.demand_nothing_runs()
}

fn short_name(subject: &Subject) -> Result<()> {
    let site = subject.shared()?;
    let name = site.node_name();
    let short = name.split('@').next().unwrap_or_default();
    let vm = site.vms().pop();
    let vm = vm.ok_or_else(|| Error::Unexpected("no VM".to_owned()))?;
    let shown = vm.args.first().map(|arg| arg.as_bytes());
    ensure!(
        shown == Some(short.as_bytes()),
        "it is shown as {:?}",
        vm.args.first()
    );
    Ok(())
}

fn no_dump(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let seen = fs_err::canonicalize(site.scratch())?.join("dumps");
    site.wrap_erlexec(&format!(
        "case \" $* \" in *' -emqx_data_dir '*) exit 0;; esac; echo \"<$ERL_CRASH_DUMP_BYTES>\" >>'{}'",
        seen.display()
    ))?;
    site.emqx(&["foreground"])?.success()?;
    site.emqx(&["check_config"])?.success()?;
    for line in fs_err::read_to_string(&seen)?.lines() {
        ensure!(line == "<0>", "a helper would leave a dump: {line}");
    }
    Ok(())
}
