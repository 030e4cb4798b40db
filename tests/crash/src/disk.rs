//! A file system as a power cut sees it: names and contents are different things, and each change to
//! either is one operation that may or may not have reached the disk.

use crate::image::{Image, Node};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The number of a file or directory; 0 is the root.
pub type Inode = usize;

/// One change, or a flush.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// A name for something, new or not.
    Link(Place, Inode),
    /// A name goes.
    Unlink(Place, Inode),
    /// Something gets another name; what had that name has none.
    Rename(Place, Place, Inode),
    /// Bytes at a place.
    Write(Inode, usize, Vec<u8>),
    /// Another length.
    Resize(Inode, usize),
    /// Other permission bits.
    Mode(Inode, u32),
    /// `fsync` of a file or a directory.
    Flush(Inode),
    /// `syncfs`.
    FlushAll,
}

/// A name in a directory.
pub type Place = (Inode, String);

impl Op {
    /// Whether it changes names.
    #[must_use]
    pub fn is_name(&self) -> bool {
        matches!(self, Op::Link(..) | Op::Unlink(..) | Op::Rename(..))
    }

    /// Whether it flushes.
    #[must_use]
    pub fn is_flush(&self) -> bool {
        matches!(self, Op::Flush(_) | Op::FlushAll)
    }

    /// The file whose content or mode it changes.
    #[must_use]
    pub fn content_of(&self) -> Option<Inode> {
        match self {
            Op::Write(inode, ..) | Op::Resize(inode, _) | Op::Mode(inode, _) => Some(*inode),
            _ => None,
        }
    }

    /// The names that it changes.
    #[must_use]
    pub fn places(&self) -> Vec<&Place> {
        match self {
            Op::Link(place, _) | Op::Unlink(place, _) => vec![place],
            Op::Rename(from, to, _) => vec![from, to],
            _ => Vec::new(),
        }
    }
}

/// What an inode is.
#[derive(Debug, Clone)]
enum Thing {
    Dir {
        mode: u32,
        names: BTreeMap<String, Inode>,
    },
    File {
        mode: u32,
        bytes: Vec<u8>,
    },
    Other(Node),
}

/// A whole file system.
#[derive(Debug, Clone)]
pub struct Disk {
    things: Vec<Thing>,
}

impl Disk {
    /// What an image shows.
    #[must_use]
    pub fn of(image: &Image) -> Disk {
        let names = BTreeMap::new();
        let mut disk = Disk {
            things: vec![Thing::Dir { mode: 0o755, names }],
        };
        for (path, node) in &image.0 {
            let inode = disk.add(node);
            if let Some((dir, name)) = disk.place(path) {
                disk.apply(&Op::Link((dir, name), inode));
            }
        }
        disk
    }

    /// Something new without a name.
    pub fn add(&mut self, node: &Node) -> Inode {
        self.things.push(match node {
            Node::Dir { mode } => Thing::Dir {
                mode: *mode,
                names: BTreeMap::new(),
            },
            Node::File { mode, bytes } => Thing::File {
                mode: *mode,
                bytes: bytes.to_vec(),
            },
            other => Thing::Other(other.clone()),
        });
        self.things.len() - 1
    }

    /// The directory and the name of a path; `None` where the directory does not exist.
    #[must_use]
    pub fn place(&self, path: &str) -> Option<Place> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        Some((self.find(dir)?, name.to_owned()))
    }

    /// What stands under a path.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<Inode> {
        path.split('/')
            .filter(|part| !part.is_empty())
            .try_fold(0, |at, part| match &self.things[at] {
                Thing::Dir { names, .. } => names.get(part).copied(),
                _ => None,
            })
    }

    /// The content of a file.
    #[must_use]
    pub fn bytes(&self, inode: Inode) -> &[u8] {
        match &self.things[inode] {
            Thing::File { bytes, .. } => bytes,
            _ => &[],
        }
    }

    /// Makes a change.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Link(place, inode) => self.link(place, *inode),
            Op::Unlink(place, inode) => self.unlink(place, *inode),
            Op::Rename(from, to, inode) => {
                self.unlink(from, *inode);
                self.link(to, *inode);
            }
            Op::Write(inode, at, new) => {
                if let Thing::File { bytes, .. } = &mut self.things[*inode] {
                    let end = at + new.len();
                    bytes.resize(bytes.len().max(end), 0);
                    bytes[*at..end].copy_from_slice(new);
                }
            }
            Op::Resize(inode, len) => {
                if let Thing::File { bytes, .. } = &mut self.things[*inode] {
                    bytes.resize(*len, 0);
                }
            }
            Op::Mode(inode, new) => match &mut self.things[*inode] {
                Thing::Dir { mode, .. } | Thing::File { mode, .. } => *mode = *new,
                Thing::Other(_) => {}
            },
            Op::Flush(_) | Op::FlushAll => {}
        }
    }

    /// Puts another content into a file.
    pub fn set_bytes(&mut self, inode: Inode, new: Vec<u8>) {
        if let Thing::File { bytes, .. } = &mut self.things[inode] {
            *bytes = new;
        }
    }

    /// What can be reached from the root.
    #[must_use]
    pub fn image(&self) -> Image {
        let mut image = Image::default();
        let mut open = vec![(String::new(), 0)];
        while let Some((path, inode)) = open.pop() {
            let node = match &self.things[inode] {
                Thing::Dir { mode, names } => {
                    let inside = names.iter().map(|(name, inode)| match path.as_str() {
                        "" => (name.clone(), *inode),
                        dir => (format!("{dir}/{name}"), *inode),
                    });
                    open.extend(inside);
                    Node::Dir { mode: *mode }
                }
                Thing::File { mode, bytes } => {
                    let bytes: Arc<[u8]> = bytes.as_slice().into();
                    Node::File { mode: *mode, bytes }
                }
                Thing::Other(node) => node.clone(),
            };
            if !path.is_empty() {
                image.0.insert(path, node);
            }
        }
        image
    }

    fn link(&mut self, (dir, name): &Place, inode: Inode) {
        if let Thing::Dir { names, .. } = &mut self.things[*dir] {
            names.insert(name.clone(), inode);
        }
    }

    fn unlink(&mut self, (dir, name): &Place, inode: Inode) {
        if let Thing::Dir { names, .. } = &mut self.things[*dir]
            && names.get(name) == Some(&inode)
        {
            names.remove(name);
        }
    }
}
