//! A root for one test: a small installation, the input, and things that an escape would hit.

use crate::measured;
use crate::scan::Scan;
use e2e::process::Finished;
use e2e::{Error, Result};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// The version of every archive that is accepted.
pub const VSN: &str = "5.10.5";

/// More than a few buffers, and far less than the biggest input.
const MAX_PEAK_KIB: u64 = 48 * 1024;

/// What the installation says of itself: enough for a command that boots nothing.
const VARS: &str = "\
REL_VSN=\"5.10.4\"
ERTS_VSN=\"13.1.5\"
RUNNER_BIN_DIR=\"$RUNNER_ROOT_DIR/bin\"
EMQX_LOG_DIR=\"$BASE_RUNNER_ROOT_DIR/log\"
EMQX_ETC_DIR=\"$BASE_RUNNER_ROOT_DIR/etc\"
RUNNER_USER=\"\"
SCHEMA_MOD=\"emqx_conf_schema\"
IS_ENTERPRISE=\"yes\"
EMQX_DEFAULT_ERLANG_COOKIE='emqx50elixir'
REL_NAME=\"emqx\"
EMQX_DESCRIPTION='EMQX Enterprise'
";

/// The root of a test.
#[derive(Debug)]
pub struct Place {
    root: PathBuf,
    _dir: TempDir,
}

/// What one run of `relup stage` came to.
#[derive(Debug)]
pub struct Staged {
    /// The command.
    pub finished: Finished,
    /// The object that it printed.
    pub json: Value,
    /// Whatever it changed that it must not change.
    pub differences: Vec<String>,
}

impl Place {
    /// A root in memory where that is possible: flushing a disk for each test would only measure
    /// the disk.
    pub fn new() -> Result<Place> {
        let memory = Path::new("/dev/shm");
        let mut builder = tempfile::Builder::new();
        builder.prefix("emqx-hostile-");
        let dir = if memory.is_dir() {
            builder.tempdir_in(memory)?
        } else {
            builder.tempdir()?
        };
        Place::in_dir(dir)
    }

    /// A root in a directory of the caller's.
    pub fn in_dir(dir: TempDir) -> Result<Place> {
        let root = fs_err::canonicalize(dir.path())?;
        let place = Place { root, _dir: dir };
        let program = place.path("emqx/bin/emqx");
        for (path, text) in [
            ("emqx/releases/emqx_vars", VARS),
            ("emqx/relup/notes.txt", "the operator's\n"),
            ("emqx/relup/5.10.3/bin/emqx", "an earlier tree\n"),
            ("emqx/data/x", "data\n"),
            ("emqx/bin/other", "a program\n"),
            ("outside/victim", "untouched\n"),
            ("outside/dir/victim", "untouched\n"),
            ("victim", "untouched\n"),
        ] {
            let path = place.path(path);
            fs_err::create_dir_all(path.parent().unwrap_or(&path))?;
            fs_err::write(path, text)?;
        }
        // An escape that changes permissions would show here.
        for path in ["outside/dir", "outside/victim"] {
            fs_err::set_permissions(place.path(path), PermissionsExt::from_mode(0o700))?;
        }
        fs_err::copy(e2e::sample::launcher()?, &program)?;
        fs_err::set_permissions(&program, PermissionsExt::from_mode(0o755))?;
        Ok(place)
    }

    /// A path in the root.
    #[must_use]
    pub fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A path outside of the installation that an archive may aim at.
    #[must_use]
    pub fn bait(&self, name: &str) -> String {
        self.path("outside")
            .join(name)
            .to_string_lossy()
            .into_owned()
    }

    /// Where the input lies.
    #[must_use]
    pub fn tarball(&self) -> PathBuf {
        self.path("in/emqx-enterprise-5.10.5.tar.gz")
    }

    /// Where the tree of an accepted archive lies.
    #[must_use]
    pub fn tree(&self) -> PathBuf {
        self.path("emqx/relup").join(VSN)
    }

    /// Writes the input with the digest that belongs to it.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let tarball = self.tarball();
        fs_err::create_dir_all(self.path("in"))?;
        fs_err::write(&tarball, bytes)?;
        e2e::tarball::seal(&tarball)
    }

    /// The command `emqx relup stage` on the input.
    #[must_use]
    pub fn stage_command(&self) -> Command {
        let mut command = Command::new(self.path("emqx/bin/emqx"));
        command.args(["relup", "stage"]).arg(self.tarball());
        command.arg("--into").arg(self.path("emqx"));
        command
    }

    /// Runs it and looks at everything before and after.
    pub fn stage(&self) -> Result<Staged> {
        let before = self.scan(false)?;
        let (finished, peak) = measured::run(&self.stage_command())?;
        let json: Value =
            serde_json::from_str(&finished.stdout).map_err(|error| Error::Command {
                why: format!("it must print one object: {error}"),
                finished: Box::new(finished.clone()),
            })?;
        let mut differences = before.differences(&self.scan(finished.code == Some(0))?);
        if peak > MAX_PEAK_KIB {
            differences.push(format!("it took {peak} KiB of memory"));
        }
        if !finished.stderr.is_empty() {
            differences.push(format!("it said: {}", finished.stderr));
        }
        Ok(Staged {
            finished,
            json,
            differences,
        })
    }

    /// Everything in the root; of a command that succeeded without the tree that it was to make.
    pub fn scan(&self, succeeded: bool) -> Result<Scan> {
        let relup = self.path("emqx/relup");
        let made = [self.tree(), relup.join(format!("{VSN}.manifest"))];
        let scan = Scan::of(&self.root, &[])?.whatever_the_times_of(&relup);
        Ok(if succeeded { scan.without(&made) } else { scan })
    }
}
