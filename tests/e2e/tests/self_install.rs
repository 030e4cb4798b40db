//! `emqx self install` and `self uninstall` on the releases as they are unpacked: with their scripts
//! in `bin/`, whoever owns them, whether a node runs or not.

use e2e::install::{Install, extract};
use e2e::node;
use e2e::process::{self, Finished, HANG};
use e2e::sample::{Sample, Sample4, V4, launcher};
use fs_err::os::unix::fs::symlink;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

const NOBODY: u32 = 65534;

/// Puts the release's own programs back, as the tarball has them.
fn with_scripts(install: &Install, tarball: &Path) -> e2e::Result<Vec<(&'static str, Vec<u8>)>> {
    let package = install.scratch().join("package");
    extract(tarball, &package)?;
    let mut scripts = Vec::new();
    for name in ["emqx", "emqx_ctl"] {
        let path = install.path("bin").join(name);
        fs_err::remove_file(&path)?;
        fs_err::copy(package.join("bin").join(name), &path)?;
        scripts.push((name, fs_err::read(path)?));
    }
    Ok(scripts)
}

/// The program under test, beside the installation.
fn own(install: &Install, words: &[&str]) -> e2e::Result<Finished> {
    let mut command = install.command(launcher()?);
    command.arg("self").args(words);
    process::run(&mut command, HANG)
}

fn root(install: &Install) -> String {
    install.root().to_string_lossy().into_owned()
}

#[test]
fn a_tarball_install_gets_the_launcher_beside_a_running_node_and_gives_the_script_back()
-> e2e::Result<()> {
    let install = Install::sample(V4)?;
    install.start()?;
    let pid = install.emqx(&["pid"])?.success()?;
    let scripts = with_scripts(&install, &Sample::find()?.tarball(V4)?)?;
    let root = root(&install);
    let script = install.path("bin/emqx");
    fs_err::set_permissions(&script, PermissionsExt::from_mode(0o750))?;

    let done = own(&install, &["install", "--root", &root])?.success()?;
    done.says("/bin/emqx is the launcher ")?
        .says(&format!("the script is kept as {root}/bin/emqx.sh"))?;
    assert_eq!(fs_err::metadata(&script)?.mode() & 0o7777, 0o750);
    assert_eq!(fs_err::read(&script)?, fs_err::read(launcher()?)?);
    assert_eq!(install.emqx(&["pid"])?.success()?.text(), pid.text());
    let mut ctl = install.command(install.path("bin/emqx_ctl"));
    process::run(ctl.arg("status"), HANG)?.success()?;
    let again = own(&install, &["install", "--root", &root])?.success()?;
    again.says("/bin/emqx is this launcher already")?;
    assert_eq!(node::version(&install)?, V4);
    install.emqx(&["restart"])?.success()?;

    // By the installed program itself, which is what its own place is taken from.
    let done = install.emqx(&["self", "uninstall"])?.success()?;
    done.says("/bin/emqx is the release's own script again")?;
    for (name, bytes) in scripts {
        let path = install.path("bin").join(name);
        assert_eq!(fs_err::read(&path)?, bytes, "{name}");
        assert!(!path.with_extension("sh").exists(), "{name}");
    }
    assert_eq!(fs_err::metadata(&script)?.mode() & 0o7777, 0o750);
    let refused = own(&install, &["uninstall", "--root", &root, "--json"])?.exit_code(1)?;
    refused.says("\"name\":\"no_script_kept\"")?;
    // The node goes on, and the next launcher finds it.
    own(&install, &["install", "--root", &root])?.success()?;
    assert_eq!(node::version(&install)?, V4);
    install.stop().map(drop)
}

#[test]
fn a_release_before_5_gets_it_too() -> e2e::Result<()> {
    let Ok(sample) = Sample4::find() else {
        println!("not tried here: there is no sample of 4.x");
        return Ok(());
    };
    let install = Install::four("4.4.16")?;
    with_scripts(&install, &sample.tarball("4.4.16")?)?;
    own(&install, &["install", "--root", &root(&install)])?.success()?;
    install.start()?;
    install.emqx(&["ctl", "status"])?.success()?;
    install.stop()?;
    let done = install.emqx(&["self", "uninstall"])?.success()?;
    done.says("script again").map(drop)
}

#[test]
fn who_may_not_write_is_told_where_and_nothing_changes() -> e2e::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        println!("not tried here: only root may be somebody else");
        return Ok(());
    }
    let install = Install::sample(V4)?;
    with_scripts(&install, &Sample::find()?.tarball(V4)?)?;
    let bin = install.path("bin");
    let open = |path: &Path, mode| fs_err::set_permissions(path, PermissionsExt::from_mode(mode));
    open(install.scratch(), 0o755)?;
    let program = install.scratch().join("the launcher");
    fs_err::copy(launcher()?, &program)?;
    let as_nobody = |words: &[&str]| {
        let mut command = install.command("setpriv");
        let nobody = NOBODY.to_string();
        command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]);
        command.arg(&program).arg("self").args(words);
        process::run(&mut command, HANG)
    };
    let names = || -> e2e::Result<Vec<_>> {
        let mut names: Vec<_> = fs_err::read_dir(&bin)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?;
        names.sort();
        Ok(names)
    };
    let before = names()?;
    let refused = as_nobody(&["install", "--root", &root(&install)])?.exit_code(1)?;
    for part in [
        "no_write_permission",
        "bin/.emqx.new",
        "uid 65534",
        "hint: ",
    ] {
        assert!(refused.stderr.contains(part), "{part}: {refused}");
    }
    assert_eq!(names()?, before, "{refused}");
    // Who may write, but could not keep the owner of what is there, is refused as well.
    open(&bin, 0o777)?;
    let refused = as_nobody(&["install", "--root", &root(&install)])?.exit_code(1)?;
    assert!(
        refused.stderr.contains("the owner of what it replaces"),
        "{refused}"
    );
    assert_eq!(names()?, before, "{refused}");
    // Root keeps the owner: what is the user's stays the user's.
    for name in [".", "emqx", "emqx_ctl"] {
        chown(bin.join(name), Some(NOBODY), Some(NOBODY))?;
    }
    own(&install, &["install", "--root", &root(&install)])?.success()?;
    for name in ["emqx", "emqx.sh", "emqx_ctl", "emqx_ctl.sh"] {
        let found = fs_err::symlink_metadata(bin.join(name))?;
        assert_eq!((found.uid(), found.gid()), (NOBODY, NOBODY), "{name}");
    }
    as_nobody(&["uninstall", "--root", &root(&install)])?.success()?;
    as_nobody(&["install", "--root", &root(&install)])?.success()?;
    // A link that waits where root writes leads nowhere.
    let victim = install.scratch().join("victim");
    fs_err::write(&victim, "mine")?;
    own(&install, &["uninstall", "--root", &root(&install)])?.success()?;
    symlink(&victim, bin.join(".emqx.new"))?;
    own(&install, &["install", "--root", &root(&install)])?.success()?;
    assert_eq!(fs_err::read(&victim)?, b"mine");
    Ok(())
}

#[test]
fn the_installation_may_be_named_by_any_path_that_leads_to_it() -> e2e::Result<()> {
    let install = Install::sample(V4)?;
    with_scripts(&install, &Sample::find()?.tarball(V4)?)?;
    let link = install.scratch().join("a link to it");
    symlink(install.root(), &link)?;
    let mut command = install.command(launcher()?);
    command.current_dir(install.scratch());
    command.args(["self", "install", "--root", "a link to it/", "--json"]);
    let done = process::run(&mut command, HANG)?.success()?;
    let json: serde_json::Value = serde_json::from_str(done.text()).expect("one object");
    assert_eq!(json["root"], root(&install), "{done}");
    assert_eq!(json["change"], "installed", "{done}");
    for wrong in ["a link to it/bin", "nowhere", "."] {
        let mut command = install.command(launcher()?);
        command.current_dir(install.scratch());
        let refused = process::run(command.args(["self", "install", "--root", wrong]), HANG)?;
        let refused = refused.exit_code(1)?;
        assert!(
            refused.stderr.contains("is no EMQX installation"),
            "{refused}"
        );
        assert!(refused.stderr.contains("\nhint: "), "{refused}");
    }
    Ok(())
}
