//! The readers of this crate for the fuzz targets: what others wrote, without a command around it.
//!
//! Exists with the feature `fuzzing` only, which the program is never built with.

use std::path::Path;

use fs_err as fs;
use relup::manifest::ManifestEntry;

use crate::author::rules::Rules;
use crate::error::Error;
use crate::signature;
use crate::stage;

pub use crate::stage::fuzz_beam as beam;

/// Extracts a tar archive that is not packed, or a zip archive, below `scratch`, which must be empty
/// and is so again afterwards. Gives what its manifest lists, when it is accepted.
///
/// # Panics
/// When something was written beside the staging directory, or an accepted tree is not what its
/// manifest says.
#[must_use]
pub fn archive(bytes: &[u8], zip: bool, scratch: &Path) -> Option<Vec<ManifestEntry>> {
    let root = scratch.join("root");
    let entries = scratch.join("entries");
    fs::create_dir(&root).expect("the directory is empty");
    let outcome = stage::fuzz_archive(bytes, zip, &root, &entries);
    let names = crate::release::names_in(scratch).expect("the directory can be read");
    assert_eq!(
        names,
        ["root"],
        "something was written outside: {outcome:?}"
    );
    if let Err(Error::Io { .. } | Error::TreeDamaged { .. }) = &outcome {
        panic!("{outcome:?}");
    }
    fs::remove_dir_all(&root).expect("the tree can be removed");
    outcome.ok()
}

/// Reads a key and a signature, and checks that of a short text.
pub fn signature(key: &str, text: &str) {
    signature::fuzz(key, text);
}

/// Reads a rules file.
///
/// # Panics
/// When a refusal names a line that the file has not.
pub fn rules(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Err(error) = Rules::parse(&text) {
        assert!(error.line <= 1 + text.matches('\n').count(), "{error}");
    }
}
