//! The inflated bytes of a verified tarball, made by one thread while another writes them.
//!
//! One thread reads and inflates, a second hashes the very bytes that were inflated (a tarball
//! replaced or rewritten after its verification is noticed), the caller's thread consumes. Buffers
//! go round through bounded channels, so memory does not depend on the size of the archive.

mod pipe;

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread;

use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::interrupt::Interrupt;
use crate::tarball::VerifiedTarball;
pub(crate) use pipe::{Pipe, with_pipe};

/// Bytes read, and bytes inflated, at a time.
const CHUNK: usize = 256 * 1024;
/// Inflated buffers under way: enough to bridge a slow directory, 4 MiB in all.
const DEPTH: usize = 16;
/// Compressed buffers waiting to be hashed.
const HASH_DEPTH: usize = 8;

/// A ratio that no release comes near (they inflate to two or three times their size), applied
/// from [`RATIO_FLOOR`] on.
const MAX_RATIO: u64 = 100;
const RATIO_FLOOR: u64 = 64 * 1024 * 1024;

/// The consumer's end: a stream of inflated bytes, in pieces.
pub(crate) struct Feed<'a> {
    chunks: Receiver<Result<Chunk, Error>>,
    spent: Sender<Vec<u8>>,
    current: Chunk,
    at: usize,
    read: &'a AtomicU64,
    interrupt: &'a Interrupt,
}

#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    len: usize,
}

impl Feed<'_> {
    /// The next piece of at most `max` bytes; empty only at the end of the stream.
    pub(crate) fn take(&mut self, max: usize) -> Result<&[u8], Error> {
        while self.at == self.current.len {
            self.interrupt.check()?;
            let Ok(next) = self.chunks.recv() else {
                return Ok(&[]);
            };
            let spent = std::mem::replace(&mut self.current, next?);
            self.at = 0;
            // The inflater may have ended already and need no more buffers.
            let _ = self.spent.send(spent.bytes);
        }
        let start = self.at;
        self.at = self.current.len.min(start.saturating_add(max));
        Ok(&self.current.bytes[start..self.at])
    }

    /// Compressed bytes read so far.
    pub(crate) fn compressed(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

#[cfg(feature = "fuzzing")]
impl<'a> Feed<'a> {
    /// A stream of bytes that are there already.
    pub(crate) fn of_bytes(bytes: &[u8], interrupt: &'a Interrupt, read: &'a AtomicU64) -> Self {
        let (spent, _) = channel();
        let (_, chunks) = sync_channel(0);
        let current = Chunk {
            bytes: bytes.to_vec(),
            len: bytes.len(),
        };
        Feed {
            chunks,
            spent,
            current,
            at: 0,
            read,
            interrupt,
        }
    }
}

/// Runs `consume` on the inflated bytes of `tarball`, then makes sure that they came from the
/// bytes that were verified.
pub(crate) fn with_feed<R>(
    tarball: &VerifiedTarball,
    interrupt: &Interrupt,
    consume: impl FnOnce(&mut Feed<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let read = AtomicU64::new(0);
    thread::scope(|scope| {
        let (to_hash, hash_input) = sync_channel::<(Vec<u8>, usize)>(HASH_DEPTH);
        let (hashed, unhashed) = channel();
        let hasher = scope.spawn(move || hash(&hash_input, &hashed));
        let (to_feed, chunks) = sync_channel(DEPTH);
        let (spent, recycled) = channel();
        let source = Source::new(tarball, to_hash, unhashed, &read);
        let inflater = scope.spawn(move || inflate(source, &to_feed, &recycled));

        let mut feed = Feed {
            chunks,
            spent,
            current: Chunk::default(),
            at: 0,
            read: &read,
            interrupt,
        };
        let result = consume(&mut feed);
        // Without its reader the inflater stops at the next buffer.
        drop(feed);
        let read_all = inflater.join().map_err(|_| thread_died("inflating"))?;
        let digest = hasher.join().map_err(|_| thread_died("hashing"))?;
        // A damaged stream is reported as what it is only when the file is still the verified one.
        if read_all && digest != *tarball.digest() {
            return Err(tarball.changed(&digest));
        }
        result
    })
}

fn thread_died(what: &str) -> Error {
    Error::Io {
        what: format!("the {what} thread ended early"),
        source: io::Error::other("it panicked"),
    }
}

/// Inflates until the end, an error or the loss of the reader. Whether the whole file was read.
fn inflate(
    source: Source<'_>,
    to_feed: &SyncSender<Result<Chunk, Error>>,
    recycled: &Receiver<Vec<u8>>,
) -> bool {
    let mut decoder = GzDecoder::new(source);
    let mut inflated = 0;
    let mut damage = None;
    let outcome = loop {
        if let Some(error) = damage {
            break Err(decoder.get_ref().explain(&error));
        }
        let mut bytes = recycled.try_recv().unwrap_or_default();
        bytes.resize(CHUNK, 0);
        let len;
        (len, damage) = fill(&mut decoder, &mut bytes);
        if len == 0 && damage.is_none() {
            break check_end(&mut decoder);
        }
        inflated += len as u64;
        if let Err(error) = check_ratio(inflated, decoder.get_ref().at) {
            let _ = to_feed.send(Err(error));
            return false;
        }
        if to_feed.send(Ok(Chunk { bytes, len })).is_err() {
            return false;
        }
    };
    if let Err(error) = outcome {
        let _ = to_feed.send(Err(error));
    }
    decoder.into_inner().drain()
}

/// Fills the buffer as far as the stream goes. What came before a damage is passed on with it: it
/// may be refused for a better reason.
fn fill(decoder: &mut impl Read, bytes: &mut [u8]) -> (usize, Option<io::Error>) {
    let mut len = 0;
    while len < bytes.len() {
        match decoder.read(&mut bytes[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (len, Some(error)),
        }
    }
    (len, None)
}

/// The decoder has checked length and CRC; what must still be shown is that nothing follows.
fn check_end(decoder: &mut GzDecoder<Source<'_>>) -> Result<(), Error> {
    match decoder.get_mut().fill_buf() {
        Ok([]) => Ok(()),
        Ok(_) => Err(Error::ArchiveCorrupt(
            "there is something after the end of the compressed data".to_owned(),
        )),
        Err(error) => Err(decoder.get_ref().explain(&error)),
    }
}

pub(crate) fn check_ratio(inflated: u64, compressed: u64) -> Result<(), Error> {
    if inflated > RATIO_FLOOR && inflated > compressed.saturating_mul(MAX_RATIO) {
        return Err(Error::ArchiveTooLarge(format!(
            "the archive inflates to more than {MAX_RATIO} times its size"
        )));
    }
    Ok(())
}

fn hash(input: &Receiver<(Vec<u8>, usize)>, hashed: &Sender<Vec<u8>>) -> [u8; 32] {
    let mut sha = Sha256::new();
    while let Ok((bytes, len)) = input.recv() {
        sha.update(&bytes[..len]);
        // The reader may have ended already and need no more buffers.
        let _ = hashed.send(bytes);
    }
    sha.finalize().into()
}

/// The compressed bytes, each passed to the hasher once it has been inflated.
struct Source<'a> {
    tarball: &'a VerifiedTarball,
    to_hash: SyncSender<(Vec<u8>, usize)>,
    unhashed: Receiver<Vec<u8>>,
    buffer: Vec<u8>,
    len: usize,
    used: usize,
    at: u64,
    read: &'a AtomicU64,
    failed: bool,
}

impl<'a> Source<'a> {
    fn new(
        tarball: &'a VerifiedTarball,
        to_hash: SyncSender<(Vec<u8>, usize)>,
        unhashed: Receiver<Vec<u8>>,
        read: &'a AtomicU64,
    ) -> Self {
        let buffer = Vec::new();
        Source {
            tarball,
            to_hash,
            unhashed,
            buffer,
            len: 0,
            used: 0,
            at: 0,
            read,
            failed: false,
        }
    }

    /// Hands what is left to the hasher, so that the digest covers the whole file. Whether it does.
    fn drain(mut self) -> bool {
        while let Ok(rest) = self.fill_buf() {
            let len = rest.len();
            if len == 0 {
                return true;
            }
            self.consume(len);
        }
        false
    }

    fn explain(&self, error: &io::Error) -> Error {
        if self.failed {
            return self.tarball.unreadable(error);
        }
        let at = self.at;
        Error::ArchiveCorrupt(match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                format!("the compressed data ends too early, after {at} bytes")
            }
            _ => format!("the compressed data is damaged before byte {at}: {error}"),
        })
    }
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.fill_buf()?.len().min(out.len());
        out[..len].copy_from_slice(&self.buffer[self.used..self.used + len]);
        self.consume(len);
        Ok(len)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.used == self.len {
            if self.len > 0 {
                let spent = std::mem::take(&mut self.buffer);
                // The hasher ends only after this sender is gone.
                let _ = self.to_hash.send((spent, self.len));
                self.buffer = self.unhashed.try_recv().unwrap_or_default();
            }
            (self.len, self.used) = (0, 0);
            self.buffer.resize(CHUNK, 0);
            self.len = match self.tarball.read_at(&mut self.buffer, self.at) {
                Ok(len) => len,
                Err(error) => {
                    self.failed = true;
                    return Err(error);
                }
            };
            self.at += self.len as u64;
            self.read.store(self.at, Ordering::Relaxed);
        }
        Ok(&self.buffer[self.used..self.len])
    }

    fn consume(&mut self, len: usize) {
        self.used += len;
    }
}
