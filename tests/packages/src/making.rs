//! Runs the scripts of `packaging/`, as their users do.

use e2e::process::{self, Finished};
use e2e::sample::{self, Sample};
use e2e::{Error, Result};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The package of the edition that the sample is of.
pub const ENTERPRISE: &str = "emqx-enterprise";

/// What a script may take; this is for hangs.
const HANG: Duration = Duration::from_secs(600);

/// A script of `packaging/`, not yet run, for the launcher under test.
pub fn script(name: &str) -> Result<Command> {
    let mut command = Command::new(sample::workspace().join("packaging").join(name));
    command.env("EMQX_LAUNCHER", sample::launcher()?);
    command.env_remove("SOURCE_DATE_EPOCH");
    Ok(command)
}

/// Runs it to its end.
pub fn run<A: AsRef<OsStr>>(name: &str, args: &[A]) -> Result<Finished> {
    process::run(script(name)?.args(args), HANG)
}

/// The package that `deb/build` or `rpm/build` makes of the sample of a version.
pub fn package(kind: &str, vsn: &str, to: &Path) -> Result<PathBuf> {
    package_of(kind, &Sample::find()?.tarball(vsn)?, to)
}

/// The package that they make of a tarball.
pub fn package_of(kind: &str, tarball: &Path, to: &Path) -> Result<PathBuf> {
    let built = run(&format!("{kind}/build"), &[tarball, "-o".as_ref(), to])?;
    last_line(&built.success()?)
}

/// The overlay package of a kind.
pub fn overlay(kind: &str, to: &Path) -> Result<PathBuf> {
    let built = run(&format!("{kind}/overlay"), &["-o".as_ref(), to.as_os_str()])?;
    last_line(&built.success()?)
}

/// A package as EMQX's own ones are, of the edition `emqx` or `emqx-enterprise`.
pub fn own(kind: &str, name: &str, vsn: &str, to: &Path) -> Result<PathBuf> {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/emqx-own"));
    command.args([kind, name]);
    command.arg(Sample::find()?.tarball(vsn)?).arg(to);
    process::run(&mut command, HANG)?.success()?;
    let between = if kind == "deb" { '_' } else { '-' };
    Ok(to.join(format!("{name}-own{between}{vsn}.{kind}")))
}

/// The package that stands for the base of an RPM system.
pub fn base_system(to: &Path) -> Result<PathBuf> {
    let mut rpmbuild = Command::new("rpmbuild");
    rpmbuild
        .args(["-bb", "--quiet", "--define"])
        .arg(format!("_topdir {}", to.join("rpmbuild").display()))
        .args(["--define", "_build_name_fmt %%{NAME}.rpm", "--define"])
        .arg(format!("_rpmdir {}", to.display()))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/base-system.spec"));
    process::run(&mut rpmbuild, HANG)?.success()?;
    Ok(to.join("base-system.rpm"))
}

/// Whether a program is there; if not, that is told.
#[must_use]
pub fn is_there(program: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()));
    if !found {
        crate::left_out(&format!("{program} is not installed"));
    }
    found
}

fn last_line(finished: &Finished) -> Result<PathBuf> {
    let line = finished.stdout.lines().last();
    let path = PathBuf::from(line.unwrap_or_default());
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::Unexpected(format!("names no package: {finished}")))
}
