//! Deployed trees as an upgrade leaves them, without the upgrade, and trees that something is wrong
//! with: for tests of what the launcher does when such a tree is booted.
//!
//! What is recorded of their boots is read by the words of its documentation and by nothing else.

use crate::error::{Error, Result};
use crate::install::{Install, extract};
use crate::process;
use crate::sample::{Sample, workspace};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A tree below `relup/` of an installation.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// Where it is.
    pub root: PathBuf,
    /// Its version.
    pub vsn: String,
}

impl Deployed {
    /// Unpacks a version below `relup/` and writes the marker.
    pub fn marked(install: &Install, vsn: &str) -> Result<Self> {
        let tree = Self::below(install.root(), vsn)?;
        mark(install.root(), vsn)?;
        Ok(tree)
    }

    /// Unpacks a version below `relup/` of a root, which may itself be a deployed tree.
    pub fn below(root: &Path, vsn: &str) -> Result<Self> {
        let tree = root.join("relup").join(vsn);
        extract(&Sample::find()?.tarball(vsn)?, &tree)?;
        // An upgrade deploys code only.
        for dir in ["etc", "data", "log", "plugins"] {
            let dir = tree.join(dir);
            if dir.exists() {
                fs_err::remove_dir_all(dir)?;
            }
        }
        Ok(Self::at(tree, vsn))
    }

    /// One that an upgrade has deployed.
    #[must_use]
    pub fn of(install: &Install, vsn: &str) -> Self {
        Self::at(install.path("relup").join(vsn), vsn)
    }

    fn at(root: PathBuf, vsn: &str) -> Self {
        Self {
            root,
            vsn: vsn.to_owned(),
        }
    }

    /// Its `bin/emqx`.
    #[must_use]
    pub fn launcher(&self) -> PathBuf {
        self.root.join("bin/emqx")
    }

    /// Cuts a module that every boot loads off, so that the VM ends; gives what mends it.
    pub fn break_boot(&self) -> Result<Mend> {
        let path = self.beam("emqx", "emqx_app");
        let content = fs_err::read(&path)?;
        fs_err::write(&path, &content[..content.len() / 2])?;
        Ok(Mend { path, content })
    }

    /// Makes its node ready only once a file exists.
    pub fn ready_with(&self, file: &Path) -> Result<()> {
        let source = workspace().join("tests/sample/apps/emqx_machine/src/emqx_machine.erl");
        let text = fs_err::read_to_string(source)?;
        let condition = format!(
            "filelib:is_regular(\"{}\") andalso emqx_machine_boot:is_ready().",
            file.display()
        );
        let changed = text.replace("emqx_machine_boot:is_ready().", &condition);
        let beam = self.beam("emqx_machine", "emqx_machine");
        let dir = tempfile::tempdir()?;
        let source = dir.path().join("emqx_machine.erl");
        fs_err::write(&source, changed)?;
        let mut erlc = Command::new("erlc");
        erlc.arg("-o").arg(dir.path()).arg(&source);
        process::run(&mut erlc, process::HANG)?.success()?;
        fs_err::copy(source.with_extension("beam"), beam)?;
        Ok(())
    }

    fn beam(&self, application: &str, module: &str) -> PathBuf {
        let lib = self.root.join("lib");
        let names = fs_err::read_dir(&lib).into_iter().flatten().flatten();
        let dir = names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .find(|name| {
                name.strip_prefix(application)
                    .is_some_and(|rest| rest.starts_with('-'))
            })
            .unwrap_or_default();
        lib.join(dir).join("ebin").join(format!("{module}.beam"))
    }
}

/// What a broken tree needs.
#[derive(Debug)]
pub struct Mend {
    path: PathBuf,
    content: Vec<u8>,
}

impl Mend {
    /// Puts the right content back.
    pub fn mend(self) -> Result<()> {
        Ok(fs_err::write(self.path, self.content)?)
    }
}

/// Writes the marker of a root; a time of its own makes it a deployment of its own.
pub fn mark(root: &Path, vsn: &str) -> Result<()> {
    Ok(fs_err::write(
        root.join("relup/current"),
        format!("{vsn}\n"),
    )?)
}

/// Makes the marker look as if it were written now, and takes the record away that does not count
/// any more.
pub fn mark_again(install: &Install) -> Result<()> {
    let record = install.path("relup/assessment.json");
    if record.exists() {
        fs_err::remove_file(record)?;
    }
    let marker = fs_err::OpenOptions::new()
        .write(true)
        .open(install.path("relup/current"))?;
    Ok(marker.into_file().set_modified(SystemTime::now())?)
}

/// What `relup/assessment.json` says; nothing where there is none.
pub fn recorded(install: &Install) -> Result<Value> {
    let path = install.path("relup/assessment.json");
    if !path.exists() {
        return Ok(Value::Null);
    }
    let text = fs_err::read_to_string(path)?;
    serde_json::from_str(&text).map_err(|error| Error::Unexpected(format!("{error} in {text}")))
}

/// How many boots are recorded.
pub fn attempts(install: &Install) -> Result<u64> {
    Ok(recorded(install)?["attempts"].as_u64().unwrap_or(0))
}

/// Whether the tree is recorded as good.
pub fn is_good(install: &Install) -> Result<bool> {
    Ok(recorded(install)?["good_since"].is_string())
}

/// The line of `relup status` about boots, and its object.
pub fn status(install: &Install) -> Result<(String, Value)> {
    let text = install.emqx(&["relup", "status"])?.success()?;
    let line = text
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("boot: "));
    let line = line.unwrap_or_default().to_owned();
    let json = install.emqx(&["relup", "status", "--json"])?.success()?;
    let json: Value = serde_json::from_str(json.text())
        .map_err(|error| Error::Unexpected(format!("{error} in {json}")))?;
    Ok((line, json["boot"].clone()))
}
