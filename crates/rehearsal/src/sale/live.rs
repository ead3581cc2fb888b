//! A rehearsal while it goes on: its journal as far as it is written, and how it stands.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::journal::{Answer, Fault, Gauge, Journal, Notice, Post, Seen, Shopper, Sight};

/// A journal that is being written. Copies write the same one.
#[derive(Clone, Debug)]
pub struct Live(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    began: Instant,
    journal: Mutex<Journal>,
    counts: Counts,
}

/// What there is at this moment.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) shoppers: AtomicUsize,
    pub(crate) requests: AtomicUsize,
    pub(crate) sockets: AtomicUsize,
}

/// A fault that lasts.
#[derive(Debug)]
#[must_use = "it lasts until it is told to be over"]
pub struct Lasting {
    live: Live,
    place: usize,
}

/// How a rehearsal stands, and what came since it was last asked.
#[derive(Clone, Debug)]
pub struct Moment {
    /// Since the beginning.
    pub at: Duration,
    /// How much time this tells of.
    pub span: Duration,
    /// Shoppers who have arrived so far.
    pub arrived: usize,
    /// Shoppers who arrived in the span.
    pub newly_arrived: usize,
    /// Answers in the span.
    pub answers: BTreeMap<Answer, usize>,
    /// Acknowledgement latencies of the span, from when each was due.
    pub p50: Option<Duration>,
    /// The same of the slowest hundredth.
    pub p99: Option<Duration>,
    /// Shoppers who have not ended.
    pub shoppers: usize,
    /// Requests without an answer yet.
    pub requests: usize,
    /// Open connections of players' clients.
    pub sockets: usize,
    /// Tasks that are queued in the instance, as it last said.
    pub backlog: Option<u64>,
}

/// Up to where somebody has looked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looked {
    at: Duration,
    posts: usize,
    shoppers: usize,
}

impl Live {
    /// An empty journal of this seed; the rehearsal begins now.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let journal = Journal {
            seed,
            ..Journal::default()
        };
        Self(Arc::new(Inner {
            began: Instant::now(),
            journal: Mutex::new(journal),
            counts: Counts::default(),
        }))
    }

    /// How long the rehearsal has gone on.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// The moment so long after the beginning.
    pub(crate) fn instant(&self, at: Duration) -> tokio::time::Instant {
        (self.0.began + at).into()
    }

    /// Writes down a fault that is over at once.
    pub fn fault(&self, what: &str) {
        let from = self.now();
        let what = what.to_owned();
        self.journal().faults.push(Fault {
            what,
            from,
            to: None,
        });
    }

    /// Writes down a fault that goes on until [`Lasting::over`].
    pub fn lasting_fault(&self, what: &str) -> Lasting {
        let from = self.now();
        let what = what.to_owned();
        let mut journal = self.journal();
        let place = journal.faults.len();
        journal.faults.push(Fault {
            what,
            from,
            to: None,
        });
        Lasting {
            live: self.clone(),
            place,
        }
    }

    /// How it stands, and what came since `looked`, which is moved on.
    #[must_use]
    pub fn moment(&self, looked: &mut Looked) -> Moment {
        let at = self.now();
        let counts = self.counts();
        let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
        let mut moment = Moment {
            at,
            span: at.saturating_sub(looked.at),
            arrived: 0,
            newly_arrived: 0,
            answers: BTreeMap::new(),
            p50: None,
            p99: None,
            shoppers: count(&counts.shoppers),
            requests: count(&counts.requests),
            sockets: count(&counts.sockets),
            backlog: None,
        };
        let mut took = Vec::new();
        {
            let journal = self.journal();
            moment.arrived = journal.shoppers.len();
            moment.backlog = journal.gauges.last().and_then(|gauge| gauge.backlog);
            for post in &journal.posts[looked.posts..] {
                *moment.answers.entry(post.answer).or_default() += 1;
                if post.is_acknowledged() {
                    took.push(post.ended.saturating_sub(post.due));
                }
            }
            looked.posts = journal.posts.len();
        }
        took.sort_unstable();
        moment.p50 = quantile(&took, 50);
        moment.p99 = quantile(&took, 99);
        moment.newly_arrived = moment.arrived - looked.shoppers;
        looked.shoppers = moment.arrived;
        looked.at = at;
        moment
    }

    /// What was written so far.
    #[must_use]
    pub fn so_far(&self) -> Journal {
        self.journal().clone()
    }

    /// Looks at what was written so far. Nothing is written meanwhile, so it should not take
    /// long.
    pub fn look<T>(&self, at: impl FnOnce(&Journal) -> T) -> T {
        at(&self.journal())
    }

    /// Takes what was written, and leaves nothing.
    pub(crate) fn take(&self) -> Journal {
        std::mem::take(&mut *self.journal())
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// The place of a shopper who has arrived.
    pub(crate) fn arrived(&self, shopper: Shopper) {
        self.journal().shoppers.push(shopper);
    }

    /// The order of the shopper at this place is known to be registered.
    pub(crate) fn registered(&self, shopper: u32, is_it: bool) {
        self.change(shopper, |shopper| shopper.registered = is_it);
    }

    /// A notice that nobody planned comes last among those of this shopper.
    pub(crate) fn also_told(&self, shopper: u32, notice: Notice) {
        self.change(shopper, |shopper| shopper.notices.push(notice));
    }

    fn change(&self, shopper: u32, how: impl FnOnce(&mut Shopper)) {
        let mut journal = self.journal();
        let place = usize::try_from(shopper).unwrap_or(usize::MAX);
        if let Some(shopper) = journal.shoppers.get_mut(place) {
            how(shopper);
        }
    }

    pub(crate) fn posted(&self, post: Post) {
        self.journal().posts.push(post);
    }

    pub(crate) fn saw(&self, player: &str, client: u32, seen: Seen) {
        let sight = Sight {
            player: player.to_owned(),
            client,
            at: self.now(),
            seen,
        };
        self.journal().sights.push(sight);
    }

    pub(crate) fn gauged(&self, backlog: Option<u64>) {
        let at = self.now();
        self.journal().gauges.push(Gauge { at, backlog });
    }

    fn journal(&self) -> MutexGuard<'_, Journal> {
        // Whoever panicked while writing left a whole entry or none.
        self.0
            .journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lasting {
    /// It is over now.
    pub fn over(self) {
        let to = self.live.now();
        if let Some(fault) = self.live.journal().faults.get_mut(self.place) {
            fault.to = Some(to);
        }
    }
}

/// One thing more as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub(crate) fn one(of: &'a AtomicUsize) -> Self {
        of.fetch_add(1, Ordering::Relaxed);
        Self(of)
    }

    /// Unless there are so many already.
    pub(crate) fn one_below(of: &'a AtomicUsize, bound: usize) -> Option<Self> {
        let one = Self::one(of);
        // Dropped again, where it is one too many.
        (of.load(Ordering::Relaxed) <= bound).then_some(one)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Of ascending values, the one that so many of a hundred do not exceed.
fn quantile(ascending: &[Duration], percent: usize) -> Option<Duration> {
    let place = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
    ascending.get(place).copied()
}
