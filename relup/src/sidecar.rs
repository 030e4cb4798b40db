//! `<tarball>.sha256`: the digest that a tarball must have.
//!
//! It stands between a download and the running node, so it is read strictly: every line must be a
//! checksum line in one of the forms that `sha256sum`, `shasum`, `openssl` or the BSD `sha256`
//! write, and it must be clear which line speaks of this tarball. Nothing is hashed or opened here.
//! Data: the file's bytes. (Relup contract, section 2; cases 108 to 115 of the hostile inputs.)

use crate::manifest::digest_from_hex;

/// A list of a few hundred files; more is no sidecar.
const MAX_LEN: usize = 64 * 1024;

/// The tags that BSD's and OpenSSL's tools write before the name.
const TAGS: [&str; 2] = ["SHA256", "SHA2-256"];

/// What a sidecar says about a tarball.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// The SHA-256 that the tarball must have.
    pub digest: [u8; 32],
    /// The file the sidecar names, when that is another one than the tarball; worth a warning.
    pub names_other: Option<String>,
}

/// Why a sidecar gives no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SidecarError {
    /// Nothing in it.
    #[error("the sidecar is empty")]
    Empty,
    /// More bytes than any list of digests.
    #[error("the sidecar is {0} bytes long, that is no list of digests")]
    TooLong(usize),
    /// The digest has too few or too many digits.
    #[error("line {line}: the digest has {digits} hex digits instead of 64")]
    Digits {
        /// The line, from 1.
        line: usize,
        /// How many hex digits there are.
        digits: usize,
    },
    /// A line that is no checksum line.
    #[error("line {line} is no SHA-256 checksum line: {text:?}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// It has checksums of other files only.
    #[error("no line names {tarball}, only {named}")]
    NotListed {
        /// The tarball's file name.
        tarball: String,
        /// The names it has instead.
        named: String,
    },
    /// It has several digests for this tarball.
    #[error("several lines with different digests name {0}")]
    Ambiguous(String),
}

impl SidecarError {
    /// The error's name in the relup contract.
    #[must_use]
    pub fn name(&self) -> &'static str {
        "invalid_sha256_sidecar"
    }

    /// What the operator can do about it.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "fetch the .sha256 file that was published with the tarball once more"
    }
}

/// Reads a sidecar for the tarball of this file name; directories in names don't count.
///
/// A single line may name another file (it is reported), unless it is in the BSD form, where the
/// name is part of the statement. Of several lines the one that names the tarball counts.
pub fn parse_sidecar(bytes: &[u8], tarball_name: &str) -> Result<Sidecar, SidecarError> {
    if bytes.len() > MAX_LEN {
        return Err(SidecarError::TooLong(bytes.len()));
    }
    let text = String::from_utf8_lossy(bytes);
    let lines = text
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty());
    let statements = lines
        .map(|(index, line)| parse_line(line, index + 1))
        .collect::<Result<Vec<_>, _>>()?;
    let tarball = base_name(tarball_name);
    match statements.as_slice() {
        [] => Err(SidecarError::Empty),
        [
            Statement {
                digest,
                named: Named::Nothing,
            },
        ] => Ok(Sidecar {
            digest: *digest,
            names_other: None,
        }),
        [
            Statement {
                digest,
                named: Named::Beside(name),
            },
        ] if base_name(name) != tarball => Ok(Sidecar {
            digest: *digest,
            names_other: Some(name.clone()),
        }),
        statements => choose(statements, tarball),
    }
}

/// One checksum line.
struct Statement {
    digest: [u8; 32],
    named: Named,
}

/// How a checksum line names its file.
enum Named {
    /// Not at all.
    Nothing,
    /// After the digest.
    Beside(String),
    /// Within a BSD line.
    Within(String),
}

impl Named {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Nothing => None,
            Self::Beside(name) | Self::Within(name) => Some(name),
        }
    }
}

fn choose(statements: &[Statement], tarball: &str) -> Result<Sidecar, SidecarError> {
    let listed = || {
        statements
            .iter()
            .filter_map(|statement| statement.named.name())
    };
    let mut matching = statements
        .iter()
        .filter(|statement| statement.named.name().map(base_name) == Some(tarball));
    let Some(Statement { digest, .. }) = matching.next() else {
        let mut shown: Vec<&str> = listed().take(3).collect();
        if listed().count() > shown.len() {
            shown.push("others");
        }
        let named = if shown.is_empty() {
            "no file".to_owned()
        } else {
            shown.join(", ")
        };
        return Err(SidecarError::NotListed {
            tarball: tarball.to_owned(),
            named,
        });
    };
    if matching.any(|other| other.digest != *digest) {
        return Err(SidecarError::Ambiguous(tarball.to_owned()));
    }
    Ok(Sidecar {
        digest: *digest,
        names_other: None,
    })
}

fn parse_line(line: &str, number: usize) -> Result<Statement, SidecarError> {
    let line = line.trim();
    let refused = || {
        Err(SidecarError::Line {
            line: number,
            text: line.chars().take(60).collect(),
        })
    };
    // Names are shown to people; what moves the cursor of a terminal does not belong into one.
    if line.contains(|c: char| c.is_control() && c != '\t') {
        return refused();
    }
    parse_bsd(line, number)
        .or_else(|| parse_plain(line, number))
        .unwrap_or_else(refused)
}

/// `SHA256 (name) = digest`; `None` when the line has another form.
fn parse_bsd(line: &str, number: usize) -> Option<Result<Statement, SidecarError>> {
    let rest = TAGS.iter().find_map(|tag| line.strip_prefix(tag))?;
    let (name, digest) = rest.trim_start().strip_prefix('(')?.rsplit_once(')')?;
    let digest = digest.trim_start().strip_prefix('=')?.trim_start();
    let named = Named::Within(name.to_owned());
    Some(parse_digest(digest, number)?.map(|digest| Statement { digest, named }))
}

/// `digest`, `digest  name` or `digest *name`; `None` when the line has another form.
fn parse_plain(line: &str, number: usize) -> Option<Result<Statement, SidecarError>> {
    let (digest, name) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let name = name.trim_start();
    let name = name.strip_prefix('*').unwrap_or(name);
    let named = if name.is_empty() {
        Named::Nothing
    } else {
        Named::Beside(name.to_owned())
    };
    Some(parse_digest(digest, number)?.map(|digest| Statement { digest, named }))
}

/// `None` when this is no string of hex digits at all.
fn parse_digest(text: &str, line: usize) -> Option<Result<[u8; 32], SidecarError>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    Some(digest_from_hex(text).ok_or(SidecarError::Digits {
        line,
        digits: text.len(),
    }))
}

fn base_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
