//! A tarball of the size of a real release: 180 MB compressed, 400 MB, 14,000 files.
//!
//! It is the sample release plus the machine's own Erlang libraries, again and again under other
//! names. Distributions compress the chunks of their beams; real releases do so less, so every
//! third copy has its chunks inflated, which gives the whole about the ratio of a real release.
//! Small header files make up the number of files.

use crate::error::{Error, Result};
use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::GzEncoder;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use tar::{Archive, Builder, EntryType, Header};

const BYTES: u64 = 380_000_000;
const FILES: u64 = 14_000;
/// Files up to this size count as small.
const SMALL: usize = 4096;
/// Every such copy is inflated.
const INFLATED_EVERY: usize = 3;

/// What became of it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) compressed: u64,
}

/// Writes the tarball and its digest.
pub(super) fn build(release: &Path, to: &Path) -> Result<Size> {
    let library = library()?;
    let mut size = Size::default();
    let file = BufWriter::new(fs_err::File::create(to)?);
    let mut builder = Builder::new(GzEncoder::new(file, Compression::new(6)));
    let mut archive = Archive::new(GzDecoder::new(fs_err::File::open(release)?));
    for entry in archive.entries()? {
        let entry = entry?;
        let (mut header, path) = (entry.header().clone(), entry.path()?.into_owned());
        if header.entry_type() == EntryType::Symlink {
            let target = entry.link_name()?.unwrap_or_default().into_owned();
            builder.append_link(&mut header, path, target)?;
        } else {
            size.files += u64::from(header.entry_type() == EntryType::Regular);
            size.bytes += entry.size();
            builder.append_data(&mut header, path, entry)?;
        }
    }
    let mut copy = 0;
    while size.bytes < BYTES {
        copy += 1;
        for (path, content) in &library {
            let beam =
                copy % INFLATED_EVERY == 0 && path.extension().is_some_and(|it| it == "beam");
            let inflated = beam.then(|| inflate(content)).flatten();
            add(
                &mut builder,
                &mut size,
                copy,
                path,
                inflated.as_deref().unwrap_or(content),
            )?;
        }
    }
    let small: Vec<_> = library
        .iter()
        .filter(|(_, content)| content.len() <= SMALL)
        .collect();
    while size.files < FILES && !small.is_empty() {
        copy += 1;
        for (path, content) in small
            .iter()
            .take(usize::try_from(FILES - size.files).unwrap_or(0))
        {
            add(&mut builder, &mut size, copy, path, content)?;
        }
    }
    builder.into_inner()?.finish()?.flush()?;
    crate::tarball::seal(to)?;
    size.compressed = fs_err::metadata(to)?.len();
    Ok(size)
}

fn add(
    builder: &mut Builder<impl Write>,
    size: &mut Size,
    copy: usize,
    path: &Path,
    content: &[u8],
) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    builder.append_data(
        &mut header,
        format!("lib/copy{copy}_{}", path.display()),
        content,
    )?;
    size.files += 1;
    size.bytes += content.len() as u64;
    Ok(())
}

/// All files of the machine's Erlang libraries, with paths below the library directory.
fn library() -> Result<Vec<(PathBuf, Vec<u8>)>> {
    let mut erl = std::process::Command::new("erl");
    erl.args(["-noshell", "-eval", "io:put_chars(code:lib_dir()), halt()."]);
    let root = crate::process::run(&mut erl, crate::process::HANG)?.success()?;
    let root = PathBuf::from(root.text());
    let mut files = Vec::new();
    let mut open = vec![root.clone()];
    while let Some(dir) = open.pop() {
        for entry in fs_err::read_dir(&dir)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else if let Ok(relative) = path.strip_prefix(&root) {
                files.push((relative.to_path_buf(), fs_err::read(&path)?));
            }
        }
    }
    files.sort();
    if files.is_empty() {
        return Err(Error::Unexpected(format!(
            "no Erlang libraries in {}",
            root.display()
        )));
    }
    Ok(files)
}

/// A beam file with its compressed chunks inflated; `None` when it is not laid out as expected.
fn inflate(beam: &[u8]) -> Option<Vec<u8>> {
    let mut rest = beam
        .strip_prefix(b"FOR1")?
        .get(4..)?
        .strip_prefix(b"BEAM")?;
    let mut body = b"BEAM".to_vec();
    while let (Some(name), Some(length)) = (rest.get(..4), rest.get(4..8)) {
        let length = u32::from_be_bytes(length.try_into().ok()?) as usize;
        let content = rest.get(8..8 + length)?;
        let content = match (name, content) {
            (b"LitT", content) => inflated(content.get(..4)?, content.get(4..)?),
            (_, [131, b'P', ..]) => inflated(&[131], content.get(6..)?),
            _ => None,
        }
        .unwrap_or_else(|| content.to_vec());
        body.extend_from_slice(name);
        body.extend_from_slice(&u32::try_from(content.len()).ok()?.to_be_bytes());
        body.extend_from_slice(&content);
        body.resize(body.len().next_multiple_of(4), 0);
        rest = rest
            .get(8 + length.next_multiple_of(4)..)
            .unwrap_or_default();
    }
    let mut whole = b"FOR1".to_vec();
    whole.extend_from_slice(&u32::try_from(body.len()).ok()?.to_be_bytes());
    whole.append(&mut body);
    Some(whole)
}

fn inflated(head: &[u8], compressed: &[u8]) -> Option<Vec<u8>> {
    let mut content = head.to_vec();
    ZlibDecoder::new(compressed)
        .read_to_end(&mut content)
        .ok()?;
    Some(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressed_chunks_are_inflated_and_others_kept() {
        let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(&[7; 100]).expect("memory");
        let mut literals = 100_u32.to_be_bytes().to_vec();
        literals.extend(zlib.finish().expect("memory"));
        let mut beam = b"FOR1\0\0\0\0BEAMCode\0\0\0\x02ab\0\0LitT".to_vec();
        beam.extend(u32::try_from(literals.len()).expect("short").to_be_bytes());
        beam.extend(&literals);
        beam.resize(beam.len().next_multiple_of(4), 0);
        let inflated = inflate(&beam).expect("a beam");
        assert_eq!(&inflated[12..24], b"Code\0\0\0\x02ab\0\0");
        assert_eq!(inflated[24..32], *b"LitT\0\0\0\x68");
        assert_eq!(inflated[36..136], [7; 100]);
        assert!(inflate(b"no beam").is_none());
    }
}
