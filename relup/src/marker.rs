//! The marker `relup/current`: which release the next start boots.
//!
//! It is the only commit point of an upgrade, so reading it has three outcomes and never a guess:
//! absent, a version, or damaged with the reason. A damaged marker must never be taken for an
//! absent one. Data: the file's bytes, read by the caller. (Boot contract, section 1.)

use crate::vsn::ReleaseVsn;

/// Far more than any version; a longer file is no marker and is not quoted in messages.
const MAX_LEN: usize = 1024;

/// What `relup/current` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// There is no marker: the base boots.
    Absent,
    /// The tree of this version boots.
    Current(ReleaseVsn),
    /// The file exists and is no marker; the text says why, for people.
    Damaged(String),
}

impl Marker {
    /// Reads a marker's content, `None` for a file that does not exist. One line holds the
    /// version; blanks and newlines after it do no harm, anything else does.
    #[must_use]
    pub fn parse(content: Option<&[u8]>) -> Marker {
        let Some(bytes) = content else {
            return Marker::Absent;
        };
        if bytes.len() > MAX_LEN {
            return Marker::Damaged(format!("it is {} bytes long", bytes.len()));
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            return Marker::Damaged("it is not text".to_owned());
        };
        let line = text.trim_end_matches([' ', '\t', '\r', '\n']);
        if line.is_empty() {
            return Marker::Damaged("it is empty".to_owned());
        }
        if line.contains('\n') {
            return Marker::Damaged("it has more than one line".to_owned());
        }
        match line.parse() {
            Ok(vsn) => Marker::Current(vsn),
            Err(reason) => Marker::Damaged(reason.to_string()),
        }
    }

    /// The content of a marker that names `vsn`.
    #[must_use]
    pub fn render(vsn: &ReleaseVsn) -> String {
        format!("{vsn}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(content: &[u8], expected: Result<&str, &str>) {
        match (Marker::parse(Some(content)), expected) {
            (Marker::Current(vsn), Ok(text)) => assert_eq!(vsn.as_str(), text),
            (Marker::Damaged(reason), Err(part)) => assert!(reason.contains(part), "{reason}"),
            (actual, _) => panic!("{content:?}: {actual:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_missing_file_is_an_absent_marker() {
        assert_eq!(Marker::parse(None), Marker::Absent);
    }

    #[test]
    fn blanks_and_newlines_after_the_version_do_no_harm() {
        for content in ["5.10.5", "5.10.5\n", "5.10.5\r\n", "5.10.5 \t\n\n"] {
            check(content.as_bytes(), Ok("5.10.5"));
        }
    }

    #[test]
    fn a_damaged_marker_is_never_taken_for_absent() {
        for (content, part) in [
            (&b""[..], "empty"),
            (b"\n", "empty"),
            (b" \n \n", "empty"),
            (b"5.10.5\n5.10.6\n", "more than one line"),
            (b"5.10.5\n\n5.10.6", "more than one line"),
            (b" 5.10.5", "' '"),
            (b"5.10.5 x", "' '"),
            (b"../5.10.5", "'/'"),
            (b"..", "begin with"),
            (b"5.10.5\0", "'\\0'"),
            (b"\xff\xfe5", "not text"),
            (&[b'1'; MAX_LEN + 1], "1025 bytes"),
        ] {
            check(content, Err(part));
        }
    }

    #[test]
    fn what_is_rendered_is_read_back() {
        let vsn: ReleaseVsn = "5.6.1+patch.A".parse().expect("a version");
        let content = Marker::render(&vsn);
        assert_eq!(content, "5.6.1+patch.A\n");
        assert_eq!(
            Marker::parse(Some(content.as_bytes())),
            Marker::Current(vsn)
        );
    }
}
