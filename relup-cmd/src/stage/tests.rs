//! Hostile and broken archives, each built byte by byte, through the whole of stage 5.
//!
//! The numbers are those of the project's list of hostile inputs.

mod containers;
mod entries;
mod headers;
mod links;

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::PathBuf;

use relup::layout::BaseRoot;
use relup::manifest::{Manifest, ManifestHeader};
use tar::{EntryType, Header};

use super::*;
use crate::tarball::Tarball;
use crate::testing::{gzip, write_sidecar};

/// The blocks of an archive under construction.
#[derive(Default, Clone)]
struct Raw(Vec<u8>);

impl Raw {
    /// An entry with a raw name, link target and body; the size field says `size`.
    fn entry(
        mut self,
        kind: u8,
        name: &[u8],
        link: &[u8],
        mode: u32,
        size: u64,
        body: &[u8],
    ) -> Raw {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::new(kind));
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_mode(mode);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(body);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn kind(self, kind: u8, name: &str, link: &str) -> Raw {
        self.entry(kind, name.as_bytes(), link.as_bytes(), 0o755, 0, b"")
    }

    fn file(self, name: &str, body: &str) -> Raw {
        self.entry(
            b'0',
            name.as_bytes(),
            b"",
            0o644,
            body.len() as u64,
            body.as_bytes(),
        )
    }

    fn dir(self, name: &str) -> Raw {
        self.kind(b'5', name, "")
    }

    fn symlink(self, name: &str, target: &str) -> Raw {
        self.kind(b'2', name, target)
    }

    fn hardlink(self, name: &str, target: &str) -> Raw {
        self.kind(b'1', name, target)
    }

    /// A header with a text body: PAX (`x`, `g`) or a GNU long name (`L`, `K`).
    fn text(self, kind: u8, text: &[u8]) -> Raw {
        self.entry(kind, b"header", b"", 0o644, text.len() as u64, text)
    }

    fn pax(self, records: &[(&str, &str)]) -> Raw {
        let text: String = records
            .iter()
            .map(|(key, value)| record(key, value))
            .collect();
        self.text(b'x', text.as_bytes())
    }

    fn ended(mut self) -> Raw {
        self.0.extend_from_slice(&[0; 1024]);
        self
    }
}

/// A PAX record with the right length.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let digits = (1..9)
        .find(|digits| (rest + digits).to_string().len() == *digits)
        .unwrap_or(1);
    format!("{} {key}={value}\n", rest + digits)
}

/// A place to stage into.
struct Place {
    dir: tempfile::TempDir,
    base: BaseRoot,
}

impl Place {
    fn new() -> Place {
        let dir = crate::testing::scratch();
        let root = dir.path().join("base");
        fs::create_dir(&root).expect("made");
        Place {
            base: BaseRoot::new(root).expect("absolute"),
            dir,
        }
    }

    fn write(&self, gz: &[u8]) -> PathBuf {
        let path = self.dir.path().join("x.tar.gz");
        fs::write(&path, gz).expect("written");
        write_sidecar(&path);
        path
    }

    fn verified(&self, gz: &[u8]) -> VerifiedTarball {
        let tarball = Tarball::open(&self.write(gz)).expect("opened");
        let sidecar = tarball.sidecar().expect("a sidecar");
        tarball
            .verify(&sidecar, None, &Interrupt::deaf(), &mut |_| {})
            .expect("verified")
    }

    fn stage(&self, gz: &[u8], limits: Limits) -> Result<(RelupLock, StagedTree), Error> {
        let verified = self.verified(gz);
        let lock = RelupLock::acquire(&self.base).expect("free");
        let staged = stage(
            verified,
            &self.base,
            &lock,
            limits,
            None,
            &Interrupt::deaf(),
            &mut |_| {},
        )?;
        Ok((lock, staged))
    }

    /// Everything outside the staging directory.
    fn paths(&self) -> Vec<PathBuf> {
        let mut open = vec![self.dir.path().to_owned()];
        let mut found = vec![];
        while let Some(path) = open.pop() {
            if path.is_dir() && !path.is_symlink() {
                open.extend(
                    fs::read_dir(&path)
                        .expect("readable")
                        .map(|e| e.expect("one").path()),
                );
            }
            found.push(path);
        }
        found.sort();
        found
    }
}

fn check_refused_gz(case: &str, gz: &[u8], name: &str, limits: Limits) {
    let place = Place::new();
    place.write(gz);
    let before = place.paths();
    let error = place.stage(gz, limits).map(drop).expect_err(case);
    assert_eq!(error.name(), name, "{case}: {error}");
    assert_eq!(place.paths(), before, "{case} left something behind");
}

fn check_refused(case: &str, raw: Raw, name: &str) {
    check_refused_gz(case, &gzip(&raw.ended().0), name, Limits::DEFAULT);
}

/// The accepted tree as `path -> content`, directories as `/`, links as `-> target`.
fn check_accepted(case: &str, raw: Raw, expected: &[(&str, &str)]) {
    let place = Place::new();
    let (_lock, staged) = place
        .stage(&gzip(&raw.ended().0), Limits::DEFAULT)
        .unwrap_or_else(|e| panic!("{case}: {e}"));
    let root = staged.tree().path().to_owned();
    let mut found = BTreeMap::new();
    let mut open = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("readable") {
            let path = entry.expect("one").path();
            let name = path
                .strip_prefix(&root)
                .expect("below")
                .to_string_lossy()
                .into_owned();
            let content = if path.is_symlink() {
                format!("-> {}", fs::read_link(&path).expect("a link").display())
            } else if path.is_dir() {
                open.push(path);
                "/".to_owned()
            } else {
                fs::read_to_string(&path).expect("text")
            };
            found.insert(name, content);
        }
    }
    let expected: BTreeMap<_, _> = expected
        .iter()
        .map(|(path, content)| ((*path).to_owned(), (*content).to_owned()))
        .collect();
    assert_eq!(found, expected, "{case}");
}

const UNSAFE: &str = "unsafe_archive_entry";
const CORRUPT: &str = "archive_corrupt";
const TOO_LARGE: &str = "archive_too_large";

fn raw() -> Raw {
    Raw::default()
}
