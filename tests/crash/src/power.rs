//! Records all that a command does to the disk, so that it can be replayed in part.
//!
//! The recording proves itself: replayed as a whole it must give exactly the directory that the
//! command has left.

use crate::disk::{Disk, Inode, Op};
use crate::fault;
use crate::image::{Image, Node};
use crate::lab::Lab;
use crate::scene::Scene;
use crate::trace::{self, Call};
use crate::tracer::recorded;
use e2e::Result;
use std::collections::HashMap;
use std::path::Path;

/// A command as a list of operations.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The disk before; files that the command makes are there without a name.
    pub disk: Disk,
    /// What it did, in order.
    pub ops: Vec<Op>,
    /// The places in `ops` where a line of the journal was written, each with the journal's inode.
    pub records: Vec<(usize, Inode)>,
    /// How many files began as clones of others.
    pub clones: usize,
    /// Whether each record is on the disk before anything else is done.
    pub is_strict: bool,
}

/// Runs the command of a scene undisturbed and records it.
pub fn record(lab: &Lab, scene: &Scene) -> Result<Recording> {
    lab.restore(&scene.situation.start)?;
    let file = lab.path("trace");
    recorded(lab, &scene.situation.words, &file)?.success()?;
    let calls = trace::parse(&fs_err::read_to_string(file)?)?;
    replay(scene, lab.site(), &calls, &lab.observe()?)
}

/// What calls did below a directory, from the state before a scene to what they have left.
pub fn replay(scene: &Scene, site: &Path, calls: &[Call], left: &Image) -> Result<Recording> {
    let disk = Disk::of(&scene.situation.start);
    let mut recorder = Recorder {
        site: site.to_string_lossy().into_owned(),
        now: disk.clone(),
        begin: disk,
        offsets: HashMap::new(),
        opened: HashMap::new(),
        ops: Vec::new(),
        records: Vec::new(),
        clones: 0,
        journal: scene.relup("journal.jsonl"),
    };
    for call in calls {
        recorder.call(call)?;
    }
    let differences = recorder.now.image().differences(left);
    if !differences.is_empty() {
        return Err(fault(format!(
            "the recording is not what happened: {differences:?}"
        )));
    }
    Ok(Recording {
        disk: recorder.begin,
        ops: recorder.ops,
        records: recorder.records,
        clones: recorder.clones,
        is_strict: false,
    })
}

struct Recorder {
    site: String,
    /// The disk before, with every new inode added to it.
    begin: Disk,
    /// The disk after what was recorded so far.
    now: Disk,
    /// Where the next write through a descriptor goes; `None` for the end of the file.
    offsets: HashMap<i64, Option<usize>>,
    /// What a descriptor was opened for.
    opened: HashMap<i64, String>,
    ops: Vec<Op>,
    records: Vec<(usize, Inode)>,
    clones: usize,
    journal: String,
}

impl Recorder {
    fn call(&mut self, call: &Call) -> Result<()> {
        if call.value < 0 {
            return Ok(());
        }
        match call.name.as_str() {
            "open" => self.open(call, &call.path(0)?, 1),
            "openat" => self.open(call, &call.path_at(0, 1)?, 2),
            "openat2" => self.open(call, &call.path_at(0, 1)?, 2),
            "mkdir" => self.make(
                call,
                &call.path(0)?,
                &Node::Dir {
                    mode: mode(call, 1)?,
                },
            ),
            "mkdirat" => self.make(
                call,
                &call.path_at(0, 1)?,
                &Node::Dir {
                    mode: mode(call, 2)?,
                },
            ),
            "symlink" => self.symlink(call, &call.path(1)?),
            "symlinkat" => self.symlink(call, &call.path_at(1, 2)?),
            "rename" => self.rename(call, &call.path(0)?, &call.path(1)?),
            "renameat" | "renameat2" => {
                self.rename(call, &call.path_at(0, 1)?, &call.path_at(2, 3)?)
            }
            "unlink" | "rmdir" => self.unlink(call, &call.path(0)?),
            "unlinkat" => self.unlink(call, &call.path_at(0, 1)?),
            "write" => self.write(call, &call.data(1)?, None),
            "writev" => self.write(call, &call.gathered()?, None),
            "pwrite64" => {
                let at = call.number(3)?;
                self.write(call, &call.data(1)?, Some(at))
            }
            "copy_file_range" => self.copy(call),
            "ftruncate" => {
                let len = usize::try_from(call.number(1)?).map_err(|_| call.odd("a length"))?;
                self.on_fd(call, |inode| Op::Resize(inode, len))
            }
            "fchmod" => {
                let mode = mode(call, 1)?;
                self.on_fd(call, |inode| Op::Mode(inode, mode))
            }
            "chmod" => self.chmod(call, &call.path(0)?, 1),
            "fchmodat" | "fchmodat2" => self.chmod(call, &call.path_at(0, 1)?, 2),
            "fsync" | "fdatasync" => self.on_fd(call, Op::Flush),
            "syncfs" => self.on_fd(call, |_| Op::FlushAll),
            "lseek" => self.seek(call),
            "ioctl" if is_clone(call) => self.clone_file(call),
            // Sockets and terminals.
            "ioctl" => Ok(()),
            _ if self.mentions_site(call)? => Err(call.odd("a call that is not understood")),
            _ => Ok(()),
        }
    }

    /// The path below the site; `None` elsewhere.
    fn inside(&self, path: &str) -> Option<String> {
        let rest = path.strip_prefix(&self.site)?;
        Some(
            rest.strip_prefix('/')?
                .trim_end_matches(" (deleted)")
                .to_owned(),
        )
    }

    fn mentions_site(&self, call: &Call) -> Result<bool> {
        let (_, path) = call.fd(0)?;
        Ok(self.inside(&path).is_some())
    }

    fn push(&mut self, op: Op) {
        self.now.apply(&op);
        self.ops.push(op);
    }

    fn add(&mut self, node: &Node) -> Inode {
        self.now.add(node);
        self.begin.add(node)
    }

    fn make(&mut self, call: &Call, path: &str, node: &Node) -> Result<()> {
        let Some(path) = self.inside(path) else {
            return Ok(());
        };
        let place = self
            .now
            .place(&path)
            .ok_or_else(|| call.odd("an unknown directory"))?;
        let inode = self.add(node);
        self.push(Op::Link(place, inode));
        Ok(())
    }

    fn symlink(&mut self, call: &Call, path: &str) -> Result<()> {
        let target = call.path(0)?;
        self.make(call, path, &Node::Link { target })
    }

    fn open(&mut self, call: &Call, path: &str, flags: usize) -> Result<()> {
        let Some(inside) = self.inside(path) else {
            self.offsets.remove(&call.value);
            return Ok(());
        };
        let flags = call.arg(flags)?.to_owned();
        let has = |flag: &str| {
            flags
                .split('|')
                .any(|one| one.trim_start_matches("{flags=") == flag)
        };
        if has("O_CREAT") && self.now.find(&inside).is_none() {
            let bytes = Vec::new().into();
            let at = call.args.len() - 1;
            self.make(
                call,
                path,
                &Node::File {
                    mode: mode(call, at)?,
                    bytes,
                },
            )?;
        } else if has("O_TRUNC") {
            let inode = self
                .now
                .find(&inside)
                .ok_or_else(|| call.odd("an unknown file"))?;
            self.push(Op::Resize(inode, 0));
        }
        let offset = if has("O_APPEND") { None } else { Some(0) };
        self.offsets.insert(call.value, offset);
        self.opened.insert(call.value, inside);
        Ok(())
    }

    fn rename(&mut self, call: &Call, from: &str, to: &str) -> Result<()> {
        let (Some(from), Some(to)) = (self.inside(from), self.inside(to)) else {
            return Ok(());
        };
        let unknown = || call.odd("an unknown path");
        let inode = self.now.find(&from).ok_or_else(unknown)?;
        let from = self.now.place(&from).ok_or_else(unknown)?;
        let to = self.now.place(&to).ok_or_else(unknown)?;
        self.push(Op::Rename(from, to, inode));
        Ok(())
    }

    fn unlink(&mut self, call: &Call, path: &str) -> Result<()> {
        let Some(path) = self.inside(path) else {
            return Ok(());
        };
        let inode = self
            .now
            .find(&path)
            .ok_or_else(|| call.odd("an unknown path"))?;
        let place = self
            .now
            .place(&path)
            .ok_or_else(|| call.odd("an unknown path"))?;
        self.push(Op::Unlink(place, inode));
        Ok(())
    }

    fn write(&mut self, call: &Call, data: &[u8], at: Option<u64>) -> Result<()> {
        let (fd, path) = call.fd(0)?;
        let Some(path) = self.inside(&path) else {
            return Ok(());
        };
        let Some(inode) = self.now.find(&path) else {
            // A file without a name any more is nothing that a power cut leaves.
            return Ok(());
        };
        let end = self.now.bytes(inode).len();
        let at = match at {
            Some(at) => usize::try_from(at).map_err(|_| call.odd("an offset"))?,
            None => {
                let offset = self
                    .offsets
                    .get_mut(&fd)
                    .ok_or_else(|| call.odd("an unknown descriptor"))?;
                let at = offset.unwrap_or(end);
                *offset = offset.map(|offset| offset + data.len());
                at
            }
        };
        if path == self.journal {
            self.records.push((self.ops.len(), inode));
        }
        self.push(Op::Write(inode, at, data.to_vec()));
        Ok(())
    }

    /// From one file into another, both at the places where their descriptors are.
    fn copy(&mut self, call: &Call) -> Result<()> {
        let len = usize::try_from(call.value).unwrap_or_default();
        let ((source, from), (target, to)) = (call.fd(0)?, call.fd(2)?);
        let (Some(from), Some(to)) = (self.inside(&from), self.inside(&to)) else {
            return Err(call.odd("a copy from elsewhere"));
        };
        let unknown = || call.odd("an unknown file");
        let (from, to) = (
            self.now.find(&from).ok_or_else(unknown)?,
            self.now.find(&to).ok_or_else(unknown)?,
        );
        let begin = self
            .offsets
            .get(&source)
            .copied()
            .flatten()
            .ok_or_else(unknown)?;
        let at = self
            .offsets
            .get(&target)
            .copied()
            .flatten()
            .ok_or_else(unknown)?;
        let bytes = self
            .now
            .bytes(from)
            .get(begin..begin + len)
            .ok_or_else(unknown)?
            .to_vec();
        self.offsets.insert(source, Some(begin + len));
        self.offsets.insert(target, Some(at + len));
        if !bytes.is_empty() {
            self.push(Op::Write(to, at, bytes));
        }
        Ok(())
    }

    fn seek(&mut self, call: &Call) -> Result<()> {
        let (fd, path) = call.fd(0)?;
        let is_kept = self.inside(&path).is_some();
        if let Some(Some(offset)) = self.offsets.get_mut(&fd).filter(|_| is_kept) {
            *offset = usize::try_from(call.value).map_err(|_| call.odd("an offset"))?;
        }
        Ok(())
    }

    /// The content of another file, shared. It counts as written: a file system that loses unflushed
    /// bytes may lose the sharing too.
    fn clone_file(&mut self, call: &Call) -> Result<()> {
        let (_, to) = call.fd(0)?;
        let Some(to) = self.inside(&to) else {
            return Ok(());
        };
        let unknown = || call.odd("an unknown file");
        // strace does not know that this argument is a descriptor.
        let from = i64::try_from(call.number(2)?).map_err(|_| unknown())?;
        let from = self.opened.get(&from).ok_or_else(unknown)?;
        let from = self.now.find(from).ok_or_else(unknown)?;
        let to = self.now.find(&to).ok_or_else(unknown)?;
        let bytes = self.now.bytes(from).to_vec();
        self.clones += 1;
        self.push(Op::Resize(to, 0));
        self.push(Op::Write(to, 0, bytes));
        Ok(())
    }

    fn chmod(&mut self, call: &Call, path: &str, at: usize) -> Result<()> {
        let Some(inode) = self.inside(path).and_then(|path| self.now.find(&path)) else {
            return Ok(());
        };
        self.push(Op::Mode(inode, mode(call, at)?));
        Ok(())
    }

    fn on_fd(&mut self, call: &Call, op: impl FnOnce(Inode) -> Op) -> Result<()> {
        let (_, path) = call.fd(0)?;
        let is_site = path == self.site;
        let inside = self.inside(&path).or_else(|| is_site.then(String::new));
        let Some(path) = inside else {
            return Ok(());
        };
        let inode = self
            .now
            .find(&path)
            .ok_or_else(|| call.odd("an unknown file"))?;
        self.push(op(inode));
        Ok(())
    }
}

fn is_clone(call: &Call) -> bool {
    ["FICLONE", "BTRFS_IOC_CLONE"]
        .iter()
        .any(|name| call.args.get(1).is_some_and(|arg| arg.contains(name)))
}

/// Permission bits, as far as the usual umask lets them through.
fn mode(call: &Call, at: usize) -> Result<u32> {
    let bits = call.arg(at)?.trim_end_matches('}');
    let bits = bits.rsplit('|').next().unwrap_or(bits);
    let bits = u32::from_str_radix(bits.trim_start_matches("S_ISVTX|"), 8);
    let bits = bits.map_err(|_| call.odd("an odd mode"))?;
    let is_asked = call.name.contains("chmod");
    Ok(if is_asked { bits } else { bits & !0o022 })
}
