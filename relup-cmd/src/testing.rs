//! What the tests of this crate share: an installation in a throw-away directory, release tarballs,
//! and a node that is a value.
//!
//! The node here proves order and refusals; that an apply works is proven on real VMs elsewhere.

mod node;
mod release;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::journal::{Record, Step, parse_journal};
use relup::layout::BaseRoot;
use serde_json::Value;
use tempfile::TempDir;

use crate::install::Install;
use crate::interrupt::Interrupt;
use crate::node::Node;
use crate::output::Console;
use crate::run::{parse, perform};
pub(crate) use node::{FakeNode, Outcome, record};
pub(crate) use release::{Release, beam, gzip, hop_text, packaged, write_sidecar};

/// The version that is installed, and its upgrade.
pub(crate) const OLD: &str = "5.10.4";
pub(crate) const NEW: &str = "5.10.5";

/// An installation of [`OLD`] with room for tarballs beside it.
pub(crate) struct Site {
    dir: TempDir,
    pub(crate) install: Install,
}

/// A throw-away directory, in memory where that is possible: flushing a whole disk for each test
/// would only measure the disk.
pub(crate) fn scratch() -> TempDir {
    let memory = Path::new("/dev/shm");
    let dir = if memory.is_dir() {
        tempfile::tempdir_in(memory)
    } else {
        tempfile::tempdir()
    };
    dir.expect("a directory")
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: u8,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Site {
    /// A complete installation without any `relup/`.
    pub(crate) fn new() -> Site {
        let dir = scratch();
        let root = fs::canonicalize(dir.path()).expect("a path").join("emqx");
        fs::create_dir(&root).expect("a directory");
        Release::of(OLD).unpack(&root);
        fs::create_dir_all(root.join("data")).expect("a directory");
        let base = BaseRoot::new(root).expect("an absolute path");
        let install = Install {
            booted: base.tree(),
            booted_vsn: OLD.parse().expect("a version"),
            rel_name: "emqx".to_owned(),
            plugins_dir: base.default_plugins(),
            etc_dir: base.path().join("etc"),
            log_dir: base.path().join("log"),
            data_dir: None,
            pubkey: None,
            is_handled: false,
            invocation: "emqx relup".to_owned(),
            base,
        };
        Site { dir, install }
    }

    /// The same, with a hop from [`OLD`] to [`NEW`] in the catalog.
    pub(crate) fn with_hop() -> Site {
        let site = Site::new();
        site.add_hop("a.relup", &hop_text(OLD, NEW));
        site
    }

    /// A directory outside the installation.
    pub(crate) fn outside(&self) -> PathBuf {
        fs::canonicalize(self.dir.path()).expect("a path")
    }

    pub(crate) fn base(&self) -> &BaseRoot {
        &self.install.base
    }

    /// Puts a hop file into the catalog.
    pub(crate) fn add_hop(&self, name: &str, text: &str) -> PathBuf {
        let path = self.base().catalog().join(name);
        write(&path, text);
        path
    }

    /// Writes a release as a tarball with its sidecar.
    pub(crate) fn tarball(&self, release: &Release) -> PathBuf {
        let path = self.outside().join(format!("emqx-{}.tar.gz", release.vsn));
        fs::write(&path, release.tarball()).expect("written");
        write_sidecar(&path);
        path
    }

    /// The tarball of a good [`NEW`].
    pub(crate) fn new_tarball(&self) -> PathBuf {
        self.tarball(&Release::of(NEW))
    }

    /// A node that runs this installation's [`OLD`].
    pub(crate) fn node(&self) -> FakeNode {
        FakeNode::running(OLD, self.base().path())
    }

    /// Runs a command.
    pub(crate) fn run<A: Into<OsString> + Clone>(&self, node: &mut dyn Node, args: &[A]) -> Said {
        self.run_interruptible(node, args, &Interrupt::deaf())
    }

    pub(crate) fn run_interruptible<A: Into<OsString> + Clone>(
        &self,
        node: &mut dyn Node,
        args: &[A],
        interrupt: &Interrupt,
    ) -> Said {
        let words: Vec<OsString> = args.iter().cloned().map(Into::into).collect();
        let command = parse(&words, &self.install.invocation).expect("good usage");
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = {
            let mut err = anstream::StripStream::new(&mut err);
            let mut console = Console::new(&mut out, &mut err, command.json());
            perform(&command, &self.install, node, &mut console, interrupt)
        };
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Said {
            code,
            out: text(out),
            err: text(err),
        }
    }

    /// Upgrades with a tarball and more arguments.
    pub(crate) fn upgrade(&self, node: &mut dyn Node, tarball: &Path, more: &[&str]) -> Said {
        let mut args = vec![OsString::from("upgrade"), tarball.into()];
        args.extend(more.iter().map(OsString::from));
        self.run(node, &args)
    }

    /// Every path below the base with type, mode and content; what a refusal must not change.
    pub(crate) fn snapshot(&self) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        let mut open = vec![self.base().path().to_owned()];
        while let Some(path) = open.pop() {
            let about = fs::symlink_metadata(&path).expect("there");
            let content = if about.is_dir() {
                open.extend(
                    fs::read_dir(&path)
                        .expect("readable")
                        .map(|e| e.expect("one").path()),
                );
                Vec::new()
            } else if about.is_file() {
                fs::read(&path).unwrap_or_default()
            } else {
                Vec::new()
            };
            found.insert(path, (about.permissions().mode(), content));
        }
        found
    }

    /// The names in `relup/`, sorted.
    pub(crate) fn relup_names(&self) -> Vec<String> {
        crate::release::names_in(&self.base().relup_dir()).unwrap_or_default()
    }

    /// The steps in the journal.
    pub(crate) fn steps(&self) -> Vec<Step> {
        self.records()
            .into_iter()
            .map(|record| record.step)
            .collect()
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        parse_journal(&fs::read(self.base().journal()).unwrap_or_default())
    }

    pub(crate) fn marker(&self) -> Option<String> {
        fs::read_to_string(self.base().marker()).ok()
    }
}

impl Said {
    /// The error's name, from the line for people.
    pub(crate) fn error_name(&self) -> &str {
        let line = self
            .err
            .lines()
            .find_map(|line| line.strip_prefix("ERROR: "));
        line.and_then(|line| line.split(": ").next())
            .unwrap_or_default()
    }

    /// The answer of a command with `--json`.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect("one object")
    }
}

/// Writes a file and its parents.
pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("made");
    fs::write(path, text).expect("written");
}
