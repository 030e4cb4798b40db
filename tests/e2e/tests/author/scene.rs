//! Making a hop, applying it under live clients, and looking at what the VM runs afterwards.

use e2e::install::Install;
use e2e::node;
use e2e::process::{self, Finished};
use e2e::sample::launcher;
use e2e::swarm::{Figures, Options, Swarm};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);
const TALK: Duration = Duration::from_secs(1);

/// Runs `emqx relup make ARGS` with no release anywhere near.
pub fn make<A: AsRef<OsStr>>(dir: &Path, args: &[A]) -> e2e::Result<Finished> {
    let mut command = Command::new(launcher()?);
    command.current_dir(dir).env_clear();
    command.args(["relup", "make"]).args(args);
    process::run(&mut command, process::HANG)
}

/// The hop file between two releases, made in the scratch directory of an installation.
pub fn made(install: &Install, from: &Path, to: &Path, more: &[&str]) -> e2e::Result<PathBuf> {
    let hop = install.scratch().join("made.relup");
    let mut args: Vec<&OsStr> = vec![
        "--from".as_ref(),
        from.as_ref(),
        "--to".as_ref(),
        to.as_ref(),
    ];
    args.extend(["-o".as_ref(), hop.as_os_str()]);
    args.extend(more.iter().map(OsStr::new));
    let said = make(install.scratch(), &args)?.success()?;
    println!("{said}\n{}", fs_err::read_to_string(&hop)?);
    Ok(hop)
}

/// Applies a hop while 200 clients talk. Nobody may be disconnected, and nothing lost.
pub fn apply(install: &Install, hop: &Path, tarball: &Path) -> e2e::Result<()> {
    let swarm = Swarm::start(&Options::on_port(install.mqtt_port()), PATIENCE)?;
    std::thread::sleep(TALK);
    let pid = node::os_pid(install)?;
    swarm.begin("hop");
    let words: [&OsStr; 5] = [
        "relup".as_ref(),
        "upgrade".as_ref(),
        tarball.as_ref(),
        "--relup".as_ref(),
        hop.as_ref(),
    ];
    let done = install.emqx(&words)?.success()?;
    assert!(done.stdout.contains("upgrade complete"), "{done}");
    // Whoever had to warn of something has warned of a mistake in the hop.
    assert!(!done.stderr.contains("WARNING"), "{done}");
    std::thread::sleep(TALK);
    let figures = swarm.finish(PATIENCE)?;
    assert!(figures.iter().all(Figures::unharmed), "{figures:#?}");
    assert_eq!(node::os_pid(install)?, pid, "the VM was not restarted");
    Ok(())
}

/// Demands that every module of the deployed tree's applications runs with the code that it has
/// there: loaded, in embedded mode, and with the same digest. Of the applications that the VM has
/// loaded all modules count.
pub fn assert_target_runs(install: &Install, vsn: &str) -> e2e::Result<()> {
    assert_eq!(node::version(install)?, vsn);
    let tree = install.path("relup").join(vsn);
    let differing = format!(
        r#"[{{M, Loaded}} || File <- filelib:wildcard("{}/lib/*/ebin/*.beam"),
            M <- [list_to_atom(filename:basename(File, ".beam"))],
            Loaded <- [erlang:module_loaded(M)],
            Loaded orelse application:get_application(M) =/= undefined,
            {{ok, Beam}} <- [file:read_file(File)],
            not Loaded orelse erlang:get_module_info(M, md5) =/= code:module_md5(Beam)]"#,
        tree.display()
    );
    assert_eq!(node::eval(install, &differing)?, "[]");
    let counted = format!(
        r#"length(filelib:wildcard("{}/lib/emqx*/ebin/*.beam"))"#,
        tree.display()
    );
    assert_ne!(node::eval(install, &counted)?, "0");
    Ok(())
}
