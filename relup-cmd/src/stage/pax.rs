//! PAX extended headers: `LEN KEY=VALUE\n` records that describe the next entry.
//!
//! Read strictly, and only for what a release may need: long names. Everything that could make two
//! readers disagree about an entry's name, size or shape is refused.

use crate::error::Error;
use crate::stage::entry_path::{shown, unsafe_entry};

/// The records that count.
#[derive(Debug, Default)]
pub(crate) struct Pax {
    pub(crate) path: Option<Vec<u8>>,
    pub(crate) link: Option<Vec<u8>>,
    pub(crate) size: Option<u64>,
}

/// Reads a local (`x`) header that is called `name`.
pub(crate) fn parse_local(bytes: &[u8], name: &[u8]) -> Result<Pax, Error> {
    let mut pax = Pax::default();
    records(bytes, name, |key, value| match key {
        b"path" => once(&mut pax.path, value.to_vec()),
        b"linkpath" => once(&mut pax.link, value.to_vec()),
        b"size" => once(
            &mut pax.size,
            decimal(value).ok_or("a size that is no number")?,
        ),
        _ => refuse_tricks(key),
    })?;
    Ok(pax)
}

/// Some readers take the first of two, others the last.
fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), &'static str> {
    match slot.replace(value) {
        Some(_) => Err("two values of one kind"),
        None => Ok(()),
    }
}

/// Checks a global (`g`) header called `name`, which may only hold what changes nothing, such as a
/// comment.
pub(crate) fn check_global(bytes: &[u8], name: &[u8]) -> Result<(), Error> {
    records(bytes, name, |key, _| match key {
        b"path" | b"linkpath" | b"size" => Err("a global header that renames or resizes entries"),
        _ => refuse_tricks(key),
    })
}

fn refuse_tricks(key: &[u8]) -> Result<(), &'static str> {
    match key {
        b"hdrcharset" => Err("names in another character set"),
        _ if key.starts_with(b"GNU.sparse.") => Err("a sparse file"),
        // Owners, times, attributes, labels: not applied.
        _ => Ok(()),
    }
}

fn records(
    mut rest: &[u8],
    name: &[u8],
    mut each: impl FnMut(&[u8], &[u8]) -> Result<(), &'static str>,
) -> Result<(), Error> {
    while !rest.is_empty() {
        let record = record(rest);
        let Some((key, value, len)) = record else {
            return Err(Error::ArchiveCorrupt(format!(
                "malformed PAX header {}",
                shown(name)
            )));
        };
        each(key, value).map_err(|reason| {
            let reason = format!("the PAX header asks for {reason} ({})", shown(key));
            unsafe_entry(name, &reason)
        })?;
        rest = &rest[len..];
    }
    Ok(())
}

/// The first record: key, value and the record's whole length.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], usize)> {
    let blank = bytes.iter().take(10).position(|byte| *byte == b' ')?;
    let len = usize::try_from(decimal(&bytes[..blank])?).ok()?;
    let body = bytes.get(blank + 1..len)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|byte| *byte == b'=')?;
    (equals > 0).then(|| (&body[..equals], &body[equals + 1..], len))
}

fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_that_matter_are_read_whatever_else_there_is() {
        let pax = parse_local(
            b"12 path=a/b\n10 size=7\n21 SCHILY.xattr.x=a\n\n11 atime=1\n",
            b"x",
        )
        .expect("a good header");
        assert_eq!(pax.path.as_deref(), Some(&b"a/b"[..]));
        assert_eq!(pax.size, Some(7));
        assert!(pax.link.is_none());
    }

    #[test]
    fn malformed_records_are_refused() {
        for bytes in [
            &b"12 path=a/b"[..],
            b"99 path=a/b\n",
            b"99999999999999999999 path=a/b\n",
            b"0 \n",
            b"-12 path=a/b\n",
            b"+12 path=a/b\n",
            b"0x9 path=a\n",
            b" path=a\n",
            b"5 =a\n",
            b"9 pathab\n",
            b"3 \n",
            b"11 size=-1\n",
            b"12 path=a/b\n12 path=a/b\n",
        ] {
            assert!(
                parse_local(bytes, b"x").is_err(),
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn tricks_are_refused() {
        for bytes in [
            &b"21 hdrcharset=BINARY\n"[..],
            b"22 GNU.sparse.major=1\n",
            b"25 GNU.sparse.realsize=9\n",
        ] {
            assert!(parse_local(bytes, b"x").is_err());
            assert!(check_global(bytes, b"x").is_err());
        }
        for bytes in [&b"12 path=a/b\n"[..], b"10 size=7\n", b"14 linkpath=a\n"] {
            assert!(check_global(bytes, b"x").is_err());
        }
        assert!(check_global(b"13 comment=x\n", b"x").is_ok());
    }
}
