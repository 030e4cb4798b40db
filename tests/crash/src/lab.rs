//! Where the tries are made: a directory in memory where there is one, with a launcher to be linked
//! into each state, and the commands run on a state.

use crate::fault;
use crate::image::Image;
use e2e::process::{self, Finished};
use e2e::{Result, sample};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A throw-away directory with everything that tries share.
#[derive(Debug)]
pub struct Lab {
    site: PathBuf,
    program: PathBuf,
    packages: PathBuf,
    // Last, so that it goes after everything that lives in it.
    scratch: TempDir,
}

impl Lab {
    /// A laboratory of its own.
    pub fn new() -> Result<Lab> {
        Lab::at(scratch()?)
    }

    /// A laboratory in a directory that somebody has made.
    pub fn at(scratch: TempDir) -> Result<Lab> {
        let root = fs_err::canonicalize(scratch.path())?;
        let program = root.join("emqx");
        fs_err::copy(sample::launcher()?, &program)?;
        Ok(Lab {
            site: root.join("a site"),
            program,
            packages: root.join("packages"),
            scratch,
        })
    }

    /// The directory whose states are judged.
    #[must_use]
    pub fn site(&self) -> &Path {
        &self.site
    }

    /// The launcher under test.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where tarballs are.
    #[must_use]
    pub fn packages(&self) -> &Path {
        &self.packages
    }

    /// A path beside the site.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Makes the site what an image says.
    pub fn restore(&self, image: &Image) -> Result<()> {
        image.write(&self.site, &self.program)
    }

    /// The site as it is.
    pub fn observe(&self) -> Result<Image> {
        Image::read(&self.site, &self.program)
    }

    /// A command on the base's launcher, without what the caller's environment says about EMQX.
    #[must_use]
    pub fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(self.site.join("base/bin/emqx"));
        command.args(words);
        self.clean(&mut command);
        command
    }

    /// Takes EMQX's variables out of a command's environment.
    pub fn clean(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("EMQX_") || text.starts_with("ERL_") || text == "DEBUG" {
                command.env_remove(&name);
            }
        }
        command.current_dir(self.scratch.path());
    }

    /// Runs a command on the site to its end.
    pub fn run(&self, words: &[&str]) -> Result<Finished> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        process::run(&mut self.command(&words), process::HANG)
    }
}

/// A directory in memory if programs may be run there, else an ordinary temporary one.
fn scratch() -> Result<TempDir> {
    let named = || {
        let mut builder = tempfile::Builder::new();
        builder.prefix("emqx-crash-");
        builder
    };
    let memory = Path::new("/dev/shm");
    if memory.is_dir()
        && let Ok(dir) = named().tempdir_in(memory)
        && runs_programs(dir.path())
    {
        return Ok(dir);
    }
    named().tempdir().map_err(|error| fault(error.to_string()))
}

fn runs_programs(dir: &Path) -> bool {
    let tried = dir.join("true");
    let copied = which_true().is_some_and(|program| fs_err::copy(program, &tried).is_ok());
    let runs = copied
        && Command::new(&tried)
            .status()
            .is_ok_and(|status| status.success());
    let _ = fs_err::remove_file(&tried);
    runs
}

fn which_true() -> Option<&'static str> {
    ["/bin/true", "/usr/bin/true"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}
