//! The names in `bin/` that this program takes, and what the release's own programs are called
//! meanwhile.
//!
//! Temporary names are fixed, not random: whoever writes them holds the lock of the directory, and
//! what a kill leaves behind is replaced by the next run.

use std::path::{Path, PathBuf};

use super::Tree;

/// One name in `bin/` that the launcher is called by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    bin: PathBuf,
    name: &'static str,
}

impl Tree {
    /// `bin/emqx`.
    #[must_use]
    pub fn seat(&self) -> Seat {
        Seat {
            bin: self.bin(),
            name: "emqx",
        }
    }

    /// `bin/emqx_ctl`.
    #[must_use]
    pub fn second_seat(&self) -> Seat {
        Seat {
            bin: self.bin(),
            name: "emqx_ctl",
        }
    }
}

impl Seat {
    /// The name itself.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.bin.join(self.name)
    }

    /// What the release's own program is called while the launcher has its name: `bin/emqx.sh`.
    #[must_use]
    pub fn kept(&self) -> PathBuf {
        self.bin.join(format!("{}.sh", self.name))
    }

    /// Where the next holder of the name is made before it is renamed.
    #[must_use]
    pub fn temp(&self) -> PathBuf {
        self.bin.join(format!(".{}.new", self.name))
    }

    /// The same for what is to be kept.
    #[must_use]
    pub fn kept_temp(&self) -> PathBuf {
        self.bin.join(format!(".{}.sh.new", self.name))
    }

    /// The directory, `bin/`.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.bin
    }

    /// The name, as a link beside it says it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}
