//! Everything in the project that reads what others wrote, as functions that take any bytes.
//!
//! Such a function returns for every input and panics where a promise is broken: a crash, bytes
//! written outside, or something that was read and written again and is then something else. The
//! engine (`main.rs`, `make fuzz`) looks for inputs that make one panic; `tests/replay.rs` runs the
//! inputs that are kept in `corpus` and simple changes of them in every `make test`.

pub mod changes;
pub mod mend;
pub mod targets;

use std::path::{Path, PathBuf};

/// A reader under test.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// The longest input that is worth trying, in bytes.
    pub max_len: usize,
    /// Reads an input; panics when a promise is broken.
    pub run: fn(&[u8]),
}

/// The target of a name.
#[must_use]
pub fn target(name: &str) -> Option<Target> {
    targets::ALL
        .iter()
        .copied()
        .find(|target| target.name == name)
}

impl Target {
    /// Its kept inputs, in the order of their names.
    pub fn kept(&self) -> std::io::Result<Vec<Vec<u8>>> {
        let mut paths = Vec::new();
        for entry in fs_err::read_dir(self.corpus())? {
            paths.push(entry?.path());
        }
        paths.sort();
        paths.iter().map(fs_err::read).collect()
    }

    /// The directory of its kept inputs.
    #[must_use]
    pub fn corpus(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("corpus")
            .join(self.name)
    }
}
