//! Section 1: what `releases/emqx_vars` may say, and whose counts.

use crate::call::demand_refused;
use crate::case::Check::Steps;
use crate::case::{Case, fix, kept, ours};
use crate::ensure;
use crate::site::{Facts, Site};
use crate::subject::Subject;
use e2e::Result;
use e2e::tree::Snapshot;
use std::path::PathBuf;

/// The cases.
pub const CASES: &[Case] = &[
    ours("1.9", "every form of assignment", Steps(assignments)),
    ours(
        "1.10",
        "anything but assignments is refused",
        Steps(no_assignments),
    ),
    ours("1.10", "no release around the program", Steps(no_release)),
    kept("1.11", "a package's directories", Steps(package)),
    fix(
        "1.12",
        "a package that a tarball was deployed in",
        Steps(package_with_tarball),
    ),
];

/// Lines that set `ERTS_VSN`, which `ertspath` tells; what they mean, a real shell is asked.
const FORMS: [&str; 14] = [
    "ERTS_VSN=Plain",
    "ERTS_VSN='In quotes'",
    "export ERTS_VSN=\"In double quotes\"",
    "X=one\nERTS_VSN=\"$X two\"",
    "X=one\nERTS_VSN=\"${X}two\"",
    "ERTS_VSN=\"${NO_SUCH_NAME:-by default}\"",
    "ERTS_VSN=\"${NO_SUCH_NAME:-${NOR_THIS:-twice}}\"",
    "X=set\nERTS_VSN=\"${X:-by default}\"",
    "X=\"\"\nERTS_VSN=\"${X:-empty is unset}\"",
    "ERTS_VSN='first'\nERTS_VSN='second'",
    "ERTS_VSN='kept $X as is'",
    "# a comment\n\n  ERTS_VSN='indented'  # why not",
    "ERTS_VSN=\"$RUNNER_ROOT_DIR\"",
    "ERTS_VSN=\"$BASE_RUNNER_ROOT_DIR/x\"",
];

fn assignments(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vars = site.path("releases/emqx_vars");
    let right = fs_err::read_to_string(&vars)?;
    for lines in FORMS {
        fs_err::write(&vars, format!("{right}\n{lines}\n"))?;
        let shell = Facts::read(site.root())?.erts;
        let told = site.emqx(&["ertspath"])?.success()?;
        let expected = site.fill(&format!("{{root}}/erts-{shell}\n"));
        ensure!(
            told.stdout == expected,
            "{lines:?}: not {expected:?}: {told}"
        );
    }
    Ok(())
}

fn no_assignments(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    let vars = site.path("releases/emqx_vars");
    let right = fs_err::read_to_string(&vars)?;
    let canary = site.scratch().join("executed");
    let lines = [
        format!("touch {}", canary.display()),
        format!("X=$(touch {})", canary.display()),
        format!("X=`touch {}`", canary.display()),
        format!("X=\"$(touch {})\"", canary.display()),
        format!("X=1 touch {}", canary.display()),
        "X=\"no end".to_owned(),
        "if true; then".to_owned(),
        "X=1; Y=2".to_owned(),
        "= value".to_owned(),
        "X=${Y".to_owned(),
        "X=${Y:?no}".to_owned(),
        "X=<(ls)".to_owned(),
    ];
    let number = right.lines().count() + 1;
    let place = format!("{}:{number}", vars.display());
    for line in &lines {
        fs_err::write(&vars, format!("{}\n{line}\n", right.trim_end_matches('\n')))?;
        let before = Snapshot::of(site.root())?;
        for args in [&["start"][..], &["root_dir"], &["ping"]] {
            demand_refused(site.emqx(args)?, 1, &place)?;
        }
        ensure!(!canary.exists(), "{line:?} was executed");
        let differences = before.differences(&Snapshot::of(site.root())?);
        ensure!(differences.is_empty(), "{line:?}: {differences:?}");
    }
    Ok(())
}

fn no_release(subject: &Subject) -> Result<()> {
    let site = subject.fresh()?;
    fs_err::remove_file(site.path("releases/emqx_vars"))?;
    demand_refused(site.emqx(&["start"])?, 1, "emqx_vars")?;
    fs_err::remove_dir_all(site.path("releases"))?;
    let root = site.root().to_string_lossy().into_owned();
    demand_refused(site.emqx(&["ping"])?, 1, &root)?;
    Ok(())
}

/// A package's layout: configuration, logs and data outside of the release.
struct Package {
    etc: PathBuf,
    log: PathBuf,
    data: PathBuf,
}

impl Package {
    fn make(site: &mut Site) -> Result<Self> {
        let outside = fs_err::canonicalize(site.scratch())?;
        let package = Self {
            etc: outside.join("etc/emqx"),
            log: outside.join("var/log/emqx"),
            data: outside.join("var/lib/emqx"),
        };
        for dir in [&package.etc, &package.log, &package.data] {
            fs_err::create_dir_all(dir.parent().unwrap_or(dir))?;
        }
        fs_err::rename(site.path("etc"), &package.etc)?;
        fs_err::rename(site.path("data"), &package.data)?;
        fs_err::remove_dir_all(site.path("log"))?;
        site.append_vars(&format!(
            "EMQX_ETC_DIR='{}'\nexport EMQX_LOG_DIR='{}'\nRUNNER_BIN_DIR='{}'",
            package.etc.display(),
            package.log.display(),
            outside.join("usr/bin").display(),
        ))?;
        site.set_env("EMQX_NODE__DATA_DIR", &package.data);
        Ok(package)
    }

    fn is_used(&self, site: &Site) -> Result<()> {
        site.demand_variable("EMQX_ETC_DIR", &self.etc)?;
        site.demand_variable("EMQX_LOG_DIR", &self.log)?;
        ensure!(
            self.log.join("erlang.log.1").exists(),
            "no log in {}",
            self.log.display()
        );
        ensure!(
            self.data.join("configs").is_dir(),
            "no data in {}",
            self.data.display()
        );
        for part in ["etc", "log", "data"] {
            ensure!(!site.path(part).exists(), "{part} was made in the root");
        }
        Ok(())
    }
}

fn package(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let package = Package::make(&mut site)?;
    site.start()?;
    package.is_used(&site)?;
    site.stop()?;
    Ok(())
}

fn package_with_tarball(subject: &Subject) -> Result<()> {
    let mut site = subject.fresh()?;
    let package = Package::make(&mut site)?;
    let vsn = site.deploy()?;
    site.start()?
        .says(&format!("{vsn} is started successfully!"))?;
    package.is_used(&site)?;
    for part in ["etc", "log", "data"] {
        let inside = site.path("relup").join(&vsn).join(part).join("configs");
        ensure!(!inside.exists(), "{} was made", inside.display());
    }
    site.stop()?;
    Ok(())
}
