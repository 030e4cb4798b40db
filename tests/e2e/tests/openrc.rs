//! `packaging/openrc` on a real node, with the init system itself.

use e2e::install::{Install, copy_tree};
use e2e::process;
use e2e::sample::{FOUR_0, Sample4, V4, workspace};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// A user of every Debian system, which owns nothing.
const USER: &str = "nobody:nogroup";

#[test]
fn openrc_starts_watches_restarts_and_stops_a_broker() -> e2e::Result<()> {
    lives(|| Install::sample(V4))
}

#[test]
fn openrc_starts_watches_restarts_and_stops_a_broker_of_4_x() -> e2e::Result<()> {
    if let Err(missing) = Sample4::find() {
        println!("left out: {missing}");
        return Ok(());
    }
    lives(|| Install::four(FOUR_0))
}

fn lives(install: fn() -> e2e::Result<Install>) -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() || which::which("rc-service").is_err() {
        println!("left out: it needs root and rc-service");
        return Ok(());
    }
    let install = install()?;
    let dir = install.scratch().join("openrc");
    for part in ["init.d", "conf.d"] {
        fs_err::create_dir_all(dir.join(part))?;
    }
    let script = workspace().join("packaging/openrc/emqx");
    fs_err::copy(script, dir.join("init.d/emqx"))?;
    let mode = PermissionsExt::from_mode(0o755);
    fs_err::set_permissions(dir.join("init.d/emqx"), mode)?;
    copy_tree(install.root(), &dir.join("emqx"))?;
    let settings = workspace().join("packaging/openrc/emqx.confd");
    let mut settings = fs_err::read_to_string(settings)?;
    let emqx = dir.join("emqx/bin/emqx");
    let log = dir.join("out.log");
    settings.extend([
        format!("emqx_program='{}'\nemqx_user={USER}\n", emqx.display()),
        "rc_ulimit='-n 2048'\nrespawn_delay=1\n".to_owned(),
        format!(
            "output_log=\"'{0}'\"\nerror_log=$output_log\n",
            log.display()
        ),
    ]);
    let variables = install.environment();
    settings.extend(
        variables
            .iter()
            .map(|(name, value)| format!("export {name}='{value}'\n")),
    );
    fs_err::write(dir.join("conf.d/emqx"), settings)?;
    // The directories on the way are private to whoever runs the tests.
    let mode = PermissionsExt::from_mode(0o711);
    fs_err::set_permissions(install.scratch(), mode)?;
    let mut chown = Command::new("chown");
    chown.args(["-R", USER]).arg(&dir);
    process::run(&mut chown, process::HANG)?.success()?;

    let mut life = install.command("unshare");
    life.args(["--mount", "--pid", "--fork", "--mount-proc", "--kill-child"]);
    life.arg(workspace().join("tests/e2e/openrc/life"));
    life.arg(&dir).current_dir("/");
    let told = process::run(&mut life, process::HANG)?;
    println!("{told}");
    let said = told.stdout.lines().filter(|line| line.starts_with("== "));
    let said = said.collect::<Vec<_>>();
    let expected = [
        "== checkconfig: 0",
        "== start: 0",
        "== ready: 0",
        "== status: 0",
        "== runs as nobody with 2048 files",
        "== restart: 1",
        "== with a broken configuration the old process runs on",
        "== a killed broker is started again",
        "== restart: 0",
        "== stop: 0",
        "== status: 3",
        "== nothing is left",
    ];
    assert_eq!(said, expected);
    Ok(())
}
