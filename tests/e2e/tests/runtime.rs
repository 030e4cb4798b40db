//! Many commands at a time, and that none of them starts a VM or leaves a crash in the node's log.
//! What each command prints and how it ends is tried by the compliance suite.

use e2e::install::Install;
use e2e::node;
use e2e::process;
use e2e::sample::V4;
use std::os::unix::fs::PermissionsExt;

#[test]
fn commands_for_a_running_node() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    many_at_once(&install)?;
    failing_commands_leave_no_crash_in_the_log(&install)?;
    no_vm_is_started(&install)?;
    Ok(())
}

fn failing_commands_leave_no_crash_in_the_log(install: &Install) -> e2e::Result<()> {
    for args in [
        &["eval", "1 / 0"][..],
        &["eval", "1 +"],
        &["rpc", "no_such_module", "f"],
        &["rpcterms", "erlang", "length", "no_list."],
        &["ctl", "demo", "end", "throw"],
        &["ctl", "demo", "end", "kill"],
    ] {
        install.emqx(args)?.exit_code(1)?;
    }
    let mut reader = install.command("sh");
    reader.args(["-c", "\"$0\" ctl demo bulk 20000 | head -n 1"]);
    process::run(reader.arg(install.path("bin/emqx")), process::HANG)?.success()?;
    let log = fs_err::read_to_string(install.path("log/emqx.log")).unwrap_or_default();
    for crash in ["crash report", "error in process", "terminating"] {
        assert!(!log.to_lowercase().contains(crash), "{log}");
    }
    Ok(())
}

fn many_at_once(install: &Install) -> e2e::Result<()> {
    let mut running = Vec::new();
    for _ in 0..20 {
        running.push(install.spawn(&["ctl", "demo", "stream", "3", "50"])?);
    }
    for command in &mut running {
        let finished = command.wait(process::HANG)?.success()?;
        assert_eq!(finished.stdout, "line 1\nline 2\nline 3\n");
    }
    assert_eq!(
        node::eval(install, "nodes()")?,
        "[]",
        "no call is seen as a node of the cluster"
    );
    process::wait_until("hidden connections to go", process::HANG, || {
        // The one that asks is there itself.
        Ok(node::eval(install, "length(nodes(hidden))")?.trim() == "1")
    })
}

/// The runtime system is taken away while the node runs: a command that starts a VM, or any other
/// helper of it, would now leave a trace and fail. Where strace works, no program at all may be
/// started.
fn no_vm_is_started(install: &Install) -> e2e::Result<()> {
    let ertspath = install.emqx(&["ertspath"])?.success()?;
    let bin = install.path(ertspath.text()).join("bin");
    let away = bin.with_file_name("bin-away");
    let canary = install.scratch().join("canary");
    fs_err::rename(&bin, &away)?;
    fs_err::create_dir(&bin)?;
    for entry in fs_err::read_dir(&away)? {
        let trap = bin.join(entry?.file_name());
        fs_err::write(
            &trap,
            format!(
                "#!/bin/sh\necho \"$0\" >>\"{}\"\nexit 99\n",
                canary.display()
            ),
        )?;
        fs_err::set_permissions(&trap, PermissionsExt::from_mode(0o755))?;
    }
    let traced = process::run(install.command("strace").arg("-V"), process::HANG);
    let can_trace = traced.is_ok_and(|finished| finished.code == Some(0));
    let log = install.scratch().join("execve.log");
    for args in [
        &["ping"][..],
        &["pid"],
        &["root_dir"],
        &["ertspath"],
        &["ctl", "status"],
        &["eval", "1+1"],
        &["rpc", "emqx_ctl", "run_command", "status"],
        &["rpcterms", "erlang", "node"],
        &["relup", "status"],
        &["stop"],
    ] {
        let mut command = if can_trace {
            let mut strace = install.command("strace");
            strace
                .args(["-f", "-qq", "-e", "trace=execve", "-o"])
                .arg(&log);
            strace.arg(install.path("bin/emqx"));
            strace
        } else {
            install.command(install.path("bin/emqx"))
        };
        let finished = process::run(command.args(args), process::HANG)?;
        if can_trace && finished.stderr.contains("ptrace") {
            println!("strace does not work here: {}", finished.stderr.trim());
            process::run(&mut install.emqx_command(args), process::HANG)?.success()?;
        } else {
            finished.success()?;
            if can_trace {
                let calls = fs_err::read_to_string(&log)?;
                let count = calls.matches("execve(").count();
                assert_eq!(
                    count,
                    1,
                    "emqx {} started a program:\n{calls}",
                    args.join(" ")
                );
            }
        }
        let caught = fs_err::read_to_string(&canary).unwrap_or_default();
        assert_eq!(caught, "", "emqx {} started a VM", args.join(" "));
    }
    assert!(install.vms().is_empty(), "stop stopped the node");
    fs_err::remove_dir_all(&bin)?;
    fs_err::rename(&away, &bin)?;
    Ok(())
}
