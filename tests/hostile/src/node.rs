//! One running node for all cases that an upgrade must refuse, although each is a process of its
//! own.
//!
//! Two upgrades at once would only be told that the other one is at work, so the cases take turns.
//! The node knows no hop: an input that gets as far as the search for one has been accepted.

use crate::case::verdict;
use crate::place::Place;
use crate::scan::Scan;
use compliance::shared;
use compliance::subject::Subject;
use e2e::install::Install;
use e2e::process::Finished;
use e2e::witness::{Witness, error_name, faults_of_words, relup_json};
use e2e::{Error, Result};
use nix::fcntl::{Flock, FlockArg};
use std::path::{Path, PathBuf};

/// The error of an input that nothing is wrong with.
pub const NO_HOP: &str = "no_relup_entry";

/// Whether this process was started to keep the node; it does, then, until the run is over.
#[must_use]
pub fn keep_if_asked() -> bool {
    shared::keep_if_asked()
}

/// The node, for one case at a time.
pub struct Turn {
    install: Install,
    _lock: Flock<std::fs::File>,
}

impl Turn {
    /// Waits until it is this case's turn.
    pub fn take() -> Result<Turn> {
        let (root, slot) = shared::join("hostile", &Subject::sample())?;
        let install = Install::borrow(&root, slot)?;
        let lock = root.with_file_name("turn");
        let file = std::fs::File::create(&lock)?;
        let lock = Flock::lock(file, FlockArg::LockExclusive)
            .map_err(|(_, errno)| Error::Unexpected(format!("flock: {errno}")))?;
        let catalog = install.path("relup/catalog");
        if catalog.exists() {
            fs_err::remove_dir_all(catalog)?;
        }
        Ok(Turn {
            install,
            _lock: lock,
        })
    }

    /// Sets a variable in the environment of the commands.
    pub fn set_env(&mut self, name: &str, value: &str) {
        self.install.set_env(name, value);
    }

    /// Demands that `emqx relup upgrade` of the place's input is refused, for machines and for
    /// people, with nothing changed: neither in the installation and its VM nor around the input.
    /// Gives what people read.
    pub fn is_refused(&self, place: &Place, error: &str, names: &str) -> Result<Finished> {
        self.is_refused_with(place, &[], error, names)
    }

    /// The same with more arguments.
    pub fn is_refused_with(
        &self,
        place: &Place,
        more: &[&str],
        error: &str,
        names: &str,
    ) -> Result<Finished> {
        let tarball = place.tarball();
        let tarball = tarball.to_string_lossy();
        let args = [&["upgrade", &tarball], more].concat();
        let witness = Witness::of_running(&self.install)?;
        let before = (self.scan()?, place.scan(false)?);
        let (finished, json) = relup_json(&self.install, &args)?;
        let mut faults = Vec::new();
        if (finished.code, error_name(&json)) != (Some(1), error) {
            faults.push(format!("{error} was expected"));
        }
        let spoken = self.install.emqx(&[&["relup"], &args[..]].concat())?;
        faults.extend(faults_of_words(&spoken));
        let line = spoken
            .stderr
            .lines()
            .find(|line| line.starts_with("ERROR: "));
        let start = format!("ERROR: {error}: ");
        if !line.is_some_and(|line| line.starts_with(&start) && line.contains(names)) {
            faults.push(format!(
                "the line does not name {names:?}: {}",
                spoken.stderr
            ));
        }
        faults.extend(witness.differences(&self.install)?);
        faults.extend(before.0.differences(&self.scan()?));
        faults.extend(before.1.differences(&place.scan(false)?));
        verdict(&faults, &finished)?;
        Ok(spoken)
    }

    /// The installation, but for what its node writes by itself.
    fn scan(&self) -> Result<Scan> {
        let root = self.install.root();
        let lives: Vec<PathBuf> = ["data", "log"].map(|name| root.join(name)).to_vec();
        let scan = Scan::of(root, &lives)?;
        Ok(scan
            .without(&[root.join("relup/lock")])
            .whatever_the_times_of(&root.join("relup"))
            .whatever_the_times_of(root))
    }
}

/// Demands that a path does not exist.
pub fn is_absent(path: &Path) -> Result<()> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Error::Unexpected(format!("{} exists", path.display())))
}
