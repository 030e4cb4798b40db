//! The release that a relup leads from: named itself, or found by its version.
//!
//! Where releases are built one after the other into one directory, the older ones still are in it;
//! where tarballs are kept, they lie beside the newer one.

use std::path::{Path, PathBuf};

use fs_err as fs;
use relup::layout::{Tree, is_component};
use relup::vsn::ReleaseVsn;

use crate::author::error::AuthorError;
use crate::author::place::Place;
use crate::author::read::Source;
use crate::cli;
use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::via::AtHand;

/// The older release.
pub(super) enum Older {
    /// Another release of the newer one's directory.
    Within(ReleaseVsn),
    /// One of its own, and where that is.
    Apart(PathBuf, Box<Place>),
}

impl Older {
    /// The release that the arguments mean.
    pub(super) fn find(
        args: &cli::Relup,
        newer: &Place,
        interrupt: &Interrupt,
    ) -> Result<Older, Error> {
        let apart = |path: &Path| {
            let place = Place::of(path, interrupt)?;
            Ok(Older::Apart(path.to_owned(), Box::new(place)))
        };
        if let Some(path) = &args.older.from {
            return apart(path);
        }
        let releases = newer.tree().releases();
        let within = others(newer)?;
        let Some(vsn) = &args.older.upfrom else {
            return match within.as_slice() {
                [vsn] => Ok(Older::Within(vsn.clone())),
                [] => {
                    let found = format!("no release besides {}", newer.identity().vsn);
                    Err(AuthorError::WhichOlder { releases, found }.into())
                }
                several => {
                    let names: Vec<&str> = several.iter().map(ReleaseVsn::as_str).collect();
                    let found = format!("several other releases: {}", names.join(", "));
                    Err(AuthorError::WhichOlder { releases, found }.into())
                }
            };
        };
        if within.contains(vsn) {
            return Ok(Older::Within(vsn.clone()));
        }
        let beside = match args.to.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
            _ => Path::new(".").to_owned(),
        };
        let at_hand = AtHand::of(std::slice::from_ref(&beside))?;
        let own = newer.identity().vsn.as_str();
        match at_hand.named(vsn.as_str(), &args.to, own)? {
            Some(path) => apart(path),
            None => Err(AuthorError::NoOlderRelease {
                vsn: vsn.to_string(),
                releases,
                beside,
            }
            .into()),
        }
    }

    /// Where it is read from, if the newer one is read from `newer`.
    pub(super) fn source<'a>(&'a self, newer: &'a Path) -> Source<'a> {
        match self {
            Older::Within(vsn) => Source {
                path: newer,
                vsn: Some(vsn),
            },
            Older::Apart(path, _) => Source { path, vsn: None },
        }
    }

    /// The tree that it is in.
    pub(super) fn tree<'a>(&'a self, newer: &'a Place) -> &'a Tree {
        match self {
            Older::Within(_) => newer.tree(),
            Older::Apart(_, place) => place.tree(),
        }
    }

    /// What its `.rel` file is called.
    pub(super) fn rel_name<'a>(&'a self, newer: &'a Place) -> &'a str {
        match self {
            Older::Within(_) => &newer.identity().rel_name,
            Older::Apart(_, place) => &place.identity().rel_name,
        }
    }
}

/// The other releases in the newer one's directory, by name.
fn others(newer: &Place) -> Result<Vec<ReleaseVsn>, Error> {
    let (tree, identity) = (newer.tree(), newer.identity());
    let dir = tree.releases();
    let failed = |error| Error::io(&dir, "list", error);
    let mut found: Vec<ReleaseVsn> = Vec::new();
    for entry in fs::read_dir(&dir).map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        let vsn = name.to_str().filter(|name| is_component(name));
        let Some(vsn) = vsn.and_then(|name| name.parse().ok()) else {
            continue;
        };
        if vsn != identity.vsn && tree.rel_file(&vsn, &identity.rel_name).is_file() {
            found.push(vsn);
        }
    }
    found.sort_by(|a, b| a.as_str().cmp(b.as_str()));
    Ok(found)
}
