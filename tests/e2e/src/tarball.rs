//! Releases with something wrong in them, made from right ones.
//!
//! Every fixture starts from a real tarball and changes as little as possible, so that the one
//! difference is the reason of a refusal. Entries with impossible names are written byte by byte,
//! since the library would not write them. Each result gets a digest that matches: a refusal must
//! come from the stage under test and not from the digest before it.

use crate::error::{Error, Result};
use crate::sample::sidecar_of;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tar::{Archive, EntryType, Header};

/// What to do to a release.
#[derive(Debug, Clone)]
pub enum Edit {
    /// Leave out a path and what is below it.
    Drop(PathBuf),
    /// Put something else into a file that is there.
    Replace(PathBuf, Vec<u8>),
    /// Replace a text wherever it stands in a file that is there.
    Substitute(PathBuf, String, String),
    /// Give another name to a path and what is below it.
    Rename(PathBuf, PathBuf),
    /// Add an entry at the end, whatever its name.
    Add(Addition),
}

/// An entry that no packaging tool would write.
#[derive(Debug, Clone)]
pub struct Addition {
    /// Its name, byte for byte; at most 100 bytes.
    pub name: Vec<u8>,
    /// Its kind.
    pub kind: EntryType,
    /// What a link points to.
    pub target: Vec<u8>,
    /// The size that its header claims; `None` is that of the content.
    pub claimed: Option<u64>,
    /// Its content.
    pub content: Vec<u8>,
}

impl Addition {
    /// A regular file.
    #[must_use]
    pub fn file(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.as_bytes().to_vec(),
            kind: EntryType::Regular,
            target: Vec::new(),
            claimed: None,
            content: content.to_vec(),
        }
    }

    /// A symbolic link.
    #[must_use]
    pub fn symlink(name: &str, target: &str) -> Self {
        Self {
            kind: EntryType::Symlink,
            target: target.as_bytes().to_vec(),
            ..Self::file(name, b"")
        }
    }

    fn header(&self) -> Result<Header> {
        let mut header = Header::new_ustar();
        header.set_entry_type(self.kind);
        header.set_mode(0o755);
        header.set_size(self.claimed.unwrap_or(self.content.len() as u64));
        let fields = header.as_old_mut();
        for (field, value) in [
            (&mut fields.name, &self.name),
            (&mut fields.linkname, &self.target),
        ] {
            let room = field.get_mut(..value.len()).ok_or_else(|| {
                Error::Unexpected(format!("{} is too long", String::from_utf8_lossy(value)))
            })?;
            room.copy_from_slice(value);
        }
        header.set_cksum();
        Ok(header)
    }
}

/// Writes a changed copy of a release and its digest.
pub fn rewrite(from: &Path, to: &Path, edits: &[Edit]) -> Result<()> {
    let mut archive = Archive::new(GzDecoder::new(fs_err::File::open(from)?));
    let file = BufWriter::new(fs_err::File::create(to)?);
    let mut builder = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path: PathBuf = entry.path()?.components().as_path().to_path_buf();
        let path = path
            .strip_prefix("./")
            .map_or_else(|_| path.clone(), Path::to_path_buf);
        let Some(path) = renamed(&path, edits) else {
            continue;
        };
        let mut header = entry.header().clone();
        match entry.header().entry_type() {
            EntryType::Regular => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                let content = changed(&path, content, edits);
                header.set_size(content.len() as u64);
                builder.append_data(&mut header, &path, content.as_slice())?;
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name()?.unwrap_or_default().into_owned();
                builder.append_link(&mut header, &path, target)?;
            }
            _ => builder.append_data(&mut header, &path, std::io::empty())?,
        }
    }
    for edit in edits {
        if let Edit::Add(addition) = edit {
            builder.append(&addition.header()?, addition.content.as_slice())?;
        }
    }
    builder.into_inner()?.finish()?.flush()?;
    seal(to)
}

/// Writes the digest file of a tarball as it is now.
pub fn seal(tarball: &Path) -> Result<()> {
    let mut file = fs_err::File::open(tarball)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        digest.update(&chunk[..count]);
    }
    let name = tarball.file_name().unwrap_or_default().to_string_lossy();
    let line = format!("{}  {name}\n", hex::encode(digest.finalize()));
    fs_err::write(sidecar_of(tarball), line)?;
    Ok(())
}

/// The path after all renames, unless it is to be left out.
fn renamed(path: &Path, edits: &[Edit]) -> Option<PathBuf> {
    let mut path = path.to_path_buf();
    for edit in edits {
        match edit {
            Edit::Drop(gone) if path.starts_with(gone) => return None,
            Edit::Rename(from, to) => {
                if let Ok(rest) = path.strip_prefix(from) {
                    // Joining an empty rest would add a slash, which makes a file a directory.
                    let is_itself = rest.as_os_str().is_empty();
                    path = if is_itself { to.clone() } else { to.join(rest) };
                }
            }
            Edit::Drop(_) | Edit::Replace(..) | Edit::Substitute(..) | Edit::Add(_) => {}
        }
    }
    Some(path)
}

fn changed(path: &Path, mut content: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        match edit {
            Edit::Replace(file, bytes) if path == file => content.clone_from(bytes),
            Edit::Substitute(file, old, new) if path == file => {
                content = String::from_utf8_lossy(&content)
                    .replace(old, new)
                    .into_bytes();
            }
            Edit::Drop(_)
            | Edit::Replace(..)
            | Edit::Substitute(..)
            | Edit::Rename(..)
            | Edit::Add(_) => {}
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_change_what_they_name_and_nothing_else() {
        let dir = tempfile::tempdir().expect("a temp dir");
        let (from, to) = (dir.path().join("a.tar.gz"), dir.path().join("b.tar.gz"));
        let file = fs_err::File::create(&from).expect("made");
        let mut builder = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
        for name in ["bin/x", "lib/a/y", "releases/1/z"] {
            let mut header = Header::new_gnu();
            header.set_size(3);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, name, &b"one"[..])
                .expect("written");
        }
        builder
            .into_inner()
            .and_then(GzEncoder::finish)
            .expect("written");
        let edits = [
            Edit::Drop("lib/a".into()),
            Edit::Rename("releases/1".into(), "releases/2".into()),
            Edit::Substitute("bin/x".into(), "one".into(), "two".into()),
            Edit::Add(Addition::file("../evil", b"x")),
        ];
        rewrite(&from, &to, &edits).expect("rewritten");
        let mut archive = Archive::new(GzDecoder::new(fs_err::File::open(&to).expect("there")));
        let mut seen = Vec::new();
        for entry in archive.entries().expect("an archive") {
            let mut entry = entry.expect("an entry");
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("text");
            seen.push(format!(
                "{} {text}",
                String::from_utf8_lossy(&entry.path_bytes())
            ));
        }
        assert_eq!(seen, ["bin/x two", "releases/2/z one", "../evil x"]);
        assert!(sidecar_of(&to).exists());
    }
}
