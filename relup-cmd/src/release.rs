//! Stage 6: what a release tree says it is, and whether everything is there that booting it takes.
//!
//! Used on staged trees, on deployed ones and on the base alike, so that "complete" means one thing.
//! Data comes from the tree's own files only.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::build_info::BuildInfo;
use relup::layout::{BaseRoot, Tree};
use relup::rel_file::RelFile;
use relup::vars::{EmqxVars, rel_vsn_line};
use relup::vsn::ReleaseVsn;

use crate::error::Error;
use crate::regular::{self, ReadError};

/// Longest text file of a release that is read whole.
const MAX_TEXT: u64 = 1024 * 1024;

/// Who a release is, by its `emqx_vars`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) vsn: ReleaseVsn,
    pub(crate) rel_name: String,
    pub(crate) erts_vsn: String,
}

impl Identity {
    /// The identity of a package as it was published. Installed trees may have gained lines that
    /// overrule earlier ones; a package that has two versions is none.
    pub(crate) fn read_package(tree: &Tree, base: &BaseRoot) -> Result<Identity, Error> {
        let identity = Identity::read(tree, base)?;
        let path = tree.emqx_vars();
        let text = optional_text(&path).ok().flatten().unwrap_or_default();
        let mut lines = text.lines().filter(|line| line.starts_with("REL_VSN="));
        let first = lines.next();
        if lines.any(|line| Some(line) != first) {
            let reason = "more than one REL_VSN line".to_owned();
            return Err(Error::InvalidRelVsn { path, reason });
        }
        Ok(identity)
    }

    /// The release that was installed first, proven to be whole.
    pub(crate) fn original(base: &BaseRoot) -> Result<Identity, Error> {
        let tree = base.tree();
        let identity = Identity::read(&tree, base)?;
        identity.check_complete(&tree)?;
        Ok(identity)
    }

    /// Reads `releases/emqx_vars` of `tree`.
    pub(crate) fn read(tree: &Tree, base: &BaseRoot) -> Result<Identity, Error> {
        let path = tree.emqx_vars();
        let unreadable = |reason: String| Error::CannotReadEmqxVars {
            path: path.clone(),
            reason,
        };
        let text =
            regular::read_text(&path, MAX_TEXT).map_err(|error| unreadable(error.to_string()))?;
        let lookup = |name: &str| match name {
            "RUNNER_ROOT_DIR" => Some(tree.path().to_string_lossy().into_owned()),
            "BASE_RUNNER_ROOT_DIR" => Some(base.path().to_string_lossy().into_owned()),
            _ => None,
        };
        Identity::parse(&text, &path, &lookup)
    }

    /// Reads the text of `releases/emqx_vars`, which was at `path`; `lookup` knows the variables that
    /// it takes from outside.
    pub(crate) fn parse(
        text: &str,
        path: &Path,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Identity, Error> {
        let unreadable = |reason: String| Error::CannotReadEmqxVars {
            path: path.to_owned(),
            reason,
        };
        let Some(line) = rel_vsn_line(text) else {
            return Err(Error::RelVsnNotFound {
                path: path.to_owned(),
            });
        };
        let vsn: ReleaseVsn =
            line.parse()
                .map_err(|error: relup::vsn::VsnError| Error::InvalidRelVsn {
                    path: path.to_owned(),
                    reason: error.to_string(),
                })?;
        let vars = EmqxVars::parse(text, lookup).map_err(|error| unreadable(error.to_string()))?;
        let erts_vsn = match vars.get("ERTS_VSN") {
            Some(erts) if relup::layout::is_component(erts) => erts.to_owned(),
            Some(erts) => return Err(unreadable(format!("ERTS_VSN is {erts:?}"))),
            None => return Err(unreadable("no ERTS_VSN".to_owned())),
        };
        let rel_name = vars.get("REL_NAME").unwrap_or("emqx");
        if !relup::layout::is_component(rel_name) {
            return Err(unreadable(format!("REL_NAME is {rel_name:?}")));
        }
        Ok(Identity {
            vsn,
            rel_name: rel_name.to_owned(),
            erts_vsn,
        })
    }

    /// Checks that `tree` has everything that booting it takes, and no second runtime.
    pub(crate) fn check_complete(&self, tree: &Tree) -> Result<(), Error> {
        let incomplete = |what: String| Err(Error::IncompleteRelease { what });
        for program in [
            tree.launcher(),
            self.program(tree, "erlexec"),
            self.program(tree, "beam.smp"),
        ] {
            check_program(&program)?;
        }
        if !tree.lib().is_dir() {
            return incomplete(format!("{} is missing", tree.lib().display()));
        }
        let runtimes = runtimes(tree)?;
        if runtimes.len() > 1 {
            return incomplete(format!("more than one runtime: {}", runtimes.join(", ")));
        }
        let dir = tree.release(&self.vsn);
        let boots = |name: &str| dir.join(format!("{name}.boot")).is_file();
        if !boots("start") && !boots(&self.rel_name) {
            return incomplete(format!("no boot file in {}", dir.display()));
        }
        read_build_info(tree, &self.vsn).map(drop)?;
        self.check_rel_file(tree)
    }

    /// A program of the tree's own runtime.
    pub(crate) fn program(&self, tree: &Tree, name: &str) -> PathBuf {
        tree.erts(&self.erts_vsn).join("bin").join(name)
    }

    /// The `.rel` file must describe the same release.
    fn check_rel_file(&self, tree: &Tree) -> Result<(), Error> {
        let path = tree.rel_file(&self.vsn, &self.rel_name);
        let incomplete = |reason: String| Error::IncompleteRelease {
            what: format!("{}: {reason}", path.display()),
        };
        let text =
            regular::read_text(&path, MAX_TEXT).map_err(|error| incomplete(error.to_string()))?;
        let rel = RelFile::parse(&text).map_err(|error| incomplete(error.to_string()))?;
        if rel.vsn != self.vsn.as_str() {
            return Err(incomplete(format!(
                "is of {}, emqx_vars of {}",
                rel.vsn, self.vsn
            )));
        }
        if rel.erts != self.erts_vsn {
            return Err(incomplete(format!(
                "asks for ERTS {}, emqx_vars for {}",
                rel.erts, self.erts_vsn
            )));
        }
        Ok(())
    }
}

/// Whether `tree` is the complete release `vsn`; what is wrong with it otherwise.
pub(crate) fn check_tree_of(tree: &Tree, vsn: &ReleaseVsn, base: &BaseRoot) -> Result<(), Error> {
    let identity = Identity::read(tree, base)?;
    if identity.vsn != *vsn {
        return Err(Error::IncompleteRelease {
            what: format!(
                "{} holds {} instead of {vsn}",
                tree.path().display(),
                identity.vsn
            ),
        });
    }
    identity.check_complete(tree)
}

/// Reads `releases/<vsn>/BUILD_INFO`.
pub(crate) fn read_build_info(tree: &Tree, vsn: &ReleaseVsn) -> Result<BuildInfo, Error> {
    let path = tree.build_info(vsn);
    match regular::read_text(&path, MAX_TEXT) {
        Ok(text) => Ok(BuildInfo::parse(&text)),
        Err(error) => Err(Error::IncompleteRelease {
            what: format!("{}: {error}", path.display()),
        }),
    }
}

fn check_program(path: &Path) -> Result<(), Error> {
    let incomplete = |reason: &str| {
        Err(Error::IncompleteRelease {
            what: format!("{} {reason}", path.display()),
        })
    };
    match fs::metadata(path) {
        Err(_) => incomplete("is missing"),
        Ok(found) if !found.is_file() => incomplete("is no file"),
        Ok(found) if found.permissions().mode() & 0o111 == 0 => incomplete("is not executable"),
        Ok(_) => Ok(()),
    }
}

/// The names of all `erts-*` directories.
fn runtimes(tree: &Tree) -> Result<Vec<String>, Error> {
    let mut names = names_in(tree.path())?;
    names.retain(|name| name.starts_with("erts-"));
    Ok(names)
}

/// The sorted names in a directory, as far as they are text.
pub(crate) fn names_in(dir: &Path) -> Result<Vec<String>, Error> {
    let failed = |error| Error::io(dir, "list", error);
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// The directories `lib/<app>-*`.
pub(crate) fn app_dirs(tree: &Tree, app: &str) -> Vec<PathBuf> {
    let prefix = format!("{app}-");
    let mut names = names_in(&tree.lib()).unwrap_or_default();
    names.retain(|name| name.starts_with(&prefix));
    names
        .into_iter()
        .map(|name| tree.lib().join(name))
        .collect()
}

/// Whether the tree's `mnesia` is that of EMQX's own build of OTP.
pub(crate) fn has_mnesia_hook(tree: &Tree) -> bool {
    let has_it = |dir: &PathBuf| dir.join("ebin").join("mnesia_hook.beam").is_file();
    app_dirs(tree, "mnesia").iter().any(has_it)
}

/// A text file that may be missing.
pub(crate) fn optional_text(path: &Path) -> Result<Option<String>, String> {
    match regular::read_text(path, MAX_TEXT) {
        Ok(text) => Ok(Some(text)),
        Err(ReadError::Missing) => Ok(None),
        Err(ReadError::Other(reason)) => Err(reason),
    }
}
