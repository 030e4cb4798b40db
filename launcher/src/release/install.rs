//! Where the installation is and which release tree is in force: the base, the marker, the trees
//! that it leads to. Read-only; needs nothing but the file system and `BASE_RUNNER_ROOT_DIR`.

use std::path::{Path, PathBuf};

use relup::layout::{BaseRoot, Tree};
use relup::marker::Marker;
use relup::vars::EmqxVars;
use relup::vsn::ReleaseVsn;

use crate::error::Error;
use crate::host::{Host, read_optional};
use crate::sourced::{Origin, Sourced};

/// How many nested markers are followed: the upstream plugin leaves one level a hop.
const MAX_NESTING: usize = 16;

/// The installation that this executable belongs to.
#[derive(Debug, Clone)]
pub struct Install {
    /// Where etc, data, log and plugins live.
    pub base: Sourced<BaseRoot>,
    /// Where the original release and `relup/` with the marker are: the base, unless
    /// `BASE_RUNNER_ROOT_DIR` sets that apart from the program.
    pub home: BaseRoot,
    /// The release tree to boot.
    pub tree: Sourced<Tree>,
    /// The marker that led away from the root, if one did.
    pub hot: Option<HotTree>,
}

/// A tree that a marker names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HotTree {
    /// The version in the last marker.
    pub vsn: ReleaseVsn,
    /// The first marker: without it none of the others would be followed.
    pub marker: PathBuf,
    /// Markers inside deployed trees, as the upstream plugin leaves them. Never written here.
    pub nested: Vec<PathBuf>,
}

impl Install {
    /// Finds the base and the release around the program, without a look at the markers.
    ///
    /// # Errors
    /// When the executable does not stand in a `bin` directory.
    pub fn original(host: &Host) -> Result<Install, Error> {
        let root = root_of(host)?;
        let base = match host.env.get_os("BASE_RUNNER_ROOT_DIR") {
            Some(dir) => Sourced::new(
                fs_err::canonicalize(dir)?,
                Origin::Variable("BASE_RUNNER_ROOT_DIR".into()),
            ),
            None => Sourced::new(root.clone(), Origin::Executable(host.exe.clone())),
        };
        let checked = |dir: PathBuf| {
            BaseRoot::new(dir).map_err(|error| Error::NotARelease {
                root: root.clone(),
                reason: error.to_string(),
            })
        };
        let base = base.try_map(|base, _| checked(base))?.decided("base");
        let home = checked(home_of(&root, &base))?;
        Ok(Install {
            tree: Sourced::new(home.tree(), Origin::Unmarked),
            base,
            home,
            hot: None,
        })
    }

    /// The same installation as if no marker led away from its original release.
    #[must_use]
    pub fn into_original(self) -> Install {
        Install {
            tree: Sourced::new(self.home.tree(), Origin::Unmarked),
            hot: None,
            ..self
        }
    }

    /// Finds the base and follows the markers to the tree in force.
    ///
    /// # Errors
    /// A damaged marker, or one that names no complete tree: never another version in silence.
    pub fn observe(host: &Host) -> Result<Install, Error> {
        let original = Install::original(host)?;
        let root = root_of(host)?;
        let mut tree = Tree::new(root.clone()).map_err(|error| Error::NotARelease {
            root,
            reason: error.to_string(),
        })?;
        let mut named: Option<HotTree> = None;
        let mut origin = Origin::Unmarked;
        for _ in 0..MAX_NESTING {
            let marker = tree.nested_marker();
            let content = read_optional(&marker).map_err(|error| Error::Marker {
                marker: marker.clone(),
                reason: format!("it cannot be read: {}", error.kind()),
            })?;
            match Marker::parse(content.as_deref()) {
                Marker::Absent => {
                    return Ok(Install {
                        tree: Sourced::new(tree, origin).decided("tree"),
                        hot: named,
                        ..original
                    });
                }
                Marker::Damaged(reason) => return Err(Error::Marker { marker, reason }),
                Marker::Current(vsn) => {
                    let next = tree.nested(&vsn);
                    check_complete(&next, &vsn).map_err(|reason| Error::Marker {
                        marker: marker.clone(),
                        reason,
                    })?;
                    origin = Origin::Marker(marker.clone());
                    named = Some(match named {
                        None => HotTree {
                            vsn,
                            marker,
                            nested: Vec::new(),
                        },
                        Some(mut hot) => {
                            hot.nested.push(marker);
                            HotTree { vsn, ..hot }
                        }
                    });
                    tree = next;
                }
            }
        }
        Err(Error::Marker {
            marker: tree.nested_marker(),
            reason: format!("more than {MAX_NESTING} markers lead from one to the next"),
        })
    }
}

/// The tree that the program stands in.
fn root_of(host: &Host) -> Result<PathBuf, Error> {
    let above = host.exe.ancestors().nth(2);
    above
        .map(Path::to_path_buf)
        .ok_or_else(|| Error::NotARelease {
            root: host.exe.clone(),
            reason: "the executable has no directory above its own".into(),
        })
}

/// A program in a deployed tree of its base belongs to the base. Beside its base it may stand in a
/// deployed tree as well, whose marker tells.
fn home_of(root: &Path, base: &BaseRoot) -> PathBuf {
    if root == base.path() || root.starts_with(base.relup_dir()) {
        return base.path().to_path_buf();
    }
    let mut ancestors = root.ancestors().skip(1).collect::<Vec<_>>();
    ancestors.reverse();
    let deployed = |home: &&Path| {
        BaseRoot::new(home.to_path_buf())
            .is_ok_and(|home| root.starts_with(home.relup_dir()) && home.marker().exists())
    };
    let home = ancestors.into_iter().find(deployed);
    home.unwrap_or(root).to_path_buf()
}

/// What must be there for a tree to boot. A short list: the manifest tells the rest.
fn check_complete(tree: &Tree, vsn: &ReleaseVsn) -> Result<(), String> {
    let missing = |path: &Path| format!("it names {vsn}, but {} is missing", path.display());
    if !tree.path().is_dir() {
        return Err(missing(tree.path()));
    }
    let vars_file = tree.emqx_vars();
    let text = fs_err::read_to_string(&vars_file).map_err(|_| missing(&vars_file))?;
    let erts = relup::vars::EmqxVars::parse(&text, &|_| Some(String::new()))
        .map_err(|error| format!("it names {vsn}, but {}: {error}", vars_file.display()))?;
    for path in [tree.lib(), tree.release(vsn), erlexec(tree, &erts)] {
        if !path.exists() {
            return Err(missing(&path));
        }
    }
    Ok(())
}

fn erlexec(tree: &Tree, vars: &EmqxVars) -> PathBuf {
    tree.erts_bin(vars.get("ERTS_VSN").unwrap_or_default())
        .join("erlexec")
}
