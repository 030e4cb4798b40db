//! The search for the way: which of the tarballs at hand are on it.
//!
//! Hops count only if they lead to a release whose tarball is at hand, and are those that an upgrade to
//! that release would find: beside its tarball, in the catalog and plugins, inside the tarball. A
//! tarball of a directory is opened when the way leads over it, or when nothing else is left to look
//! into for the hops that it may hold; opened means verified and extracted, because that is the only way to
//! know what it is.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use relup::hop::HopPath;

use super::at_hand::AtHand;
use crate::error::{ChainError, Error};
use crate::hops::{self, Candidate, chain};
use crate::prepare::{Opened, Tools};

/// A search that goes on.
pub(super) struct Search<'s, 'a, 'c> {
    tools: &'s mut Tools<'a, 'c>,
    at_hand: &'s AtHand,
    from: &'s str,
    /// The target, verified and extracted.
    target: &'s Opened,
    /// The hops of catalog and plugins.
    installed: Vec<HopPath>,
    /// The hops beside tarballs, with the tarball.
    beside: Vec<(PathBuf, HopPath)>,
    /// The hops inside of opened tarballs.
    inside: Vec<HopPath>,
    opened: Vec<Opened>,
    /// Warnings that were given.
    told: &'s mut HashSet<String>,
}

impl<'s, 'a, 'c> Search<'s, 'a, 'c> {
    /// Opens what was named.
    pub(super) fn new(
        tools: &'s mut Tools<'a, 'c>,
        at_hand: &'s AtHand,
        from: &'s str,
        target: &'s Opened,
        told: &'s mut HashSet<String>,
    ) -> Result<Self, Error> {
        let mut search = Search {
            tools,
            at_hand,
            from,
            target,
            installed: Vec::new(),
            beside: Vec::new(),
            inside: Vec::new(),
            opened: Vec::new(),
            told,
        };
        search.installed = search.list(hops::installed(search.tools.install));
        search.inside = search.list_inside(target);
        for file in &at_hand.files {
            search.open_named(file)?;
        }
        let first = target.staged.tarball().path();
        let named = search
            .opened
            .iter()
            .map(|opened| opened.staged.tarball().path());
        let all = [first]
            .into_iter()
            .chain(named)
            .chain(at_hand.found.iter().map(PathBuf::as_path));
        let all: Vec<PathBuf> = all.map(Path::to_owned).collect();
        for tarball in all {
            let hops = search.list(hops::beside(&tarball).into_iter().collect());
            search
                .beside
                .extend(hops.into_iter().map(|hop| (tarball.clone(), hop)));
        }
        Ok(search)
    }

    /// The releases in between, in the order in which they are reached.
    ///
    /// # Errors
    /// There is no way, or a tarball on it is not right.
    pub(super) fn way(mut self) -> Result<Vec<Opened>, Error> {
        let target = self.target.identity.vsn.to_string();
        loop {
            let all = self.hops();
            let usable: Vec<HopPath> = all
                .iter()
                .filter(|hop| self.leads_on(hop))
                .cloned()
                .collect();
            let next = match chain::shortest(&usable, self.from, &target) {
                Some(way) => {
                    let over: Vec<&str> = way.iter().map(|&hop| usable[hop].to.as_str()).collect();
                    match over.iter().find(|vsn| !self.is_open(vsn)) {
                        None => {
                            let over: Vec<String> = over.into_iter().map(str::to_owned).collect();
                            return Ok(self.take(&over));
                        }
                        Some(vsn) => (*vsn).to_owned(),
                    }
                }
                None => {
                    let before = chain::leading_to(&usable, &target);
                    let closed = before.into_iter().find(|vsn| {
                        *vsn != self.from && !self.is_open(vsn) && self.at_hand.is_named(vsn)
                    });
                    match closed {
                        Some(vsn) => vsn.to_owned(),
                        None => return Err(self.no_way(&all)),
                    }
                }
            };
            self.open_version(&next)?;
        }
    }

    /// All hops that could be on the way, in the order in which they are searched.
    fn hops(&self) -> Vec<HopPath> {
        let beside = self
            .beside
            .iter()
            .filter(|(tarball, hop)| self.is_of(tarball, &hop.to));
        beside
            .map(|(_, hop)| hop)
            .chain(&self.installed)
            .chain(&self.inside)
            .cloned()
            .collect()
    }

    /// Whether a tarball is the one that an upgrade to this version would take.
    fn is_of(&self, tarball: &Path, vsn: &str) -> bool {
        let opened = self
            .all_open()
            .find(|opened| opened.identity.vsn.as_str() == vsn);
        match opened {
            Some(opened) => opened.staged.tarball().path() == tarball,
            None => matches!(self.by_name(vsn), Ok(Some(path)) if path == tarball),
        }
    }

    /// Whether what a hop leads to is at hand.
    fn leads_on(&self, hop: &HopPath) -> bool {
        self.is_open(&hop.to) || self.at_hand.is_named(&hop.to)
    }

    fn is_open(&self, vsn: &str) -> bool {
        self.all_open()
            .any(|opened| opened.identity.vsn.as_str() == vsn)
    }

    fn all_open(&self) -> impl Iterator<Item = &Opened> {
        [self.target].into_iter().chain(&self.opened)
    }

    fn by_name(&self, vsn: &str) -> Result<Option<&Path>, Error> {
        let target = self.target.staged.tarball().path();
        self.at_hand
            .named(vsn, target, self.target.identity.vsn.as_str())
    }

    /// Opens a tarball that was named. Another file of a release that is known already is a mistake,
    /// unless it is the same.
    fn open_named(&mut self, path: &Path) -> Result<(), Error> {
        let opened = self.tools.open(path)?;
        let vsn = opened.identity.vsn.as_str();
        let known = self
            .all_open()
            .find(|known| known.identity.vsn.as_str() == vsn);
        if let Some(known) = known {
            if known.staged.tarball().digest() == opened.staged.tarball().digest() {
                return Ok(());
            }
            return Err(Error::Chain(ChainError::AmbiguousTarball {
                vsn: vsn.to_owned(),
                files: vec![known.staged.tarball().path().to_owned(), path.to_owned()],
            }));
        }
        self.keep(opened);
        Ok(())
    }

    /// Opens the tarball that is called like a version.
    fn open_version(&mut self, vsn: &str) -> Result<(), Error> {
        let Some(path) = self.by_name(vsn)?.map(Path::to_owned) else {
            // Only versions that are found by name are asked for.
            return Err(self.no_way(&self.hops()));
        };
        let opened = self.tools.open(&path)?;
        if opened.identity.vsn.as_str() != vsn {
            return Err(Error::Chain(ChainError::OtherVersion {
                path,
                named: vsn.to_owned(),
                holds: opened.identity.vsn.to_string(),
            }));
        }
        self.keep(opened);
        Ok(())
    }

    fn keep(&mut self, opened: Opened) {
        let inside = self.list_inside(&opened);
        self.inside.extend(inside);
        self.opened.push(opened);
    }

    fn list_inside(&mut self, opened: &Opened) -> Vec<HopPath> {
        let vsn = &opened.identity.vsn;
        let mut hops = self.list(hops::inside(opened.staged.tree(), vsn));
        hops.retain(|hop| hop.to == vsn.as_str());
        hops
    }

    /// What is wrong with a hop file is told, once.
    fn list(&mut self, candidates: Vec<Candidate>) -> Vec<HopPath> {
        let (node, console) = (&mut *self.tools.node, &mut *self.tools.console);
        let told = &mut *self.told;
        let mut warn = |text: String| {
            if told.insert(text.clone()) {
                console.warn(text);
            }
        };
        let hops = hops::list(candidates, node, &mut warn);
        hops.into_iter().map(|hop| hop.path).collect()
    }

    /// The opened releases of these versions but for the target, in this order.
    fn take(self, over: &[String]) -> Vec<Opened> {
        let mut opened = self.opened;
        let mut taken = Vec::new();
        for vsn in over {
            let is_meant = |opened: &Opened| opened.identity.vsn.as_str() == vsn;
            if let Some(index) = opened.iter().position(is_meant) {
                taken.push(opened.swap_remove(index));
            }
        }
        for unused in opened {
            self.tools.console.warn(format!(
                "{} is not on the way",
                unused.staged.tarball().path().display()
            ));
        }
        taken
    }

    fn no_way(&self, hops: &[HopPath]) -> Error {
        let target = self.target.identity.vsn.as_str();
        Error::Chain(match chain::shortest(hops, self.from, target) {
            Some(way) => {
                let way: Vec<HopPath> = way.iter().map(|&hop| hops[hop].clone()).collect();
                let to = way.iter().map(|hop| &hop.to);
                let missing = to.filter(|vsn| !self.is_open(vsn) && !self.at_hand.is_named(vsn));
                ChainError::MissingTarball {
                    missing: missing.cloned().collect(),
                    way,
                }
            }
            None => ChainError::NoRelupPath {
                from: self.from.to_owned(),
                to: target.to_owned(),
                supported: hops.iter().map(HopPath::to_string).collect(),
            },
        })
    }
}
