//! The books of a swarm: every message with its times, every drop, sorted by phase.
//!
//! Clients write from many threads; each sender has a page and a lock of its own. A message belongs
//! to the phase in which it was published, a drop to the phase in which it happened.

use std::collections::HashSet;
use std::fmt;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Reasons of drops that are kept for the report.
const REASONS: usize = 5;

/// What happened in one phase.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Name of the phase.
    pub phase: String,
    /// Messages that clients published.
    pub published: u64,
    /// Messages that the broker acknowledged.
    pub acknowledged: u64,
    /// Messages that came to their reader.
    pub received: u64,
    /// Receipts beyond the first of a message, which QoS 1 allows.
    pub duplicated: u64,
    /// Messages that the broker acknowledged and that never came.
    pub lost: u64,
    /// Messages that the broker neither acknowledged nor delivered.
    pub unacknowledged: u64,
    /// Connections that broke.
    pub drops: u64,
    /// Why the first of them broke.
    pub drop_reasons: Vec<String>,
    /// Longest time between a publish and its receipt.
    pub longest_gap: Duration,
    /// Half of the messages came faster than this.
    pub median_gap: Duration,
    /// Of a hundred messages 99 came faster than this.
    pub p99_gap: Duration,
}

impl Figures {
    /// Whether nobody was cut off and nothing got lost.
    #[must_use]
    pub fn unharmed(&self) -> bool {
        self.drops == 0 && self.lost == 0 && self.unacknowledged == 0
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            phase,
            published,
            received,
            duplicated,
            lost,
            drops,
            ..
        } = self;
        write!(
            f,
            "{phase}: {drops} connections dropped, {lost} of {published} messages lost, \
             {received} received ({duplicated} twice), longest gap {:.1} ms, p99 {:.1} ms, median {:.1} ms",
            millis(self.longest_gap),
            millis(self.p99_gap),
            millis(self.median_gap)
        )?;
        if self.unacknowledged > 0 {
            write!(f, ", {} never acknowledged", self.unacknowledged)?;
        }
        for reason in &self.drop_reasons {
            write!(f, "; {reason}")?;
        }
        Ok(())
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[derive(Debug)]
struct Message {
    phase: usize,
    sent: Instant,
    acknowledged: bool,
    gap: Option<Duration>,
    again: u32,
}

#[derive(Debug)]
struct Drop {
    phase: usize,
    reason: String,
}

/// The books.
#[derive(Debug)]
pub(super) struct Ledger {
    pages: Vec<Mutex<Vec<Message>>>,
    subscribed: Mutex<HashSet<usize>>,
    drops: Mutex<Vec<Drop>>,
    phases: Mutex<Vec<String>>,
    phase: AtomicUsize,
    /// How many messages of each sender the figures look at; all when there is no mark.
    horizon: Mutex<Vec<usize>>,
    closed: AtomicBool,
}

impl Ledger {
    pub(super) fn new(clients: usize) -> Self {
        Self {
            pages: (0..clients).map(|_| Mutex::default()).collect(),
            subscribed: Mutex::default(),
            drops: Mutex::default(),
            phases: Mutex::new(vec!["warm-up".to_owned()]),
            phase: AtomicUsize::new(0),
            horizon: Mutex::default(),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn begin(&self, name: &str) {
        let mut phases = lock(&self.phases);
        phases.push(name.to_owned());
        self.phase.store(phases.len() - 1, Ordering::SeqCst);
    }

    /// Nothing is written any more: what the clients do from now on is their leaving.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    pub(super) fn has_subscribed(&self, client: usize) {
        lock(&self.subscribed).insert(client);
    }

    pub(super) fn subscribed(&self) -> usize {
        lock(&self.subscribed).len()
    }

    pub(super) fn dropped(&self, client: usize, reason: &str) {
        if !self.closed.load(Ordering::SeqCst) {
            let reason = format!("client {client}: {reason}");
            lock(&self.drops).push(Drop {
                phase: self.current(),
                reason,
            });
        }
    }

    /// Opens the entry of a new message and gives its number.
    pub(super) fn published(&self, sender: usize) -> u32 {
        let mut page = lock(&self.pages[sender]);
        let (phase, sent) = (self.current(), Instant::now());
        page.push(Message {
            phase,
            sent,
            acknowledged: false,
            gap: None,
            again: 0,
        });
        u32::try_from(page.len() - 1).unwrap_or(u32::MAX)
    }

    pub(super) fn acknowledged(&self, sender: usize, number: u32) {
        if let Some(message) = lock(&self.pages[sender]).get_mut(number as usize) {
            message.acknowledged = true;
        }
    }

    pub(super) fn received(&self, sender: usize, number: u32) {
        let Some(page) = self.pages.get(sender) else {
            return;
        };
        if let Some(message) = lock(page).get_mut(number as usize) {
            match message.gap {
                None => message.gap = Some(message.sent.elapsed()),
                Some(_) => message.again += 1,
            }
        }
    }

    /// How many messages each sender has published up to now; from now on the figures look no
    /// further, so that messages that are still on their way do not count as missing.
    pub(super) fn mark(&self) -> Vec<usize> {
        let mark: Vec<usize> = self.pages.iter().map(|page| lock(page).len()).collect();
        lock(&self.horizon).clone_from(&mark);
        mark
    }

    pub(super) fn all_came_before(&self, mark: &[usize]) -> bool {
        self.pages.iter().zip(mark).all(|(page, count)| {
            let page = lock(page);
            page.iter()
                .take(*count)
                .all(|message| message.acknowledged && message.gap.is_some())
        })
    }

    pub(super) fn figures(&self, name: &str) -> Figures {
        let found = lock(&self.phases).iter().rposition(|phase| phase == name);
        found
            .map(|phase| self.figures_of(phase))
            .unwrap_or_default()
    }

    pub(super) fn all_figures(&self) -> Vec<Figures> {
        let count = lock(&self.phases).len();
        (0..count).map(|phase| self.figures_of(phase)).collect()
    }

    fn figures_of(&self, phase: usize) -> Figures {
        let name = lock(&self.phases).get(phase).cloned().unwrap_or_default();
        let mut figures = Figures {
            phase: name,
            ..Figures::default()
        };
        let mut gaps = Vec::new();
        let horizon = lock(&self.horizon).clone();
        for (sender, page) in self.pages.iter().enumerate() {
            let page = lock(page);
            let seen = horizon.get(sender).copied().unwrap_or(page.len());
            for message in page
                .iter()
                .take(seen)
                .filter(|message| message.phase == phase)
            {
                figures.published += 1;
                figures.acknowledged += u64::from(message.acknowledged);
                figures.received += u64::from(message.gap.is_some());
                figures.duplicated += u64::from(message.again);
                figures.lost += u64::from(message.acknowledged && message.gap.is_none());
                figures.unacknowledged += u64::from(!message.acknowledged && message.gap.is_none());
                gaps.extend(message.gap);
            }
        }
        gaps.sort_unstable();
        figures.longest_gap = gaps.last().copied().unwrap_or_default();
        figures.median_gap = gaps.get(gaps.len() / 2).copied().unwrap_or_default();
        figures.p99_gap = gaps.get(gaps.len() * 99 / 100).copied().unwrap_or_default();
        let drops = lock(&self.drops);
        let reasons = drops
            .iter()
            .filter(|drop| drop.phase == phase)
            .map(|drop| &drop.reason);
        figures.drop_reasons = reasons.clone().take(REASONS).cloned().collect();
        figures.drops = reasons.count() as u64;
        figures
    }

    fn current(&self) -> usize {
        self.phase.load(Ordering::SeqCst)
    }
}

/// A lock whose holder panicked still guards usable books: each entry is written in one go.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_duplicates_and_drops_are_told_apart_by_phase() {
        let ledger = Ledger::new(2);
        let before = ledger.published(0);
        ledger.received(0, before);
        ledger.acknowledged(0, before);
        ledger.begin("hop");
        let (lost, twice, open) = (
            ledger.published(0),
            ledger.published(0),
            ledger.published(1),
        );
        ledger.acknowledged(0, lost);
        ledger.received(0, twice);
        ledger.received(0, twice);
        ledger.acknowledged(0, twice);
        ledger.dropped(1, "reset");
        let hop = ledger.figures("hop");
        assert_eq!((hop.published, hop.acknowledged, hop.received), (3, 2, 1));
        assert_eq!(
            (hop.lost, hop.duplicated, hop.unacknowledged, hop.drops),
            (1, 1, 1, 1)
        );
        assert!(!hop.unharmed());
        assert!(ledger.figures("warm-up").unharmed());
        let _ = open;
    }

    #[test]
    fn messages_on_their_way_keep_a_mark_from_being_settled() {
        let ledger = Ledger::new(1);
        let number = ledger.published(0);
        let mark = ledger.mark();
        assert!(!ledger.all_came_before(&mark));
        ledger.received(0, number);
        ledger.acknowledged(0, number);
        ledger.published(0);
        assert!(ledger.all_came_before(&mark));
        assert!(
            ledger.figures("warm-up").unharmed(),
            "the later message is not missing yet"
        );
    }

    #[test]
    fn what_comes_after_the_close_is_no_drop() {
        let ledger = Ledger::new(1);
        ledger.close();
        ledger.dropped(0, "left");
        assert_eq!(ledger.figures("warm-up").drops, 0);
    }
}
