//! A directory as a value: what the states of a disk are built of, compared by and written from.
//!
//! Times and owners are left out, since nothing that is judged here depends on them. The launcher
//! itself is one entry without content: it is a hard link in every state, and 7 MB would be copied
//! some ten thousand times.

use e2e::Result;
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// A directory.
    Dir {
        /// Its permission bits.
        mode: u32,
    },
    /// A regular file.
    File {
        /// Its permission bits.
        mode: u32,
        /// Its content.
        bytes: Arc<[u8]>,
    },
    /// A symbolic link.
    Link {
        /// Where it points.
        target: String,
    },
    /// The launcher under test.
    Program,
}

/// Everything below a directory, by its path relative to it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Image(pub BTreeMap<String, Node>);

impl Image {
    /// Reads a directory; `program` is the file that [`Node::Program`] stands for.
    pub fn read(root: &Path, program: &Path) -> Result<Image> {
        let launcher = fs_err::metadata(program)?.ino();
        let mut image = Image::default();
        let mut open = vec![String::new()];
        while let Some(dir) = open.pop() {
            for entry in fs_err::read_dir(root.join(&dir))? {
                let entry = entry?;
                let name = entry.file_name().to_string_lossy().into_owned();
                let path = match dir.as_str() {
                    "" => name,
                    dir => format!("{dir}/{name}"),
                };
                let found = fs_err::symlink_metadata(entry.path())?;
                let mode = found.mode() & 0o7777;
                let node = if found.is_dir() {
                    open.push(path.clone());
                    Node::Dir { mode }
                } else if found.is_symlink() {
                    let target = fs_err::read_link(entry.path())?;
                    let target = target.to_string_lossy().into_owned();
                    Node::Link { target }
                } else if found.ino() == launcher {
                    Node::Program
                } else {
                    let bytes = fs_err::read(entry.path())?.into();
                    Node::File { mode, bytes }
                };
                image.0.insert(path, node);
            }
        }
        Ok(image)
    }

    /// Makes `root` what this image says, whatever was there.
    pub fn write(&self, root: &Path, program: &Path) -> Result<()> {
        if root.exists() {
            fs_err::remove_dir_all(root)?;
        }
        fs_err::create_dir_all(root)?;
        for (path, node) in &self.0 {
            let path = root.join(path);
            match node {
                Node::Dir { .. } => fs_err::create_dir(&path)?,
                Node::File { mode, bytes } => {
                    fs_err::write(&path, bytes)?;
                    fs_err::set_permissions(&path, PermissionsExt::from_mode(*mode))?;
                }
                Node::Link { target } => symlink(target, &path)?,
                Node::Program => fs_err::hard_link(program, &path)?,
            }
        }
        // Last, so that a directory without write permission can be filled, and from below.
        for (path, node) in self.0.iter().rev() {
            if let Node::Dir { mode } = node {
                fs_err::set_permissions(root.join(path), PermissionsExt::from_mode(*mode))?;
            }
        }
        Ok(())
    }

    /// What stands below a directory, relative to it.
    #[must_use]
    pub fn below(&self, dir: &str) -> Image {
        let prefix = format!("{dir}/");
        let inside = self.0.iter().filter_map(|(path, node)| {
            let rest = path.strip_prefix(&prefix)?;
            Some((rest.to_owned(), node.clone()))
        });
        Image(inside.collect())
    }

    /// Without the paths that a rule names.
    #[must_use]
    pub fn without(&self, is_out: impl Fn(&str) -> bool) -> Image {
        let mut image = self.clone();
        image.0.retain(|path, _| !is_out(path));
        image
    }

    /// The content of a file, if there is one.
    #[must_use]
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match self.0.get(path) {
            Some(Node::File { bytes, .. }) => Some(bytes),
            _ => None,
        }
    }

    /// Puts a file there, with the directories above it.
    pub fn put(&mut self, path: &str, mode: u32, content: impl AsRef<[u8]>) {
        let bytes = content.as_ref().into();
        self.put_node(path, Node::File { mode, bytes });
    }

    /// Puts anything there, with the directories above it.
    pub fn put_node(&mut self, path: &str, node: Node) {
        for (at, _) in path.match_indices('/') {
            let dir = Node::Dir { mode: 0o755 };
            self.0.entry(path[..at].to_owned()).or_insert(dir);
        }
        self.0.insert(path.to_owned(), node);
    }

    /// Puts a whole image below a directory.
    pub fn put_all(&mut self, dir: &str, other: &Image) {
        self.put_node(dir, Node::Dir { mode: 0o755 });
        for (path, node) in &other.0 {
            self.put_node(&format!("{dir}/{path}"), node.clone());
        }
    }

    /// The paths in which two images differ, with what is different.
    #[must_use]
    pub fn differences(&self, expected: &Image) -> Vec<String> {
        let mut found = Vec::new();
        for (path, node) in &expected.0 {
            match self.0.get(path) {
                None => found.push(format!("{path} is missing")),
                Some(other) if other != node => {
                    found.push(format!(
                        "{path} is {} instead of {}",
                        show(other),
                        show(node)
                    ));
                }
                Some(_) => {}
            }
        }
        let more = self.0.keys().filter(|path| !expected.0.contains_key(*path));
        found.extend(more.map(|path| format!("{path} is too much")));
        found
    }
}

fn show(node: &Node) -> String {
    match node {
        Node::Dir { mode } => format!("a directory {mode:o}"),
        Node::File { mode, bytes } => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]).into_owned();
            format!("a file {mode:o} of {} bytes {text:?}", bytes.len())
        }
        Node::Link { target } => format!("a link to {target}"),
        Node::Program => "the launcher".to_owned(),
    }
}
