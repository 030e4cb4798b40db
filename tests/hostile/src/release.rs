//! The sample release, entry by entry, to be spoilt in one place and written again.

use crate::gzip::gzip;
use crate::tar::{Header, Tar};
use e2e::sample::{Sample, V5};
use e2e::{Error, Result};
use flate2::read::GzDecoder;
use std::io::Read;

/// The entries of a release package.
#[derive(Debug, Clone)]
pub struct Release(Vec<Entry>);

/// One of them.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its name, as it is in the package.
    pub name: String,
    kind: u8,
    mode: u64,
    target: Vec<u8>,
    body: Vec<u8>,
}

impl Release {
    /// The sample release of 5.10.5.
    pub fn sample() -> Result<Release> {
        let file = fs_err::File::open(Sample::find()?.tarball(V5)?)?;
        let mut archive = tar::Archive::new(GzDecoder::new(file));
        let mut entries = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let mut body = Vec::new();
            entry.read_to_end(&mut body)?;
            entries.push(Entry {
                name: String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
                kind: entry.header().entry_type().as_byte(),
                mode: entry.header().mode()?.into(),
                target: entry.link_name_bytes().unwrap_or_default().into_owned(),
                body,
            });
        }
        Ok(Release(entries))
    }

    /// The same with few of its applications: what every check looks at, and quicker to write.
    pub fn small() -> Result<Release> {
        let mut release = Release::sample()?;
        let apps = ["lib/emqx-", "lib/kernel-"];
        release.0.retain(|entry| {
            !entry.name.starts_with("lib/")
                || entry.name == "lib/"
                || apps.iter().any(|app| entry.name.starts_with(app))
        });
        Ok(release)
    }

    /// Without the entries whose names begin so; there must be one.
    pub fn without(mut self, start: &str) -> Result<Release> {
        let before = self.0.len();
        self.0.retain(|entry| !entry.name.starts_with(start));
        if self.0.len() == before {
            return Err(none(start));
        }
        Ok(self)
    }

    /// With one more file at the end.
    #[must_use]
    pub fn with(mut self, name: &str, body: &str) -> Release {
        self.0.push(Entry {
            name: name.to_owned(),
            kind: b'0',
            mode: 0o644,
            target: Vec::new(),
            body: body.into(),
        });
        self
    }

    /// With one more symbolic link at the end.
    #[must_use]
    pub fn with_link(mut self, name: &str, target: &str) -> Release {
        self = self.with(name, "");
        if let Some(entry) = self.0.last_mut() {
            (entry.kind, entry.target) = (b'2', target.into());
        }
        self
    }

    /// With another mode of a file.
    pub fn with_mode(mut self, name: &str, mode: u64) -> Result<Release> {
        self.find(name)?.mode = mode;
        Ok(self)
    }

    /// With a text replaced in a file of text.
    pub fn replacing(mut self, name: &str, old: &str, new: &str) -> Result<Release> {
        let entry = self.find(name)?;
        let text = String::from_utf8_lossy(&entry.body);
        if !text.contains(old) {
            return Err(Error::Unexpected(format!("{name} does not say {old:?}")));
        }
        entry.body = text.replace(old, new).into_bytes();
        Ok(self)
    }

    /// With something done to the bytes of a file whose name ends so.
    pub fn patching(mut self, name: &str, patch: fn(&mut Vec<u8>)) -> Result<Release> {
        patch(&mut self.find(name)?.body);
        Ok(self)
    }

    /// With all names changed, or those of which the new one is not the old one.
    #[must_use]
    pub fn renaming(mut self, rename: impl Fn(&str) -> String) -> Release {
        for entry in &mut self.0 {
            entry.name = rename(&entry.name);
        }
        self
    }

    /// The package.
    #[must_use]
    pub fn package(&self) -> Vec<u8> {
        let tar = self.0.iter().fold(Tar::new(), |tar, entry| {
            let mut header = Header::new(entry.kind, b"")
                .mode(entry.mode)
                .link(&entry.target);
            let mut tar = tar;
            if entry.name.len() <= 100 {
                header = header.bytes(&crate::tar::field::NAME, entry.name.as_bytes());
            } else {
                tar = tar.pax(&[("path", entry.name.as_bytes())]);
            }
            tar.entry(header.size(entry.body.len() as u64), &entry.body)
        });
        gzip(&tar.ended())
    }

    fn find(&mut self, name: &str) -> Result<&mut Entry> {
        let mut entries = self.0.iter_mut();
        entries
            .find(|entry| entry.name.ends_with(name))
            .ok_or_else(|| none(name))
    }
}

fn none(name: &str) -> Error {
    Error::Unexpected(format!("the sample has no {name}"))
}
