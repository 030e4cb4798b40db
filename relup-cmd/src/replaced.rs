//! An original release that a package manager has replaced while the marker names a tree that was
//! deployed beside its predecessor.
//!
//! That tree is complete by itself, and the marker decides what boots: so it boots. But whoever has
//! installed another version expects that one, and must not have to find out why it does not come. The
//! manifest tells beside which version the tree was deployed: versions have no order, so whether the
//! new one is newer nobody here can know.

use std::fmt;

use relup::layout::BaseRoot;
use relup::marker::Marker;
use relup::vsn::ReleaseVsn;
use serde_json::{Value, json};

use crate::manifest_file::read_header;
use crate::release::Identity;

/// What the original release was and is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// When the tree that boots was deployed.
    pub was: ReleaseVsn,
    /// Now.
    pub now: ReleaseVsn,
    /// What the marker names.
    pub marked: ReleaseVsn,
}

/// Whether another original release is there than the one beside which the marked tree was deployed;
/// `None` too where that cannot be known. Nothing is changed.
#[must_use]
pub fn observe(home: &BaseRoot, marked: &ReleaseVsn) -> Option<Replaced> {
    let was = read_header(&home.manifest(marked)).ok()?.base?;
    let now = Identity::read(&home.tree(), home).ok()?.vsn;
    (was != now).then(|| Replaced {
        was,
        now,
        marked: marked.clone(),
    })
}

/// The same for whatever the marker is.
pub(crate) fn below(marker: &Marker, home: &BaseRoot) -> Option<Replaced> {
    match marker {
        Marker::Current(vsn) => observe(home, vsn),
        Marker::Absent | Marker::Damaged(_) => None,
    }
}

impl Replaced {
    /// For `--json`.
    pub(crate) fn to_json(&self) -> Value {
        json!({ "was": self.was.as_str(), "now": self.now.as_str() })
    }
}

impl fmt::Display for Replaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Replaced { was, now, marked } = self;
        write!(
            f,
            "the installed release is {now} now (it was {was}), and relup/current names {marked}, which \
             boots; hint: `emqx relup rollback` and `emqx restart` change to {now}"
        )
    }
}
