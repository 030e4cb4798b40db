//! The daemon's console, wherever its pipes are and whoever has started it.

use e2e::install::Install;
use e2e::process;
use e2e::sample::V4;
use e2e::terminal::Terminal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What a `run_erl` leaves that was killed: pipes that nobody serves.
fn leave_stale_pipes(dir: &Path) -> e2e::Result<()> {
    fs_err::create_dir_all(dir)?;
    for name in ["erlang.pipe.99.r", "erlang.pipe.99.w"] {
        mkfifo(&dir.join(name), Mode::S_IRWXU).map_err(std::io::Error::from)?;
    }
    Ok(())
}

fn check_attached(install: &Install) -> e2e::Result<()> {
    let mut attached = Terminal::run(install, "attach")?;
    attached.types("\n6 * 111.\n")?;
    attached.shows("666")?;
    attached.types("\u{4}")?;
    attached.ends()?;
    install.emqx(&["ping"])?.success()?;
    Ok(())
}

#[test]
fn the_console_is_found_by_the_process_that_serves_it() -> e2e::Result<()> {
    if !Terminal::is_available() {
        println!("not tried here: script(1) is not installed");
        return Ok(());
    }
    let mut install = Install::sample(V4)?;
    let pipes = install.scratch().join("pipes with  blanks");
    install.set_env("PIPE_DIR", &pipes);
    install.start()?;
    leave_stale_pipes(&pipes)?;
    // Whoever attaches need not know where the pipes are, nor who made them.
    install.remove_env("PIPE_DIR");
    check_attached(&install)?;
    install.stop()?;

    let mut foreground = install.spawn(&["foreground"])?;
    process::wait_until("the node to answer", process::HANG, || {
        Ok(install.emqx(&["ping"])?.code == Some(0))
    })?;
    let refused = install.emqx(&["attach"])?.exit_code(1)?;
    assert!(
        refused.stderr.contains("no console") && refused.stderr.contains("emqx remote"),
        "{refused}"
    );
    install.stop()?;
    foreground.wait(process::HANG)?;
    Ok(())
}

#[test]
fn root_can_attach_to_the_daemon_of_another_user() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() || !Terminal::is_available() {
        println!("not tried here: not root, or script(1) is not installed");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let mut chown = install.command("chown");
    chown.args(["-R", "65534:65534"]).arg(install.root());
    process::run(&mut chown, process::HANG)?.success()?;
    let mut start = install.command("setpriv");
    start.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    start.arg(install.path("bin/emqx")).arg("start");
    process::run(&mut start, process::HANG)?.success()?;
    check_attached(&install)?;
    install.stop()?;
    Ok(())
}
