//! Other versions of the launcher: the one under test with another version in its note, and with
//! other words in a few of its messages, by which it is known.

use crate::error::{Error, Result};
use crate::sample;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The owner of the note that holds the version, as it stands in the file.
pub const OWNER: &[u8] = b"emqx-launcher\0";

/// Words of the launcher, and what the newer one says instead.
const WORDS: [(&str, &str); 4] = [
    ("is started successfully!", "IS STARTED successfully!"),
    ("Starting ", "STARTING "),
    ("pong", "PONG"),
    ("running version: ", "RUNNING VERSION: "),
];

/// Replaces bytes by as many others, wherever they stand. Gives how often they did.
pub fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) -> usize {
    debug_assert_eq!(from.len(), to.len(), "the rest must stay where it is");
    let mut count = 0;
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from) {
            bytes[at..at + from.len()].copy_from_slice(to);
            count += 1;
        }
    }
    count
}

/// The launcher under test with another version of five characters in its note.
pub fn launcher_of(version: &str) -> Result<Vec<u8>> {
    let mut bytes = fs_err::read(sample::launcher()?)?;
    let at = bytes
        .windows(OWNER.len())
        .position(|window| window == OWNER)
        .ok_or_else(|| Error::Unexpected("the launcher has no note".to_owned()))?;
    // The owner is padded to four bytes, and the version stands behind it.
    let at = at + OWNER.len().next_multiple_of(4);
    let end = at + version.len();
    if bytes.get(end) != Some(&0) {
        let why = format!("{version} is not as long as the launcher's own version");
        return Err(Error::Unexpected(why));
    }
    bytes[at..end].copy_from_slice(version.as_bytes());
    for (old, new) in WORDS {
        if replace(&mut bytes, old.as_bytes(), new.as_bytes()) == 0 {
            let why = format!("the launcher does not say {old:?}");
            return Err(Error::Unexpected(why));
        }
    }
    Ok(bytes)
}

/// Puts a program in the place of another one.
pub fn put(path: &Path, content: &[u8]) -> Result<()> {
    if path.symlink_metadata().is_ok() {
        fs_err::remove_file(path)?;
    }
    fs_err::write(path, content)?;
    Ok(fs_err::set_permissions(
        path,
        PermissionsExt::from_mode(0o755),
    )?)
}
