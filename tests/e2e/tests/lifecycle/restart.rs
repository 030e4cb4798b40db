//! `restart` stops a node only when the next boot needs nothing but its VM.

use e2e::install::Install;
use e2e::node;
use e2e::process;
use e2e::sample::V4;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

/// One thing that speaks against a boot.
struct Fault {
    what: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// What becomes of the content of emqx.conf; `None`: the file is taken away.
    conf: fn(String) -> Option<String>,
    says: &'static str,
}

const FAULTS: [Fault; 8] = [
    Fault {
        what: "a syntax error",
        variables: &[],
        conf: |text| Some(text + "\nnode {\n"),
        says: "",
    },
    Fault {
        what: "a value that the schema refuses",
        variables: &[],
        conf: |text| Some(text + "\nnode.process_limit = plenty\n"),
        says: "process_limit",
    },
    Fault {
        what: "a value in the environment that the schema refuses",
        variables: &[("EMQX_NODE__PROCESS_LIMIT", "plenty")],
        conf: Some,
        says: "process_limit",
    },
    Fault {
        what: "no emqx.conf",
        variables: &[],
        conf: |_| None,
        says: "emqx.conf",
    },
    Fault {
        what: "a profile that does not exist",
        variables: &[("EMQX_SECURITY_PROFILE", "soft")],
        conf: Some,
        says: "soft",
    },
    Fault {
        what: "a cookie file that does not exist",
        variables: &[("EMQX_NODE__COOKIE", "file:///nonexistent")],
        conf: Some,
        says: "/nonexistent",
    },
    Fault {
        what: "a licence that is none",
        variables: &[("EMQX_LICENSE__KEY", "nonsense")],
        conf: Some,
        says: "license",
    },
    Fault {
        what: "the default cookie under a profile that forbids it",
        variables: &[("EMQX_SECURITY_PROFILE", "hardened")],
        conf: Some,
        says: "default cookie",
    },
];

#[test]
fn what_speaks_against_the_boot_leaves_the_node_running() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.start()?;
    let pid = node::os_pid(&install)?;
    let conf = install.path("etc/emqx.conf");
    let right = fs_err::read_to_string(&conf)?;
    for fault in &FAULTS {
        match (fault.conf)(right.clone()) {
            Some(text) => fs_err::write(&conf, text)?,
            None => fs_err::remove_file(&conf)?,
        }
        for (name, value) in fault.variables {
            install.set_env(name, value);
        }
        let configs = || -> e2e::Result<Vec<_>> {
            let entries = fs_err::read_dir(install.path("data/configs"))?;
            let mut names: Vec<_> = entries.flatten().map(|entry| entry.file_name()).collect();
            names.sort();
            Ok(names)
        };
        let before = configs()?;
        let checked = install.emqx(&["check_config"])?;
        let refused = install.emqx(&["restart"])?;
        let what = fault.what;
        assert!(refused.stderr.contains(fault.says), "{what}: {refused}");
        assert!(refused.stderr.contains("ERROR: "), "{what}: {refused}");
        assert_ne!(refused.code, Some(0), "{what}: {refused}");
        if checked.code != Some(0) {
            assert_eq!(
                (refused.code, &refused.stderr),
                (checked.code, &checked.stderr),
                "{what}"
            );
        }
        assert_eq!(configs()?, before, "{what}: nothing was generated");
        fs_err::write(&conf, &right)?;
        for (name, _) in fault.variables {
            install.remove_env(name);
        }
        assert_eq!(
            node::os_pid(&install)?,
            pid,
            "{what}: the same process runs"
        );
        install.emqx(&["ctl", "status"])?.success()?;
    }
    install.emqx(&["restart"])?.success()?;
    assert_ne!(node::os_pid(&install)?, pid);
    Ok(())
}

#[test]
fn another_node_on_the_data_directory_is_found_out_before_the_stop() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install.start()?;
    let first = node::os_pid(&install)?;
    let names = [install.node_name(), install.slot().node_name(1)];
    install.set_env("EMQX_NODE__NAME", &names[1]);
    install.set_env("EMQX_NODE__DATA_DIR", install.path("data2"));
    install.set_env("EMQX_LOG_DIR", install.path("log2"));
    let bind = format!("127.0.0.1:{}", install.slot().port(1));
    install.set_env("EMQX_LISTENERS__TCP__DEFAULT__BIND", bind);
    install.start()?;
    let second = node::os_pid(&install)?;
    assert_ne!(first, second);
    install.remove_env("EMQX_NODE__DATA_DIR");
    let refused = install.emqx(&["restart"])?.exit_code(1)?;
    let text = format!("Node {} is already running!", names[0]);
    assert!(refused.stderr.contains(&text), "{refused}");
    assert_eq!(node::os_pid(&install)?, second, "it still runs");
    // Without a name it is not clear which one is meant.
    install.remove_env("EMQX_NODE__NAME");
    let unclear = install.emqx(&["restart"])?.exit_code(1)?;
    assert!(unclear.stderr.contains("EMQX_NODE__NAME"), "{unclear}");
    assert_eq!(install.vms().len(), 2);
    for name in &names {
        install.set_env("EMQX_NODE__NAME", name);
        install.stop()?;
    }
    Ok(())
}

#[test]
fn a_cookie_from_a_pipe_is_read_once_for_the_whole_restart() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    let pipe = install.scratch().join("cookie");
    mkfifo(&pipe, Mode::S_IRUSR | Mode::S_IWUSR).map_err(std::io::Error::from)?;
    let once = |cookie: &'static str| {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs_err::write(pipe, cookie))
    };
    install.set_env("EMQX_NODE__COOKIE", format!("file://{}", pipe.display()));
    for (command, cookie) in [
        ("start", "first"),
        ("restart", "second"),
        ("restart", "third"),
    ] {
        let writer = once(cookie);
        install.emqx(&[command])?.success()?;
        writer.join().expect("no panic")?;
        assert_eq!(node::eval(&install, "erlang:get_cookie()")?, cookie);
    }
    install.stop()?;
    Ok(())
}

#[test]
fn a_restart_of_a_node_that_is_not_there_is_a_start() -> e2e::Result<()> {
    let mut install = Install::sample(V4)?;
    install
        .emqx(&["restart"])?
        .success()?
        .says("is started successfully!")?;
    install.stop()?;
    install.remove_env("EMQX_NODE__NAME");
    let conf = install.path("etc/emqx.conf");
    let text = fs_err::read_to_string(&conf)?.replace("emqx@127.0.0.1", &install.node_name());
    fs_err::write(&conf, text)?;
    install
        .emqx(&["restart"])?
        .success()?
        .says("is started successfully!")?;
    if nix::unistd::geteuid().is_root() {
        // Its process is not in sight, its port is.
        let mut unshare = install.command("unshare");
        unshare.args(["--pid", "--fork", "--mount-proc"]);
        unshare.arg(install.path("bin/emqx")).arg("stop");
        process::run(&mut unshare, process::HANG)?.success()?;
    } else {
        println!("not tried here: only root may make a process namespace");
    }
    Ok(())
}
