//! Names inside an archive, proven harmless before anything looks at the disk.
//!
//! An [`EntryPath`] is relative, normalised UTF-8 without `..`, control characters or impossible
//! lengths. That is only the first line of defence: the tree is written through directory handles
//! that follow no link (see `confine`), because a harmless name says nothing about what is there.

use crate::error::Error;

/// Longest name and link target, in bytes.
pub(crate) const MAX_NAME: usize = 4096;
const MAX_COMPONENT: usize = 255;
const MAX_LEVELS: usize = 1000;

/// A name relative to the root of the archive, components separated by single slashes; empty for
/// the root itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EntryPath(String);

/// Whether the archive's entries stand below one leading `emqx/`; its first entry decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prefix {
    Undecided,
    None,
    Emqx,
}

const PREFIX: &str = "emqx";

impl EntryPath {
    /// Checks and normalises a raw name. `is_dir` says whether a trailing slash is in place.
    pub(crate) fn parse(raw: &[u8], is_dir: bool) -> Result<EntryPath, Error> {
        let text = checked_text(raw, "name")?;
        let refuse = |reason: &str| Err(unsafe_entry(raw, reason));
        if text.is_empty() {
            return refuse("the name is empty");
        }
        if text.starts_with('/') {
            return refuse("the name is absolute");
        }
        if text.ends_with('/') && !is_dir {
            return refuse("the name ends in a slash, but it is no directory");
        }
        let mut path = String::with_capacity(text.len());
        let mut levels = 0;
        for component in text.split('/') {
            match component {
                "" | "." => continue,
                ".." => return refuse("the name contains \"..\""),
                _ if component.len() > MAX_COMPONENT => {
                    return refuse("a component of the name is longer than 255 bytes");
                }
                _ => {}
            }
            levels += 1;
            if levels > MAX_LEVELS {
                return refuse("the name has more than 1,000 levels");
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(component);
        }
        if path.is_empty() && !is_dir {
            return refuse("the name means the root, but it is no directory");
        }
        Ok(EntryPath(path))
    }

    /// The normalised text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is the root of the archive.
    pub(crate) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The first component.
    pub(crate) fn top(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// Everything before the last component, and the last component.
    pub(crate) fn split_last(&self) -> (&str, &str) {
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// Without the archive's leading `emqx/`; all entries have it or none.
    pub(crate) fn strip(self, prefix: &mut Prefix) -> Result<EntryPath, Error> {
        if self.is_root() {
            return Ok(self);
        }
        let has_it = self.top() == PREFIX;
        match (*prefix, has_it) {
            (Prefix::Undecided, true) => *prefix = Prefix::Emqx,
            (Prefix::Undecided, false) => *prefix = Prefix::None,
            (Prefix::Emqx, true) | (Prefix::None, false) => {}
            (Prefix::Emqx, false) | (Prefix::None, true) => {
                return Err(unsafe_entry(
                    self.0.as_bytes(),
                    "some entries stand below emqx/ and others do not",
                ));
            }
        }
        Ok(match self.0.strip_prefix("emqx") {
            Some(rest) if has_it => EntryPath(rest.trim_start_matches('/').to_owned()),
            _ => self,
        })
    }
}

/// Checks the target of a symbolic link at `path`: relative, and in itself not leading out of the
/// archive's root. Links that lead out together are found when all are there.
pub(crate) fn check_symlink(path: &EntryPath, raw: &[u8]) -> Result<String, Error> {
    let refuse = |reason: &str| {
        Err(Error::UnsafeArchiveEntry {
            entry: path.as_str().to_owned(),
            reason: format!("{reason} ({:?})", String::from_utf8_lossy(raw)),
        })
    };
    let Ok(target) = checked_text(raw, "link target") else {
        return refuse("the link target is too long or not plain text");
    };
    if target.is_empty() {
        return refuse("the link target is empty");
    }
    if target.starts_with('/') {
        return refuse("the link target is absolute");
    }
    let (parent, _) = path.split_last();
    let mut depth = parent.split('/').filter(|part| !part.is_empty()).count();
    for component in target.split('/') {
        match component {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return refuse("the link leads out of the tree"),
            },
            _ => depth += 1,
        }
    }
    Ok(target.to_owned())
}

/// The refusal of an entry, with its raw name as far as it is text.
pub(crate) fn unsafe_entry(raw: &[u8], reason: &str) -> Error {
    Error::UnsafeArchiveEntry {
        entry: beginning(raw),
        reason: reason.to_owned(),
    }
}

/// A raw name for an error message, in quotes and with nothing in it that a terminal obeys.
pub(crate) fn shown(raw: &[u8]) -> String {
    format!("{:?}", beginning(raw))
}

fn beginning(raw: &[u8]) -> String {
    String::from_utf8_lossy(&raw[..raw.len().min(200)]).into_owned()
}

fn checked_text<'a>(raw: &'a [u8], what: &str) -> Result<&'a str, Error> {
    if raw.len() > MAX_NAME {
        return Err(Error::ArchiveTooLarge(format!(
            "a {what} in the archive is {} bytes long, the limit is {MAX_NAME}: {}",
            raw.len(),
            shown(raw)
        )));
    }
    let text = std::str::from_utf8(raw)
        .map_err(|_| unsafe_entry(raw, &format!("the {what} is not UTF-8")))?;
    if text.chars().any(char::is_control) {
        return Err(unsafe_entry(
            raw,
            &format!("the {what} holds a control character"),
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &[u8], is_dir: bool, expected: Option<&str>) {
        let parsed = EntryPath::parse(raw, is_dir);
        match expected {
            Some(path) => assert_eq!(parsed.expect("accepted").as_str(), path),
            None => assert!(parsed.is_err(), "{:?}", String::from_utf8_lossy(raw)),
        }
    }

    #[test]
    fn harmless_names_are_normalised() {
        for (raw, is_dir, path) in [
            ("bin/emqx", false, "bin/emqx"),
            ("./bin/emqx", false, "bin/emqx"),
            ("bin//emqx", false, "bin/emqx"),
            ("bin/./emqx", false, "bin/emqx"),
            ("bin/", true, "bin"),
            (".", true, ""),
            ("./", true, ""),
            ("lib/a b/ü..beam", false, "lib/a b/ü..beam"),
            ("lib/C:\\x", false, "lib/C:\\x"),
        ] {
            check(raw.as_bytes(), is_dir, Some(path));
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        let deep = "d/".repeat(1001);
        let long = "x".repeat(256);
        let endless = "x/".repeat(2049);
        for raw in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "bin/./../../x",
            "..",
            "bin/emqx/",
            ".",
            "a\nb",
            "a\0b",
            "a\u{7f}",
            &deep,
            &long,
            &endless,
        ] {
            check(raw.as_bytes(), false, None);
        }
        check(b"bin/\xff", false, None);
    }

    #[test]
    fn one_leading_emqx_is_stripped_from_all_entries_or_none() {
        for (names, expected) in [
            (
                vec!["emqx/", "emqx/bin/", "emqx/lib/"],
                Some(vec!["", "bin", "lib"]),
            ),
            (
                vec!["./", "./emqx/", "./emqx/bin/"],
                Some(vec!["", "", "bin"]),
            ),
            (vec!["bin/", "lib/"], Some(vec!["bin", "lib"])),
            (vec!["emqx/bin/", "lib/"], None),
            (vec!["bin/", "emqx/lib/"], None),
            (vec!["emqx2/bin/"], Some(vec!["emqx2/bin"])),
        ] {
            let mut prefix = Prefix::Undecided;
            let stripped: Result<Vec<_>, _> = names
                .iter()
                .map(|name| EntryPath::parse(name.as_bytes(), true)?.strip(&mut prefix))
                .collect();
            match expected {
                Some(paths) => {
                    let stripped = stripped.expect("accepted");
                    assert_eq!(
                        stripped.iter().map(EntryPath::as_str).collect::<Vec<_>>(),
                        paths
                    );
                }
                None => assert!(stripped.is_err(), "{names:?}"),
            }
        }
    }

    #[test]
    fn links_that_lead_out_by_themselves_are_refused() {
        for (path, target, ok) in [
            ("bin/a", "b", true),
            ("bin/a", "../lib/b", true),
            ("lib/x/a", "../../bin/b", true),
            ("bin/a", "../../x", false),
            ("bin/a", "b/../../../x", false),
            ("bin/a", "/etc/passwd", false),
            ("bin/a", "", false),
            ("bin/a", "x\0y", false),
        ] {
            let path = EntryPath::parse(path.as_bytes(), false).expect("a name");
            assert_eq!(
                check_symlink(&path, target.as_bytes()).is_ok(),
                ok,
                "{target}"
            );
        }
    }
}
