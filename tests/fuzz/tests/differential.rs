//! Changed archives that were accepted, as other programs see them.

use fuzz::changes::Changes;
use fuzz::targets::accepted;
use fuzz::{mend, target};
use hostile::differential::{Listing, by_others, is_installed};
use relup::manifest::ManifestEntry;

/// How many changed archives are tried; a part of them is accepted.
const CHANGES: usize = 4000;
/// How many are compared at most.
const COMPARED: usize = 400;

#[test]
fn every_program_sees_the_same_tree_in_an_accepted_archive() -> e2e::Result<()> {
    if !is_installed("tar") || !is_installed("python3") {
        eprintln!("skipped: tar or python3 is not installed, so there is nothing to compare with");
        return Ok(());
    }
    let inputs = target("archive").map(|target| target.kept());
    let inputs = inputs.transpose()?.unwrap_or_default();
    let dir = tempfile::tempdir()?;
    let (mut paths, mut trees) = (Vec::new(), Vec::new());
    let changes = Changes::of(inputs.clone()).take(CHANGES);
    for tar in inputs.into_iter().chain(changes) {
        let tar = mend::archive(&tar);
        let Some(entries) = accepted(&tar) else {
            continue;
        };
        let path = dir.path().join(format!("{}.tar", paths.len()));
        fs_err::write(&path, &tar)?;
        paths.push(path);
        trees.push((tree(&entries), tar));
        if paths.len() == COMPARED {
            break;
        }
    }
    assert!(
        paths.len() > 20,
        "only {} archives were accepted",
        paths.len()
    );
    let mut faults = Vec::new();
    for ((ours, tar), others) in trees.iter().zip(by_others(&paths)?) {
        for (program, theirs) in others {
            let same = theirs.as_ref().is_ok_and(|theirs| agree(ours, theirs));
            if !same {
                let blocks: Vec<_> = tar.chunks(512).map(String::from_utf8_lossy).collect();
                faults.push(format!("{ours:?}\n{program}: {theirs:?}\n{blocks:?}"));
            }
        }
    }
    let count = faults.len();
    faults.truncate(3);
    assert!(
        count == 0,
        "{count} of {}:\n{}",
        paths.len(),
        faults.join("\n\n")
    );
    Ok(())
}

fn tree(entries: &[ManifestEntry]) -> Listing {
    let listed = entries.iter().map(|entry| match entry {
        ManifestEntry::File { path, size, .. } => (path.clone(), format!("file {size}")),
        ManifestEntry::Dir { path, .. } => (path.clone(), "dir".to_owned()),
        ManifestEntry::Link { path, target } => (path.clone(), format!("link {target}")),
    });
    listed.collect()
}

/// The same names, but for directories that only the names below them tell of.
fn agree(ours: &Listing, theirs: &Listing) -> bool {
    let told = ours
        .iter()
        .filter(|(path, what)| *what != "dir" || theirs.contains_key(*path));
    told.eq(theirs)
}
