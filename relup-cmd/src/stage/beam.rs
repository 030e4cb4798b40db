//! Whether a module's file is whole, seen while it is being written.
//!
//! A release boots with all its modules loaded, and a single one that is cut or is something else
//! ends the next start, long after the upgrade. Only the form is checked (a length, `BEAM`, chunks
//! that fill that length): what the chunks hold is judged by the VM that loads them. Source: the
//! chapter on the BEAM file format in the ERTS documentation, and `beam_lib`.

use crate::stage::entry_path::EntryPath;

/// The pieces of a form are aligned to this.
const ALIGN: u64 = 4;
/// The longest head of anything: the form's tag, its length, and what it is.
const FORM_HEAD: usize = 12;
const CHUNK_HEAD: usize = 8;

/// Looks at the bytes of one file as they come.
pub(crate) struct BeamCheck {
    state: State,
    size: u64,
    head: [u8; FORM_HEAD],
    filled: usize,
    /// Bytes of the form that are still to come, heads included.
    left: u64,
    has_code: bool,
}

enum State {
    /// No module, or one that is packed as a whole.
    Ignored,
    /// In the head of the form.
    Form,
    /// In the head of a chunk.
    Chunk,
    /// In a chunk's content, so many bytes before its end.
    Content(u64),
    /// After the form.
    After,
    /// Not whole, for this reason.
    Bad(String),
}

impl BeamCheck {
    /// For a file of the archive; only modules in a code directory are looked at.
    pub(crate) fn of(path: &EntryPath, size: u64) -> BeamCheck {
        let path = path.as_str();
        let is_module = path.starts_with("lib/")
            && path.rsplit_once('/').is_some_and(|(dir, name)| {
                dir.ends_with("/ebin") && name.strip_suffix(".beam").is_some()
            });
        BeamCheck {
            state: if is_module {
                State::Form
            } else {
                State::Ignored
            },
            size,
            head: [0; FORM_HEAD],
            filled: 0,
            left: 0,
            has_code: false,
        }
    }

    /// The next bytes of the file.
    pub(crate) fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Ignored | State::After | State::Bad(_) => return,
                State::Form => {
                    bytes = self.fill(bytes, FORM_HEAD);
                    if self.filled == FORM_HEAD || is_packed(&self.head[..self.filled]) {
                        self.form();
                    }
                }
                State::Chunk => {
                    bytes = self.fill(bytes, CHUNK_HEAD);
                    if self.filled == CHUNK_HEAD {
                        self.chunk();
                    }
                }
                State::Content(left) => {
                    let len =
                        usize::try_from(*left).map_or(bytes.len(), |left| left.min(bytes.len()));
                    *left -= len as u64;
                    bytes = &bytes[len..];
                    if *left == 0 {
                        self.next();
                    }
                }
            }
        }
    }

    /// What is wrong with the file, once all of it has been seen.
    pub(crate) fn finish(self) -> Result<(), String> {
        match self.state {
            State::Ignored => Ok(()),
            State::After if self.has_code => Ok(()),
            State::After => Err("a module without code".to_owned()),
            State::Bad(reason) => Err(reason),
            State::Form => Err("is no module: it is too short".to_owned()),
            State::Chunk | State::Content(_) => Err("a module that is cut".to_owned()),
        }
    }

    /// Takes what the head still needs.
    fn fill<'b>(&mut self, bytes: &'b [u8], len: usize) -> &'b [u8] {
        let (taken, rest) = bytes.split_at(bytes.len().min(len - self.filled));
        self.head[self.filled..self.filled + taken.len()].copy_from_slice(taken);
        self.filled += taken.len();
        rest
    }

    fn form(&mut self) {
        if is_packed(&self.head[..self.filled]) {
            self.state = State::Ignored;
            return;
        }
        let len = self.length_at(4);
        if !self.head.starts_with(b"FOR1") || &self.head[8..12] != b"BEAM" {
            self.state = State::Bad("is no module: it does not begin like one".to_owned());
        } else if len.saturating_add(8) != self.size || len < 4 {
            self.state = State::Bad(format!(
                "a module that says it has {len} bytes after the first 8, in a file of {}",
                self.size
            ));
        } else {
            self.left = len - 4;
            self.next();
        }
    }

    fn chunk(&mut self) {
        let len = self.length_at(4);
        let name = String::from_utf8_lossy(&self.head[..4]).into_owned();
        let padded = len.next_multiple_of(ALIGN);
        match self.left.checked_sub(CHUNK_HEAD as u64 + padded) {
            Some(left) => {
                self.has_code |= &self.head[..4] == b"Code";
                self.left = left;
                if padded == 0 {
                    self.next();
                } else {
                    self.state = State::Content(padded);
                }
            }
            None => {
                let reason =
                    format!("a module whose chunk {name:?} of {len} bytes goes beyond its end");
                self.state = State::Bad(reason);
            }
        }
    }

    /// After a head or a chunk: another one, or the end.
    fn next(&mut self) {
        self.filled = 0;
        self.state = match self.left {
            0 => State::After,
            left if left < CHUNK_HEAD as u64 => {
                State::Bad(format!("a module with {left} bytes too many at its end"))
            }
            _ => State::Chunk,
        };
    }

    fn length_at(&self, at: usize) -> u64 {
        self.head[at..at + 4]
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte))
    }
}

/// Modules may be compressed as a whole (`erlc +compressed`); the VM unpacks them.
fn is_packed(head: &[u8]) -> bool {
    head.starts_with(&[0x1f, 0x8b])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(name: &str, len: u32, body: &[u8]) -> Vec<u8> {
        [name.as_bytes(), &len.to_be_bytes(), body].concat()
    }

    fn form(chunks: &[Vec<u8>]) -> Vec<u8> {
        let chunks = chunks.concat();
        let len = u32::try_from(chunks.len() + 4).expect("short");
        [b"FOR1", &len.to_be_bytes()[..], b"BEAM", &chunks].concat()
    }

    /// Whatever the pieces are in which the bytes come.
    fn check(name: &str, bytes: &[u8], ok: bool) {
        let path = EntryPath::parse(name.as_bytes(), false).expect("a name");
        for step in [1, 3, 8, 4096] {
            let mut beam = BeamCheck::of(&path, bytes.len() as u64);
            bytes.chunks(step).for_each(|piece| beam.update(piece));
            assert_eq!(
                beam.finish().is_ok(),
                ok,
                "{name} {bytes:?} in pieces of {step}"
            );
        }
    }

    #[test]
    fn whole_modules_are_told_from_others() {
        let name = "lib/a-1/ebin/m.beam";
        let code = chunk("Code", 5, b"12345\0\0\0");
        let good = form(&[
            chunk("AtU8", 0, b""),
            code.clone(),
            chunk("Docs", 4, b"1234"),
        ]);
        check(name, &good, true);
        check(name, b"\x1f\x8b\x08 packed", true);
        check("lib/a-1/priv/m.beam", b"", true);
        check("bin/ebin/m.beam", b"", true);
        for bad in [
            &b""[..],
            b"FOR1",
            b"<html>404 Not found</html>",
            &good[..good.len() - 4],
            &good[..20],
            &[good.as_slice(), b"\0"].concat(),
            &form(&[chunk("Code", 50, b"1234")]),
            &form(&[chunk("Code", u32::MAX, b"1234")]),
            &form(&[chunk("AtU8", 4, b"1234")]),
            &form(&[code, vec![0; 4]]),
            &form(&[]),
        ] {
            check(name, bad, false);
        }
    }
}
