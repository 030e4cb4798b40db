//! A file that may be a newer launcher: what it says it is, and whether it may be believed.

use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use nix::fcntl::OFlag;
use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use semver::Version;

use crate::handover::note::{OWNER, VERSION_NOTE};
use crate::host::Host;

/// How much of the file is read. Linkers put notes right behind the headers; what is further in
/// would cost a health probe too much.
const HEAD: usize = 4096;

/// Write permission for others than the owner.
const OTHERS_WRITE: u32 = 0o022;

/// A launcher beside a release, ours or another version of it.
#[derive(Debug)]
pub struct Candidate {
    path: PathBuf,
    /// The version that its note says.
    pub version: Version,
    metadata: Metadata,
    /// Up to where its headers say that there is content.
    end: u64,
}

impl Candidate {
    /// Looks at the file; `None` where there is none, or something that is no launcher, as the
    /// script of an ordinary release.
    ///
    /// # Errors
    /// It is there and can't be read, so that nobody can say what it is.
    pub fn observe(path: &Path) -> io::Result<Option<Candidate>> {
        match fs_err::symlink_metadata(path) {
            Ok(found) if found.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut file = fs_err::OpenOptions::new();
        // Something else may have come there; a FIFO would be waited for.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW;
        let file = file.read(true).custom_flags(flags.bits()).open(path)?;
        let metadata = file.metadata()?;
        let mut head = Vec::with_capacity(HEAD);
        file.take(HEAD as u64).read_to_end(&mut head)?;
        Ok(read_head(&head)
            .filter(|_| metadata.is_file())
            .map(|(version, end)| Candidate {
                path: path.to_path_buf(),
                version,
                metadata,
                end,
            }))
    }

    /// Versions are compared as Semantic Versioning says: pre-releases come before, build metadata
    /// does not count.
    pub fn is_newer_than(&self, own: &Version) -> bool {
        self.version.cmp_precedence(own).is_gt()
    }

    /// Refuses a file that somebody else than root, this user or the owner of this launcher could
    /// have put there: by itself or by a directory on the way from `relup/`.
    pub fn check_trust(&self, host: &Host, relup: Option<&Path>) -> Result<(), String> {
        let mut owners = vec![0, host.uid.as_raw()];
        owners.extend(fs_err::metadata(&host.exe).map(|exe| exe.uid()).ok());
        let check = |path: &Path, found: &Metadata| {
            let wrong = |what: String| Err(format!("{} {what}", path.display()));
            if !owners.contains(&found.uid()) {
                return wrong(format!("belongs to uid {}", found.uid()));
            }
            if found.mode() & OTHERS_WRITE != 0 {
                return wrong("may be written to by others than its owner".to_owned());
            }
            Ok(())
        };
        let directories = self
            .path
            .ancestors()
            .skip(1)
            .take_while(|directory| relup.is_none_or(|relup| directory.starts_with(relup)));
        for directory in directories {
            let found = fs_err::symlink_metadata(directory).map_err(|error| error.to_string())?;
            if !found.is_dir() {
                return Err(format!("{} is a link", directory.display()));
            }
            check(directory, &found)?;
        }
        check(&self.path, &self.metadata)?;
        if self.metadata.len() < self.end {
            return Err("it is cut off".to_owned());
        }
        Ok(())
    }
}

/// A version as Cargo has it.
pub fn version_of(text: &str) -> Option<Version> {
    Version::parse(text).ok()
}

/// The version in the note, and up to where there must be content.
fn read_head(head: &[u8]) -> Option<(Version, u64)> {
    let header = FileHeader64::<Endianness>::parse(head).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, head).ok()?;
    let end = segments
        .iter()
        .filter(|segment| segment.p_type(endian) == PT_LOAD)
        .map(|segment| {
            let size = segment.p_filesz(endian);
            segment.p_offset(endian).saturating_add(size)
        })
        .max()?;
    for segment in segments {
        // A segment beyond the head is none of a launcher's.
        let Ok(Some(mut notes)) = segment.notes(endian, head) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == OWNER.as_bytes() && note.n_type(endian).0 == VERSION_NOTE {
                let text = std::str::from_utf8(note.desc()).ok()?;
                return version_of(text).map(|version| (version, end));
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_head() -> Vec<u8> {
        let exe = fs_err::read("/proc/self/exe").expect("readable");
        exe[..HEAD].to_vec()
    }

    #[test]
    fn what_is_no_launcher_has_no_version() {
        for head in [
            &b""[..],
            b"#!/bin/sh\n",
            b"\x7fELF",
            &[0; HEAD],
            &own_head(),
        ] {
            assert!(read_head(head).is_none());
        }
    }

    #[test]
    fn no_cut_or_flipped_head_makes_the_reader_panic() {
        let head = own_head();
        for end in 0..head.len() {
            assert!(read_head(&head[..end]).is_none());
        }
        for at in 0..1024 {
            let mut other = head.clone();
            other[at] ^= 0xff;
            let _ = read_head(&other);
        }
    }

    #[test]
    fn newer_is_what_semantic_versioning_says() {
        let check = |theirs: &str, ours: &str, expected: bool| {
            let candidate = Candidate {
                path: PathBuf::new(),
                version: version_of(theirs).expect("a version"),
                metadata: fs_err::metadata("/").expect("there"),
                end: 0,
            };
            let ours = version_of(ours).expect("a version");
            assert_eq!(candidate.is_newer_than(&ours), expected, "{theirs} {ours}");
        };
        check("0.2.0", "0.1.0", true);
        check("0.10.0", "0.9.0", true);
        check("1.0.0", "1.0.0-rc.1", true);
        check("0.1.0", "0.1.0", false);
        check("0.1.0+b", "0.1.0+a", false);
        check("0.1.0", "0.2.0", false);
        check("1.0.0-rc.1", "1.0.0", false);
        assert_eq!(version_of("0.1"), None);
    }
}
