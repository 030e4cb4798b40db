//! The states in which a power cut may leave a disk: what was flushed is there, of the rest anything.
//!
//! Two file systems are assumed. The *ordered* one (ext4 with `data=ordered`) keeps changes of names
//! in their order: a power cut loses the last ones, and any flush makes all earlier ones durable. The
//! *weak* one promises no more than POSIX does: each name that was not flushed through its own
//! directory may be there or not, as long as changes of one name keep their order. In both, content
//! that was not flushed is there, missing, torn in its middle or zero, whatever became of the name.

use crate::disk::{Inode, Op};
use crate::image::Image;
use crate::is_full;
use crate::power::Recording;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What a file system promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Model {
    /// Names keep their order, as in ext4's ordered mode.
    Ordered,
    /// Only what was flushed.
    Weak,
}

/// What became of content that was not flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    Lost,
    Torn,
    Zeroed,
}

const FATES: [Fate; 4] = [Fate::Kept, Fate::Lost, Fate::Torn, Fate::Zeroed];

/// One state after a power cut.
#[derive(Debug)]
pub struct State<'a> {
    /// Before which operation the power went; all of them were done where this is their number.
    pub cut: usize,
    /// The file system.
    pub model: Model,
    /// For each operation before the cut, whether its change of names is on the disk.
    pub kept: &'a [bool],
    /// What a start finds.
    pub image: Image,
}

/// Calls `visit` with every state, until it has seen enough. `ignored` is a flush that did not happen.
pub fn visit(
    recording: &Recording,
    ignored: Option<usize>,
    visit: &mut dyn FnMut(&State<'_>) -> ControlFlow<()>,
) -> ControlFlow<()> {
    // Before a flush nothing is different without it.
    let begin = ignored.map_or(0, |at| at + 1);
    for cut in begin..=recording.ops.len() {
        for model in [Model::Ordered, Model::Weak] {
            let moment = Moment::of(recording, ignored, cut, model);
            for kept in moment.names() {
                for fates in moment.fates() {
                    visit(&moment.state(&kept, &fates))?;
                }
            }
        }
    }
    ControlFlow::Continue(())
}

/// The moment at which the power goes.
struct Moment<'a> {
    recording: &'a Recording,
    cut: usize,
    model: Model,
    /// For each operation before the cut, whether it is on the disk for sure.
    durable: Vec<bool>,
    /// Files with content that may be lost.
    dirty: Vec<Inode>,
}

impl<'a> Moment<'a> {
    fn of(recording: &'a Recording, ignored: Option<usize>, cut: usize, model: Model) -> Self {
        let ops = &recording.ops[..cut];
        let mut durable = vec![false; cut];
        for (at, op) in ops.iter().enumerate() {
            if ignored == Some(at) || !op.is_flush() {
                continue;
            }
            for (earlier, done) in ops[..at].iter().zip(&mut durable) {
                *done |= is_flushed(earlier, op, model);
            }
        }
        let pending = ops.iter().zip(&durable).filter(|(_, durable)| !**durable);
        let dirty: BTreeSet<Inode> = pending.filter_map(|(op, _)| op.content_of()).collect();
        Moment {
            recording,
            cut,
            model,
            durable,
            dirty: dirty.into_iter().collect(),
        }
    }

    fn ops(&self) -> &[Op] {
        &self.recording.ops[..self.cut]
    }

    /// The sets of changes of names that may be on the disk.
    fn names(&self) -> Vec<Vec<bool>> {
        let is_open = |at: &usize| self.ops()[*at].is_name() && !self.durable[*at];
        let open: Vec<usize> = (0..self.cut).filter(is_open).collect();
        let mut wishes: Vec<Vec<usize>> = Vec::new();
        match self.model {
            Model::Ordered => wishes.extend((0..=open.len()).map(|len| open[..len].to_vec())),
            Model::Weak => {
                wishes.push(Vec::new());
                wishes.push(open.clone());
                // Each alone, as long as there are few: while a tree is written or removed there are
                // hundreds, and one is as good as another.
                let step = if is_full() { 1 } else { open.len() / 16 + 1 };
                for one in open.iter().step_by(step) {
                    wishes.push(self.with_needs(*one, &open));
                    wishes.push(open.iter().copied().filter(|other| other != one).collect());
                }
                let mut random = fastrand::Rng::with_seed(self.cut as u64);
                for _ in 0..if is_full() { 24 } else { 4 } {
                    wishes.push(open.iter().copied().filter(|_| random.bool()).collect());
                }
            }
        }
        let sets: BTreeSet<Vec<bool>> = wishes.iter().map(|wish| self.possible(wish)).collect();
        sets.into_iter().collect()
    }

    /// A change and the open ones without which it cannot be there.
    fn with_needs(&self, one: usize, open: &[usize]) -> Vec<usize> {
        let mut needed = vec![one];
        for earlier in open.iter().rev().filter(|earlier| **earlier < one) {
            let places = self.ops()[*earlier].places();
            let is_needed = |later: &usize| {
                self.ops()[*later]
                    .places()
                    .iter()
                    .any(|place| places.contains(place))
            };
            if needed.iter().any(is_needed) {
                needed.push(*earlier);
            }
        }
        needed
    }

    /// Of the changes that are wished for those that are possible: changes of one name keep their
    /// order, so what builds on a lost one is lost with it.
    fn possible(&self, wish: &[usize]) -> Vec<bool> {
        let mut lost: BTreeSet<(Inode, &str)> = BTreeSet::new();
        let mut kept = Vec::with_capacity(self.cut);
        for (at, op) in self.ops().iter().enumerate() {
            if !op.is_name() {
                kept.push(false);
                continue;
            }
            let wanted = self.durable[at] || wish.contains(&at);
            let hindered = op
                .places()
                .iter()
                .any(|(dir, name)| lost.contains(&(*dir, name.as_str())));
            let keep = wanted && (self.durable[at] || !hindered);
            if !keep {
                lost.extend(op.places().iter().map(|(dir, name)| (*dir, name.as_str())));
            }
            kept.push(keep);
        }
        kept
    }

    /// What may have become of the content of each dirty file.
    fn fates(&self) -> Vec<Vec<Fate>> {
        let count = self.dirty.len();
        let mut all: Vec<Vec<Fate>> = FATES.iter().map(|fate| vec![*fate; count]).collect();
        if count == 0 {
            all.truncate(1);
        } else if count == 2 {
            let pairs = FATES
                .iter()
                .flat_map(|one| FATES.iter().map(|two| vec![*one, *two]));
            all = pairs.collect();
        } else if count > 2 && count < 8 {
            for one in 0..count {
                for (rest, alone) in [(Fate::Kept, Fate::Lost), (Fate::Lost, Fate::Kept)] {
                    let mut fates = vec![rest; count];
                    fates[one] = alone;
                    all.push(fates);
                }
            }
        }
        all
    }

    fn state<'s>(&self, kept: &'s [bool], fates: &[Fate]) -> State<'s> {
        let mut disk = self.recording.disk.clone();
        let mut sure = disk.clone();
        for (at, op) in self.ops().iter().enumerate() {
            if op.is_name() {
                if kept[at] {
                    disk.apply(op);
                }
                continue;
            }
            let fate = op.content_of().and_then(|inode| {
                let place = self.dirty.iter().position(|dirty| *dirty == inode)?;
                Some(fates[place])
            });
            if self.durable[at] {
                sure.apply(op);
            }
            // Modes travel with the content; where that is lost they are.
            if self.durable[at] || fate != Some(Fate::Lost) {
                disk.apply(op);
            }
        }
        for (inode, fate) in self.dirty.iter().zip(fates) {
            let (old, new) = (sure.bytes(*inode).to_vec(), disk.bytes(*inode).to_vec());
            match fate {
                Fate::Kept | Fate::Lost => {}
                Fate::Torn => {
                    let mut torn = new.clone();
                    torn.truncate(old.len().min(new.len()).midpoint(new.len()));
                    disk.set_bytes(*inode, torn);
                }
                Fate::Zeroed => {
                    let begin = if old.len() < new.len() { old.len() } else { 0 };
                    let mut zeroed = new.clone();
                    zeroed[begin..].fill(0);
                    disk.set_bytes(*inode, zeroed);
                }
            }
        }
        State {
            cut: self.cut,
            model: self.model,
            kept,
            image: disk.image(),
        }
    }
}

/// Whether a flush makes an earlier operation durable.
fn is_flushed(op: &Op, flush: &Op, model: Model) -> bool {
    let Op::Flush(inode) = flush else {
        return true;
    };
    let of_inode = op.content_of() == Some(*inode);
    match model {
        // A commit of the file system's own journal; the content of other files is not in it.
        Model::Ordered => op.is_name() || of_inode,
        Model::Weak => of_inode || op.places().iter().any(|(dir, _)| dir == inode),
    }
}
