//! The way of a batch: claim, book, acknowledge, and what happens when one of them fails.
//!
//! A machine without I/O. [`Batch::next_effect`] says what to do; whoever drives it does
//! that before it asks again, and answers where the effect says so. An answer that does not
//! fit the present step is ignored.
//!
//! The order of the effects is the safety of the line. A delivery is acknowledged only after
//! the commit that books it, or after Redis showed an equal mark of the ledger's present
//! epoch; a mark is left only after the commit it speaks of. So a driver that dies between
//! any two effects leaves deliveries that come again and are repeats.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use broker::Tier;
use claim::{Claimed, Mark};
use ledger::{Booked, Disposition, Entry, Outcome, Verdict};
use order::ParkReason;
use task::Hints;

use crate::claims::mark_of;
use crate::entry::to_be_parked;

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// A delivery with what it asserts. `D` is whatever the driver acknowledges by.
#[derive(Clone, Debug)]
pub struct Held<D> {
    /// What the broker handed out.
    pub delivery: D,
    /// What is booked for it.
    pub entry: Entry,
}

/// What the driver has to do, one at a time, in the order given.
#[derive(Clone, Debug)]
pub enum Effect<D> {
    /// Ask Redis what it knows of each; answer with [`Batch::claimed`].
    Claim(Vec<Mark>),
    /// Book all of these in one transaction, or none; answer with [`Batch::booked`] or
    /// [`Batch::not_booked`].
    Book(Arc<[Entry]>),
    /// Tell the publishers of rows that are committed.
    Hint(Hints),
    /// Mark in Redis as booked, in this epoch of the ledger.
    Mark(Vec<Mark>, String),
    /// Give these claims back.
    Release(Vec<Mark>),
    /// Acknowledge: these never come again.
    Acknowledge(Vec<D>),
    /// Have the broker deliver a copy after the tier's delay, because of this error of the
    /// ledger; answer with [`Batch::moved`] or [`Batch::not_moved`].
    Retry(D, Tier, String),
    /// Put on the parking queue, with this reason; answer with [`Batch::moved`] or
    /// [`Batch::not_moved`].
    Park(D, String),
    /// Wait; answer with [`Batch::rested`], or with [`Batch::stop`] once the process stops.
    Rest(Duration),
}

/// What the driver holds, on its way to its end: booked, moved to a retry or parking queue,
/// or left unacknowledged because the process stops.
#[derive(Debug)]
pub struct Batch<D> {
    /// How long a part is tried while the database is away.
    hold: Duration,
    /// Parts that wait to be booked, the next one last. A stack, so that halves are booked
    /// in their order.
    parts: Vec<Vec<Held<D>>>,
    step: Step<D>,
    effects: VecDeque<Effect<D>>,
}

/// What is waited for.
#[derive(Debug, Default)]
enum Step<D> {
    /// Nothing: the next part may be booked.
    #[default]
    Free,
    /// What Redis knows.
    Claiming(Vec<Held<D>>),
    /// The outcome of a transaction.
    Booking(Booking<D>),
    /// The end of a rest, to try the transaction again.
    BackingOff(Booking<D>),
    /// The broker's confirm of the first of `rest`. It has refused `kept`.
    Retrying {
        rest: VecDeque<Held<D>>,
        kept: Vec<Held<D>>,
        error: String,
    },
    /// The broker's confirm of a parked copy.
    Parking(Held<D>),
    /// The end of a rest, after neither the ledger nor the broker took it.
    Resting(Held<D>),
}

#[derive(Debug)]
struct Booking<D> {
    part: Vec<Held<D>>,
    entries: Arc<[Entry]>,
    /// The one notice of the part was rejected, and `entries` is a way to park it.
    parking: Option<Parking>,
    give_up: Instant,
    backoff: Duration,
}

/// What is left to try for a notice that the ledger rejects.
#[derive(Debug)]
struct Parking {
    detail: String,
    ways: std::vec::IntoIter<Entry>,
}

impl<D: Clone> Batch<D> {
    /// A batch just taken. While the database is away each part of it is tried for `hold`.
    #[must_use]
    pub fn new(taken: Vec<Held<D>>, hold: Duration) -> Self {
        let marks = taken.iter().map(|held| mark_of(&held.entry)).collect();
        Self {
            hold,
            parts: Vec::new(),
            step: Step::Claiming(taken),
            effects: [Effect::Claim(marks)].into(),
        }
    }

    /// What to do next; `None` once everything has come to an end.
    pub fn next_effect(&mut self, now: Instant) -> Option<Effect<D>> {
        while self.effects.is_empty() && matches!(self.step, Step::Free) {
            let part = self.parts.pop()?;
            if !part.is_empty() {
                let entries = part.iter().map(|held| held.entry.clone()).collect();
                self.book(part, entries, None, now);
            }
        }
        self.effects.pop_front()
    }

    /// What Redis knows of each, in order.
    ///
    /// Only an equal mark of the ledger's present epoch proves that a notice is booked. A
    /// claim somebody else holds proves nothing: its holder may be dead, so the ledger
    /// decides.
    pub fn claimed(&mut self, claimed: &[Claimed]) {
        let held = match std::mem::take(&mut self.step) {
            Step::Claiming(held) => held,
            other @ (Step::Free
            | Step::Booking(_)
            | Step::BackingOff(_)
            | Step::Retrying { .. }
            | Step::Parking(_)
            | Step::Resting(_)) => return self.step = other,
        };
        let (mut done, mut open) = (Vec::new(), Vec::with_capacity(held.len()));
        // Of what the answer does not speak nothing is known.
        let claimed = claimed.iter().chain(std::iter::repeat(&Claimed::Mine));
        for (held, claimed) in held.into_iter().zip(claimed) {
            match claimed {
                Claimed::Done => done.push(held.delivery),
                Claimed::Mine | Claimed::Busy => open.push(held),
            }
        }
        if !done.is_empty() {
            self.effects.push_back(Effect::Acknowledge(done));
        }
        self.parts.push(open);
    }

    /// The transaction is committed: tell the publishers, leave the marks, acknowledge.
    ///
    /// What is parked or disagrees stays unmarked: it may be tried again, and every copy of
    /// it should be seen.
    pub fn booked(&mut self, booked: Booked) {
        let Some(booking) = self.take_booking() else {
            return;
        };
        let Booked { verdicts, hints } = booked;
        let epoch = hints.epoch.clone();
        let (mut ended, mut open) = (Vec::with_capacity(verdicts.len()), Vec::new());
        for (entry, verdict) in booking.entries.iter().zip(&verdicts) {
            let marks = if is_settled(verdict) {
                &mut ended
            } else {
                &mut open
            };
            marks.push(mark_of(entry));
        }
        let hint = (!hints.rows.is_empty()).then_some(Effect::Hint(hints));
        let mark = (!ended.is_empty()).then_some(Effect::Mark(ended, epoch));
        let release = (!open.is_empty()).then_some(Effect::Release(open));
        let deliveries = booking.part.into_iter().map(|held| held.delivery);
        // Last, and only now: an acknowledged delivery never comes again.
        let acknowledge = Effect::Acknowledge(deliveries.collect());
        let effects = [hint, mark, release, Some(acknowledge)];
        self.effects.extend(effects.into_iter().flatten());
    }

    /// The transaction did not commit, or nobody knows whether it did. `detail` is the error
    /// with its causes; `jitter`, a random number from 0 to 1, spreads those who wait.
    ///
    /// Of a part that the database does not accept the halves are tried, until the notice
    /// at fault is alone and is parked.
    pub fn not_booked(
        &mut self,
        disposition: Disposition,
        detail: String,
        jitter: f64,
        now: Instant,
    ) {
        let Some(mut booking) = self.take_booking() else {
            return;
        };
        if disposition == Disposition::Retry {
            return self.back_off(booking, detail, jitter, now);
        }
        if let Some(parking) = booking.parking {
            return self.park(booking.part, parking, now);
        }
        if booking.part.len() > 1 {
            let second = booking.part.split_off(booking.part.len() / 2);
            self.parts.extend([second, booking.part]);
            return;
        }
        let ways = |entry| to_be_parked(entry, ParkReason::Rejected, &detail);
        let ways: Vec<_> = booking.entries.iter().flat_map(ways).collect();
        let ways = ways.into_iter();
        self.park(booking.part, Parking { detail, ways }, now);
    }

    /// The broker has confirmed the copy, and the delivery is finished.
    pub fn moved(&mut self) {
        match std::mem::take(&mut self.step) {
            Step::Retrying {
                mut rest,
                kept,
                error,
            } => {
                rest.pop_front();
                self.retry(rest, kept, error);
            }
            Step::Parking(_) => {}
            other @ (Step::Free
            | Step::Claiming(_)
            | Step::Booking(_)
            | Step::BackingOff(_)
            | Step::Resting(_)) => self.step = other,
        }
    }

    /// The broker has not confirmed the copy. The delivery is tried here again.
    pub fn not_moved(&mut self) {
        match std::mem::take(&mut self.step) {
            Step::Retrying {
                mut rest,
                mut kept,
                error,
            } => {
                kept.extend(rest.pop_front());
                self.retry(rest, kept, error);
            }
            Step::Parking(held) => {
                self.effects.push_back(Effect::Rest(BACKOFF_MOST));
                self.step = Step::Resting(held);
            }
            other @ (Step::Free
            | Step::Claiming(_)
            | Step::Booking(_)
            | Step::BackingOff(_)
            | Step::Resting(_)) => self.step = other,
        }
    }

    /// The rest is over.
    pub fn rested(&mut self) {
        match std::mem::take(&mut self.step) {
            Step::BackingOff(booking) => self.try_to_book(booking),
            Step::Resting(held) => self.parts.push(vec![held]),
            other @ (Step::Free
            | Step::Claiming(_)
            | Step::Booking(_)
            | Step::Retrying { .. }
            | Step::Parking(_)) => self.step = other,
        }
    }

    /// The process stops: what would have to wait is left to the broker, which hands it out
    /// again. A notice that the ledger rejects is still moved to the parking queue.
    pub fn stop(&mut self) {
        match std::mem::take(&mut self.step) {
            Step::BackingOff(Booking {
                part,
                parking: Some(parking),
                ..
            }) => self.park_on_queue(part, &parking.detail),
            Step::BackingOff(Booking { parking: None, .. }) => self.parts.clear(),
            Step::Resting(_) => {}
            other @ (Step::Free
            | Step::Claiming(_)
            | Step::Booking(_)
            | Step::Retrying { .. }
            | Step::Parking(_)) => self.step = other,
        }
    }

    fn book(
        &mut self,
        part: Vec<Held<D>>,
        entries: Arc<[Entry]>,
        parking: Option<Parking>,
        now: Instant,
    ) {
        self.try_to_book(Booking {
            part,
            entries,
            parking,
            give_up: now + self.hold,
            backoff: BACKOFF_FIRST,
        });
    }

    fn take_booking(&mut self) -> Option<Booking<D>> {
        match std::mem::take(&mut self.step) {
            Step::Booking(booking) => Some(booking),
            other @ (Step::Free
            | Step::Claiming(_)
            | Step::BackingOff(_)
            | Step::Retrying { .. }
            | Step::Parking(_)
            | Step::Resting(_)) => {
                self.step = other;
                None
            }
        }
    }

    fn try_to_book(&mut self, booking: Booking<D>) {
        let entries = Arc::clone(&booking.entries);
        self.effects.push_back(Effect::Book(entries));
        self.step = Step::Booking(booking);
    }

    /// Tries again in place, until the part has been held for too long.
    fn back_off(&mut self, mut booking: Booking<D>, error: String, jitter: f64, now: Instant) {
        let wait = booking.backoff.mul_f64(f64::midpoint(1.0, jitter));
        if now + wait <= booking.give_up {
            booking.backoff = (booking.backoff * 2).min(BACKOFF_MOST);
            self.effects.push_back(Effect::Rest(wait));
            self.step = Step::BackingOff(booking);
            return;
        }
        match booking.parking {
            Some(parking) => self.park_on_queue(booking.part, &parking.detail),
            None => self.retry(booking.part.into(), Vec::new(), error),
        }
    }

    /// Moves one after the other to a retry queue; what the broker does not take is booked
    /// here after all.
    fn retry(&mut self, rest: VecDeque<Held<D>>, kept: Vec<Held<D>>, error: String) {
        let Some(Held { delivery, entry }) = rest.front() else {
            return self.parts.push(kept);
        };
        let attempt = entry.notice.as_ref().map_or(0, |notice| notice.attempt);
        let retry = Effect::Retry(delivery.clone(), after_outage(attempt), error.clone());
        self.effects.push_back(retry);
        self.step = Step::Retrying { rest, kept, error };
    }

    /// Parks a notice that the ledger does not accept: there as something else, or else on
    /// the parking queue.
    fn park(&mut self, part: Vec<Held<D>>, mut parking: Parking, now: Instant) {
        match parking.ways.next() {
            Some(way) => self.book(part, [way].into(), Some(parking), now),
            None => self.park_on_queue(part, &parking.detail),
        }
    }

    fn park_on_queue(&mut self, part: Vec<Held<D>>, detail: &str) {
        // A rejected notice is alone in its part.
        for held in part {
            self.effects
                .push_back(Effect::Park(held.delivery.clone(), detail.to_owned()));
            self.step = Step::Parking(held);
        }
    }
}

fn is_settled(verdict: &Verdict) -> bool {
    verdict.conflicts.is_empty() && !matches!(verdict.outcome, Outcome::Parked(_))
}

/// The tier for a notice that the database was away for. The outage is no fault of the
/// notice, so the wait does not grow with its attempts: it ends soon after the outage does.
fn after_outage(attempt: u32) -> Tier {
    Tier::after(attempt).min(Tier::OneMinute)
}

#[cfg(test)]
mod tests;
