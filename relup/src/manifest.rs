//! `relup/<vsn>.manifest`: what a deployed tree must consist of, recorded when it was staged.
//!
//! A header line names the tarball, then every line is one entry of the tree. Reading it is strict,
//! unlike the journal: a manifest that can't be read completely proves nothing, and its paths are
//! joined to the tree by whoever verifies it, so they are checked here. Data: the file's bytes.

use std::path::{Component, Path};

use serde::{Deserialize, Serialize};

use crate::jsonl;
use crate::vsn::ReleaseVsn;

/// The format's version, the value of `manifest` in the header.
pub const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHeader {
    /// The version of the tree.
    pub vsn: ReleaseVsn,
    /// The tarball's file name.
    pub tarball: String,
    /// SHA-256 of the whole tarball.
    pub sha256: [u8; 32],
    /// The version of the original release when the tree was deployed beside it.
    pub base: Option<ReleaseVsn>,
}

/// One entry of the tree; paths are relative to it and use `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestEntry {
    /// A regular file.
    File {
        /// Where it is.
        path: String,
        /// SHA-256 of its content.
        sha256: [u8; 32],
        /// Its permission bits.
        mode: u32,
        /// Its size in bytes.
        size: u64,
    },
    /// A symbolic link.
    Link {
        /// Where it is.
        path: String,
        /// What it points at, as it is written in the link.
        target: String,
    },
    /// A directory.
    Dir {
        /// Where it is.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// A whole manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The first line.
    pub header: ManifestHeader,
    /// The others, in the order of the file.
    pub entries: Vec<ManifestEntry>,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// There is no header line.
    #[error("the manifest is empty")]
    Empty,
    /// The last line does not end in a newline.
    #[error("the manifest is cut off in line {0}")]
    Cut(usize),
    /// Written by another version of this program.
    #[error("the manifest has format {0}, this program knows format {FORMAT}")]
    Format(u32),
    /// A line that is no header or entry.
    #[error("line {line} of the manifest: {reason}")]
    Line {
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl ManifestHeader {
    /// The header as one line, newline included.
    #[must_use]
    pub fn to_line(&self) -> String {
        jsonl::to_line(&RawHeader {
            manifest: FORMAT,
            vsn: self.vsn.clone(),
            tarball: self.tarball.clone(),
            sha256: digest_to_hex(&self.sha256),
            base: self.base.clone(),
        })
    }
}

impl ManifestEntry {
    /// Where the entry is, relative to the tree.
    #[must_use]
    pub fn path(&self) -> &str {
        match self {
            Self::File { path, .. } | Self::Link { path, .. } | Self::Dir { path, .. } => path,
        }
    }

    /// The entry as one line, newline included, so that a manifest can be written as the tree is
    /// extracted.
    #[must_use]
    pub fn to_line(&self) -> String {
        jsonl::to_line(&match self.clone() {
            Self::File {
                path,
                sha256,
                mode,
                size,
            } => {
                let (sha256, mode) = (digest_to_hex(&sha256), octal_digits(mode));
                RawEntry::File {
                    path,
                    sha256,
                    mode,
                    size,
                }
            }
            Self::Link { path, target } => RawEntry::Link { path, link: target },
            Self::Dir { path, mode } => RawEntry::Dir {
                path,
                dir: true,
                mode: octal_digits(mode),
            },
        })
    }
}

impl Manifest {
    /// Reads a whole manifest; anything it does not understand is an error.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, ManifestError> {
        let at = |line: usize, reason: String| ManifestError::Line { line, reason };
        let mut header = None;
        let mut entries = Vec::new();
        for (index, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            let number = index + 1;
            let Some(line) = line.strip_suffix(b"\n") else {
                return Err(ManifestError::Cut(number));
            };
            if header.is_none() {
                header = Some(parse_header(line, number)?);
            } else {
                let raw: RawEntry =
                    serde_json::from_slice(line).map_err(|error| at(number, error.to_string()))?;
                entries.push(parse_entry(raw).map_err(|reason| at(number, reason))?);
            }
        }
        header
            .map(|header| Manifest { header, entries })
            .ok_or(ManifestError::Empty)
    }

    /// The whole manifest as text.
    #[must_use]
    pub fn render(&self) -> String {
        let entries = self.entries.iter().map(ManifestEntry::to_line);
        std::iter::once(self.header.to_line())
            .chain(entries)
            .collect()
    }
}

/// A SHA-256 in 64 lower-case hex digits.
#[must_use]
pub fn digest_to_hex(digest: &[u8; 32]) -> String {
    hex::encode(digest)
}

/// A SHA-256 from 64 hex digits of either case.
#[must_use]
pub fn digest_from_hex(text: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    Some(digest)
}

#[derive(Serialize, Deserialize)]
struct RawHeader {
    manifest: u32,
    vsn: ReleaseVsn,
    tarball: String,
    sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<ReleaseVsn>,
}

/// `mode` is written as people say it: 0o755 is the number 755.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum RawEntry {
    File {
        path: String,
        sha256: String,
        mode: u32,
        size: u64,
    },
    Link {
        path: String,
        link: String,
    },
    Dir {
        path: String,
        dir: bool,
        mode: u32,
    },
}

fn parse_header(line: &[u8], number: usize) -> Result<ManifestHeader, ManifestError> {
    #[derive(Deserialize)]
    struct Format {
        manifest: u32,
    }
    let at = |reason: String| ManifestError::Line {
        line: number,
        reason,
    };
    let format: Format = serde_json::from_slice(line).map_err(|error| at(error.to_string()))?;
    if format.manifest != FORMAT {
        return Err(ManifestError::Format(format.manifest));
    }
    let raw: RawHeader = serde_json::from_slice(line).map_err(|error| at(error.to_string()))?;
    let sha256 = digest_from_hex(&raw.sha256).ok_or_else(|| at(bad_digest(&raw.sha256)))?;
    Ok(ManifestHeader {
        vsn: raw.vsn,
        tarball: raw.tarball,
        sha256,
        base: raw.base,
    })
}

fn parse_entry(raw: RawEntry) -> Result<ManifestEntry, String> {
    let entry = match raw {
        RawEntry::File {
            path,
            sha256,
            mode,
            size,
        } => {
            let sha256 = digest_from_hex(&sha256).ok_or_else(|| bad_digest(&sha256))?;
            ManifestEntry::File {
                path,
                sha256,
                mode: from_octal_digits(mode)?,
                size,
            }
        }
        RawEntry::Link { path, link } => ManifestEntry::Link { path, target: link },
        RawEntry::Dir {
            path,
            dir: true,
            mode,
        } => ManifestEntry::Dir {
            path,
            mode: from_octal_digits(mode)?,
        },
        RawEntry::Dir {
            path, dir: false, ..
        } => {
            return Err(format!(
                "{path:?} is neither a file, a link nor a directory"
            ));
        }
    };
    let inside = |part| matches!(part, Component::Normal(_));
    let path = entry.path();
    if path.is_empty() || path.contains('\0') || !Path::new(path).components().all(inside) {
        return Err(format!("the path {path:?} is not inside the tree"));
    }
    Ok(entry)
}

fn bad_digest(text: &str) -> String {
    format!("{text:?} is no SHA-256 in hex digits")
}

/// 0o755 as 755. Only permission bits are recorded, so it can't overflow.
fn octal_digits(mode: u32) -> u32 {
    let mode = mode & 0o7777;
    (mode >> 9) * 1000 + (mode >> 6 & 7) * 100 + (mode >> 3 & 7) * 10 + (mode & 7)
}

fn from_octal_digits(digits: u32) -> Result<u32, String> {
    match u32::from_str_radix(&digits.to_string(), 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err(format!("{digits} is no file mode in octal digits")),
    }
}

#[cfg(test)]
mod tests;
