//! A stream that is written by code instead of inflated from a file: the same feed at its other end.

use std::io::{self, Write};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread;

use super::{CHUNK, Chunk, DEPTH, Feed, thread_died};
use crate::error::Error;
use crate::interrupt::Interrupt;

/// The writer's end. Writing fails once nobody reads any more.
pub(crate) struct Pipe {
    to_feed: SyncSender<Result<Chunk, Error>>,
    recycled: Receiver<Vec<u8>>,
    current: Vec<u8>,
}

impl Pipe {
    fn send(&mut self) -> io::Result<()> {
        if self.current.is_empty() {
            return Ok(());
        }
        let mut next = self.recycled.try_recv().unwrap_or_default();
        next.clear();
        let bytes = std::mem::replace(&mut self.current, next);
        let len = bytes.len();
        self.to_feed
            .send(Ok(Chunk { bytes, len }))
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(CHUNK - self.current.len());
        self.current.extend_from_slice(&bytes[..len]);
        if self.current.len() == CHUNK {
            self.send()?;
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

/// Runs `consume` on what `write` writes at the same time. `read` tells how much of the source has
/// been read, which is up to `write`.
///
/// An error of the writer reaches the reader where it happened; what the reader makes of what came
/// before it may be the better reason, so the reader's result is the one that counts.
pub(crate) fn with_pipe<R>(
    read: &AtomicU64,
    interrupt: &Interrupt,
    write: impl FnOnce(&mut Pipe) -> Result<(), Error> + Send,
    consume: impl FnOnce(&mut Feed<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    thread::scope(|scope| {
        let (to_feed, chunks) = sync_channel(DEPTH);
        let (spent, recycled) = channel();
        let writer = scope.spawn(move || {
            let mut pipe = Pipe {
                to_feed,
                recycled,
                current: Vec::new(),
            };
            if let Err(error) = write(&mut pipe) {
                let _ = pipe.to_feed.send(Err(error));
            }
        });
        let mut feed = Feed {
            chunks,
            spent,
            current: Chunk::default(),
            at: 0,
            read,
            interrupt,
        };
        let result = consume(&mut feed);
        // Without its reader the writer stops at the next buffer.
        drop(feed);
        writer.join().map_err(|_| thread_died("unpacking"))?;
        result
    })
}
