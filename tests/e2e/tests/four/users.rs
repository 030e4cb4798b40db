//! Packages name a user in `emqx_vars`, and directories elsewhere.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use e2e::install::Install;
use e2e::node;
use e2e::process::{self, HANG};
use e2e::sample::FOUR_0;

/// An account that every system has.
const NOBODY: &str = "nobody";

#[test]
fn a_node_runs_as_the_user_of_the_package_with_its_directories() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: not root");
        return Ok(());
    }
    let install = Install::four(FOUR_0)?;
    fs_err::set_permissions(install.scratch(), PermissionsExt::from_mode(0o755))?;
    let place = install.scratch().join("var lib");
    let dirs = ["etc", "data", "log"].map(|name| place.join(name));
    for dir in &dirs {
        fs_err::create_dir_all(dir)?;
    }
    e2e::install::copy_tree(&install.path("etc"), &dirs[0])?;
    fs_err::remove_dir_all(install.path("etc"))?;
    let conf = dirs[0].join("emqx.conf");
    let text = fs_err::read_to_string(&conf)?;
    let log = format!("log.dir = {}", dirs[2].display());
    fs_err::write(&conf, text.replace("log.dir = log", &log))?;
    let mut chown = install.command("chown");
    chown.args(["-R", NOBODY]).arg(&place);
    process::run(&mut chown, HANG)?.success()?;
    // Upgrades append, and so do packages.
    let vars = install.path("releases/emqx_vars");
    let [etc, data, log] = dirs.each_ref().map(|dir| dir.display());
    let text = fs_err::read_to_string(&vars)?
        + &format!("RUNNER_ETC_DIR=\"{etc}\"\nRUNNER_DATA_DIR=\"{data}\"\n")
        + &format!("RUNNER_LOG_DIR=\"{log}\"\nRUNNER_USER=\"{NOBODY}\"\n");
    fs_err::write(&vars, text)?;

    install.start()?;
    let user = node::eval(&install, "string:trim(os:cmd(\"id -un\"))")?;
    assert_eq!(user, format!("\"{NOBODY}\""));
    for made in ["data/configs", "data/mnesia"] {
        let owner = fs_err::metadata(place.join(made))?.uid();
        assert_eq!(owner, fs_err::metadata(&place)?.uid(), "{made}");
    }
    assert!(place.join("log/erlang.log.1").exists());
    install.emqx(&["ctl", "status"])?.success()?;
    install.emqx(&["restart"])?.success()?;
    install.stop()?;

    let mut other = install.command("setpriv");
    other.args(["--reuid", "12345", "--regid", "12345", "--clear-groups"]);
    other.arg(install.path("bin/emqx")).arg("start");
    let refused = process::run(&mut other, HANG)?.exit_code(1)?;
    assert!(refused.stderr.contains("You need to be root"), "{refused}");
    Ok(())
}
