//! Gathers the facts of a release from its files, whatever order they come in.
//!
//! A tarball has its modules before or after the file that says which of them count, so everything
//! that may count is taken and judged at the end. It never looks at a disk. Data: names relative to
//! the root of the release, and the files' bytes.

mod gathered;
mod module;
pub(crate) mod pool;

pub(super) use module::inflated;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use md5::Digest;
use relup::app_file::AppFile;
use relup::rel_file::RelFile;
use relup::vsn::ReleaseVsn;

use super::error::AuthorError;
use super::facts::ModuleFacts;
use crate::error::Error;
use crate::release::Identity;
pub(crate) use gathered::Gathered;
use pool::{Pool, Side};

/// Longest text, and longest module or library, that is read whole.
const MAX_TEXT: u64 = 1024 * 1024;
const MAX_BINARY: u64 = 256 * 1024 * 1024;

/// A file that says something about the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// `releases/emqx_vars`.
    Vars,
    /// `releases/<vsn>/<name>.rel`.
    Rel { vsn: String, name: String },
    /// `releases/<vsn>/BUILD_INFO`.
    BuildInfo { vsn: String },
    /// `lib/<dir>/ebin/*.app`.
    App { dir: String },
    /// `lib/<dir>/ebin/*.appup`.
    Appup { dir: String },
    /// `lib/<dir>/ebin/*.beam`, or one of the directories of consolidated protocols.
    Beam {
        dir: Option<String>,
        is_consolidated: bool,
    },
    /// `lib/<dir>/priv/**/*.so`.
    Library { dir: String, name: String },
}

impl Wanted {
    /// What the file of this name is, if it says anything.
    pub(crate) fn of(path: &str) -> Option<Wanted> {
        let parts: Vec<&str> = path.split('/').collect();
        let own = |text: &str| text.to_owned();
        match parts.as_slice() {
            ["releases", "emqx_vars"] => Some(Wanted::Vars),
            ["releases", vsn, "BUILD_INFO"] => Some(Wanted::BuildInfo { vsn: own(vsn) }),
            ["releases", vsn, file] => file.strip_suffix(".rel").map(|name| Wanted::Rel {
                vsn: own(vsn),
                name: own(name),
            }),
            ["releases", _, "consolidated", file] => is_beam(file).then_some(Wanted::Beam {
                dir: None,
                is_consolidated: true,
            }),
            ["lib", dir, place @ ("ebin" | "consolidated"), file] => {
                if is_beam(file) {
                    let is_consolidated = *place == "consolidated";
                    let dir = Some(own(dir));
                    Some(Wanted::Beam {
                        dir,
                        is_consolidated,
                    })
                } else {
                    // A directory is called after its application and that one's version.
                    let is_own = |end: &str| {
                        let app = file.strip_suffix(end);
                        let vsn = app.and_then(|app| dir.strip_prefix(app));
                        *place == "ebin" && vsn.is_some_and(|vsn| vsn.starts_with('-'))
                    };
                    let dir = own(dir);
                    if is_own(".app") {
                        Some(Wanted::App { dir })
                    } else {
                        is_own(".appup").then_some(Wanted::Appup { dir })
                    }
                }
            }
            ["lib", dir, "priv", rest @ .., file] => is_library(file).then(|| Wanted::Library {
                dir: own(dir),
                name: rest
                    .iter()
                    .chain([file])
                    .copied()
                    .collect::<Vec<_>>()
                    .join("/"),
            }),
            _ => None,
        }
    }

    /// How long it may be.
    pub(crate) fn max_len(&self) -> u64 {
        match self {
            Wanted::Beam { .. } | Wanted::Library { .. } => MAX_BINARY,
            Wanted::Vars
            | Wanted::Rel { .. }
            | Wanted::BuildInfo { .. }
            | Wanted::App { .. }
            | Wanted::Appup { .. } => MAX_TEXT,
        }
    }
}

fn is_beam(file: &str) -> bool {
    file.strip_suffix(".beam")
        .is_some_and(|name| !name.is_empty())
}

/// `libx.so`, and also `libx.so.1`.
fn is_library(file: &str) -> bool {
    file.strip_suffix(".so").is_some() || file.contains(".so.")
}

/// What has been read of a release so far.
#[derive(Debug)]
pub(crate) struct Collector<'p> {
    side: Side,
    pool: &'p Pool,
    /// The version that is wanted; without one, the version that the release says it is.
    vsn: Option<ReleaseVsn>,
    files: Files,
}

#[derive(Debug, Default)]
struct Files {
    vars: Option<String>,
    rels: HashMap<(String, String), String>,
    build_infos: HashMap<String, String>,
    dirs: HashMap<String, Dir>,
    /// Protocols that are consolidated for the whole release.
    protocols: BTreeMap<String, ModuleFacts>,
}

/// A directory below `lib`.
#[derive(Debug, Default)]
struct Dir {
    app: Option<AppFile>,
    appup: Option<String>,
    modules: BTreeMap<String, ModuleFacts>,
    protocols: BTreeMap<String, ModuleFacts>,
    libraries: BTreeMap<String, [u8; 16]>,
}

impl<'p> Collector<'p> {
    /// Nothing yet of one of the two releases.
    pub(crate) fn new(side: Side, pool: &'p Pool, vsn: Option<ReleaseVsn>) -> Self {
        let files = Files::default();
        Collector {
            side,
            pool,
            vsn,
            files,
        }
    }

    /// Takes a file in. The error is a reason, without the file's name.
    pub(crate) fn add(&mut self, wanted: Wanted, path: &str, bytes: &[u8]) -> Result<(), String> {
        let text = || String::from_utf8(bytes.to_vec()).map_err(|_| "is not UTF-8".to_owned());
        let twice = |former: bool| {
            if former {
                Err("is there twice".to_owned())
            } else {
                Ok(())
            }
        };
        match wanted {
            Wanted::Vars => twice(self.files.vars.replace(text()?).is_some()),
            Wanted::Rel { vsn, name } => {
                twice(self.files.rels.insert((vsn, name), text()?).is_some())
            }
            Wanted::BuildInfo { vsn } => {
                twice(self.files.build_infos.insert(vsn, text()?).is_some())
            }
            Wanted::App { dir } => {
                let app = AppFile::parse(&text()?).map_err(|error| error.to_string())?;
                let dir = self.files.dirs.entry(dir).or_default();
                twice(dir.app.replace(app).is_some())
            }
            Wanted::Appup { dir } => {
                // What is not UTF-8 was Latin-1 once, whose bytes are its characters.
                let text =
                    text().unwrap_or_else(|_| bytes.iter().copied().map(char::from).collect());
                let dir = self.files.dirs.entry(dir).or_default();
                twice(dir.appup.replace(text).is_some())
            }
            Wanted::Beam {
                dir,
                is_consolidated,
            } => {
                let file = path.rsplit('/').next().unwrap_or(path);
                let name = file.strip_suffix(".beam").unwrap_or(file).to_owned();
                let mut facts = module::facts(&name, bytes, self.side, self.pool)?;
                facts.is_consolidated = is_consolidated;
                let modules = match dir {
                    Some(dir) => {
                        let dir = self.files.dirs.entry(dir).or_default();
                        if is_consolidated {
                            &mut dir.protocols
                        } else {
                            &mut dir.modules
                        }
                    }
                    None => &mut self.files.protocols,
                };
                twice(modules.insert(name, facts).is_some())
            }
            Wanted::Library { dir, name } => {
                let Digest(digest) = md5::compute(bytes);
                let dir = self.files.dirs.entry(dir).or_default();
                twice(dir.libraries.insert(name, digest).is_some())
            }
        }
    }

    /// Who the release is, once its `emqx_vars` has been read.
    pub(crate) fn identity(&self, source: &Path) -> Result<Identity, Error> {
        let Some(text) = &self.files.vars else {
            return Err(Error::CannotReadEmqxVars {
                path: source.to_owned(),
                reason: "releases/emqx_vars: no such file".to_owned(),
            });
        };
        let mut identity = Identity::parse(text, source, &|name| {
            name.ends_with("RUNNER_ROOT_DIR").then(|| "/".to_owned())
        })?;
        if let Some(vsn) = &self.vsn {
            identity.vsn = vsn.clone();
        }
        Ok(identity)
    }

    /// The `.rel` file of the release.
    pub(crate) fn rel_file(&self, source: &Path) -> Result<RelFile, Error> {
        let identity = self.identity(source)?;
        let (vsn, name) = (identity.vsn.to_string(), identity.rel_name);
        let file = format!("releases/{vsn}/{name}.rel");
        let unusable = |reason: String| unusable(source, format!("{file}: {reason}"));
        let Some(text) = self.files.rels.get(&(vsn.clone(), name)) else {
            return Err(unusable("no such file".to_owned()));
        };
        let rel = RelFile::parse(text).map_err(|error| unusable(error.to_string()))?;
        if rel.vsn != vsn {
            return Err(unusable(format!("it is of version {}, not {vsn}", rel.vsn)));
        }
        Ok(rel)
    }

    /// What was read, without the pool.
    pub(crate) fn gathered(self, source: PathBuf) -> Result<Gathered, Error> {
        let identity = self.identity(&source)?;
        let rel = self.rel_file(&source)?;
        Ok(Gathered {
            side: self.side,
            source,
            identity,
            rel,
            files: self.files,
        })
    }
}

pub(crate) fn unusable(source: &Path, reason: String) -> Error {
    Error::Author(AuthorError::UnusableRelease {
        path: source.to_owned(),
        reason,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_names() {
        let beam = |dir: Option<&str>, is_consolidated| Wanted::Beam {
            dir: dir.map(str::to_owned),
            is_consolidated,
        };
        for (path, wanted) in [
            ("releases/emqx_vars", Some(Wanted::Vars)),
            (
                "releases/5.10.4/emqx.rel",
                Some(Wanted::Rel {
                    vsn: "5.10.4".into(),
                    name: "emqx".into(),
                }),
            ),
            (
                "releases/5.10.4/BUILD_INFO",
                Some(Wanted::BuildInfo {
                    vsn: "5.10.4".into(),
                }),
            ),
            (
                "lib/a-1/ebin/a.app",
                Some(Wanted::App { dir: "a-1".into() }),
            ),
            ("lib/a-1/ebin/b.app", None),
            (
                "lib/a-1/ebin/a.appup",
                Some(Wanted::Appup { dir: "a-1".into() }),
            ),
            ("lib/a-1/ebin/b.appup", None),
            ("lib/a-1/consolidated/a.appup", None),
            ("lib/a-1/ebin/b.beam", Some(beam(Some("a-1"), false))),
            ("lib/a-1/ebin/.beam", None),
            ("lib/a-1/consolidated/B.beam", Some(beam(Some("a-1"), true))),
            (
                "releases/5.10.4/consolidated/B.beam",
                Some(beam(None, true)),
            ),
            ("lib/a-1/priv/b.beam", None),
            ("lib/a-1/src/b.erl", None),
            (
                "lib/a-1/priv/lib/x.so",
                Some(Wanted::Library {
                    dir: "a-1".into(),
                    name: "lib/x.so".into(),
                }),
            ),
            ("lib/a-1/priv/www/index.html", None),
            ("bin/emqx", None),
        ] {
            assert_eq!(Wanted::of(path), wanted, "{path}");
        }
    }
}
