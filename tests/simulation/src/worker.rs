//! The I/O of a worker, made up: `worker::batch` says what to do, the seed says how it ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use broker::Tier;
use claim::{Claimed, Mark};
use ledger::{Booked, Disposition, Entry};
use order::Assertion;
use worker::batch::{Batch, Effect, Held};

use crate::broker::Delivery;
use crate::mutant::Mutant;
use crate::world::World;

/// How long a part of a batch is tried while the database is away.
const HOLD: Duration = Duration::from_secs(2);
const BATCH_MAX: usize = 4;
/// What a mutant's marks carry instead of the ledger's epoch.
const ANY_EPOCH: &str = "any";

/// One lane in a process of its own.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Marks its claims; another one for each life.
    token: String,
    batch: Option<Batch<Delivery>>,
    /// What the batch asked for and was not done yet.
    next: Option<Effect<Delivery>>,
    rests_until: Option<Instant>,
    is_stopping: bool,
    /// For mutants: what was done too early.
    early: Early,
}

#[derive(Debug, Default)]
struct Early {
    held: Vec<Delivery>,
    marks: Vec<Mark>,
}

impl Worker {
    pub(crate) fn new(token: String) -> Self {
        Self {
            token,
            batch: None,
            next: None,
            rests_until: None,
            is_stopping: false,
            early: Early::default(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.batch.is_none()
    }
}

impl World {
    /// The process dies. What it held comes again, to whoever takes it.
    pub(crate) fn crash_worker(&mut self, worker: usize) {
        self.tell(|| format!("worker {worker} dies"));
        self.lives += 1;
        self.broker.requeue(worker);
        self.workers[worker] = Worker::new(format!("{worker}.{}", self.lives));
    }

    /// One effect, or a batch taken.
    pub(crate) fn step_worker(&mut self, worker: usize) {
        let own = &mut self.workers[worker];
        let Some(batch) = &mut own.batch else {
            return self.take_batch(worker);
        };
        if let Some(until) = own.rests_until {
            if until > self.now {
                return;
            }
            own.rests_until = None;
            batch.rested();
        }
        let next = own.next.take().or_else(|| batch.next_effect(self.now));
        match next {
            Some(effect) => self.carry_out(worker, effect),
            None if own.is_stopping => self.crash_worker(worker),
            None => own.batch = None,
        }
    }

    /// The process is asked to stop, which ends a rest.
    pub(crate) fn stop_worker(&mut self, worker: usize) {
        self.tell(|| format!("worker {worker} is asked to stop"));
        let own = &mut self.workers[worker];
        own.is_stopping = true;
        match &mut own.batch {
            Some(batch) if own.rests_until.take().is_some() => batch.stop(),
            Some(_) => {}
            None => self.crash_worker(worker),
        }
    }

    fn take_batch(&mut self, worker: usize) {
        let most = 1 + self.chance.below(BATCH_MAX);
        let taken = self.broker.take(worker, most, &mut self.chance);
        if taken.is_empty() {
            return;
        }
        let hold = |delivery: Delivery| {
            let (notice, attempt) = self.broker.notice(delivery);
            let entry = self.scenario.entry(notice, attempt);
            Held { delivery, entry }
        };
        let early = taken.clone();
        let batch = Batch::new(taken.into_iter().map(hold).collect(), HOLD);
        self.tell(|| format!("worker {worker} takes {early:?}"));
        let own = &mut self.workers[worker];
        own.batch = Some(batch);
        own.early.held = early;
    }

    fn carry_out(&mut self, worker: usize, effect: Effect<Delivery>) {
        self.tell(|| format!("worker {worker}: {}", name_of(&effect)));
        match effect {
            Effect::Claim(marks) => self.claim(worker, &marks),
            Effect::Book(entries) => {
                if self.is_done_early(worker) {
                    self.workers[worker].next = Some(Effect::Book(entries));
                } else {
                    self.book(worker, &entries);
                }
            }
            Effect::Hint(hints) => self.send(&hints),
            Effect::Mark(marks, epoch) => {
                if !self.redis_fails() {
                    let epoch = if self.lacks(Mutant::MarksOfAnyEpoch) {
                        ANY_EPOCH
                    } else {
                        &epoch
                    };
                    self.redis.mark(&marks, epoch);
                }
            }
            Effect::Release(marks) => {
                if !self.redis_fails() {
                    self.redis.release(&marks, &self.workers[worker].token);
                }
            }
            Effect::Acknowledge(deliveries) => {
                if self.fails(5) {
                    // The connection is lost: all the worker holds comes again.
                    self.tell(|| format!("worker {worker} loses its connection"));
                    self.broker.requeue(worker);
                }
                for delivery in deliveries {
                    self.broker.acknowledge(delivery);
                }
            }
            Effect::Retry(delivery, Tier::FiveSeconds | Tier::OneMinute, _) => {
                if self.lacks(Mutant::FinishBeforeRetry) {
                    self.broker.acknowledge(delivery);
                }
                self.move_to(worker, delivery, |broker| broker.copy_to_retry(delivery));
            }
            Effect::Retry(_, tier, _) => {
                self.fault(|| format!("an outage sends a notice to {tier:?}"));
            }
            Effect::Park(delivery, _) => {
                self.move_to(worker, delivery, |broker| broker.copy_to_parked(delivery));
            }
            Effect::Rest(pause) => self.workers[worker].rests_until = Some(self.now + pause),
        }
    }

    fn batch(&mut self, worker: usize) -> Option<&mut Batch<Delivery>> {
        self.workers[worker].batch.as_mut()
    }

    /// Redis does nothing, or does it and nobody hears of it; then the worker goes on all the
    /// same.
    fn redis_fails(&mut self) -> bool {
        self.redis_is_away || self.fails(5)
    }

    fn claim(&mut self, worker: usize, marks: &[Mark]) {
        let epoch = match self.mutant {
            Some(Mutant::MarksOfAnyEpoch) => ANY_EPOCH.to_owned(),
            _ => self.ledger.epoch().to_owned(),
        };
        let nobody_knows = vec![Claimed::Mine; marks.len()];
        // The ledger's epoch is not known, or Redis does not answer.
        let mut claimed = if self.fails(5) || self.redis_is_away {
            nobody_knows
        } else {
            let answer = self.redis.take(marks, &self.workers[worker].token, &epoch);
            if self.fails(5) { nobody_knows } else { answer }
        };
        if self.lacks(Mutant::BusyMeansAcknowledge) {
            for claimed in claimed.iter_mut().filter(|it| **it == Claimed::Busy) {
                *claimed = Claimed::Done;
            }
        }
        if self.lacks(Mutant::MarkBeforeCommit) {
            self.workers[worker].early.marks = marks.to_vec();
        }
        let done = claimed.iter().filter(|it| **it == Claimed::Done).count();
        if done > 0 {
            self.tell(|| format!("  {done} are done"));
        }
        if let Some(batch) = self.batch(worker) {
            batch.claimed(&claimed);
        }
    }

    /// What a mutant does before its transaction.
    fn is_done_early(&mut self, worker: usize) -> bool {
        let early = std::mem::take(&mut self.workers[worker].early);
        let epoch = self.ledger.epoch().to_owned();
        self.redis.mark(&early.marks, &epoch);
        let acknowledges = self.lacks(Mutant::AcknowledgeBeforeCommit);
        for delivery in early.held.iter().filter(|_| acknowledges) {
            self.broker.acknowledge(*delivery);
        }
        !early.marks.is_empty() || (acknowledges && !early.held.is_empty())
    }

    fn book(&mut self, worker: usize, entries: &[Entry]) {
        let is_accepted = entries.iter().all(|entry| self.scenario.accepts(entry));
        let outcome = if self.ledger_is_away || self.fails(4) {
            Err((Disposition::Retry, "away"))
        } else if !is_accepted {
            Err((Disposition::Park, "rejected"))
        } else {
            let booked = self.commit(entries);
            // The commit took place, and its answer is lost.
            if self.fails(5) {
                Err((Disposition::Retry, "unknown"))
            } else {
                Ok(booked)
            }
        };
        let (jitter, now) = (self.chance.fraction(), self.now);
        self.tell(|| match &outcome {
            Ok(booked) => format!("  committed: {:?}", booked.verdicts),
            Err((_, why)) => format!("  {why}"),
        });
        let Some(batch) = self.batch(worker) else {
            return;
        };
        match outcome {
            Ok(booked) => batch.booked(booked),
            Err((disposition, why)) => batch.not_booked(disposition, why.to_owned(), jitter, now),
        }
    }

    /// One transaction.
    pub(crate) fn commit(&mut self, entries: &[Entry]) -> Booked {
        let booked = if self.lacks(Mutant::NoTombstone) {
            let entries = entries.iter().map(|entry| self.without_tombstone(entry));
            self.ledger.book(&entries.collect::<Vec<_>>())
        } else {
            self.ledger.book(entries)
        };
        self.truth.append(&booked.hints);
        booked
    }

    /// For a mutant: a cancellation with nothing to take back is no more than recorded.
    fn without_tombstone(&self, entry: &Entry) -> Entry {
        let mut entry = entry.clone();
        if let Assertion::Canceled {
            order,
            transaction,
            ref player,
            ..
        } = entry.assertion
            && !self.ledger.order(entry.project, order).granted
        {
            entry.assertion = Assertion::Recorded {
                order: Some(order),
                transaction,
                player: player.clone(),
            };
        }
        entry
    }

    /// A copy on another queue: confirmed and the delivery finished; confirmed, and the worker
    /// dies before that; there, but not confirmed; or not there.
    fn move_to(
        &mut self,
        worker: usize,
        delivery: Delivery,
        copy: impl FnOnce(&mut crate::broker::Broker),
    ) {
        let (is_there, is_confirmed) = match self.chance.below(20) {
            _ if self.is_calm => (true, true),
            0 => (false, false),
            1 => (true, false),
            _ => (true, true),
        };
        if is_there {
            copy(&mut self.broker);
        }
        if is_confirmed && self.fails(5) {
            return self.crash_worker(worker);
        }
        if is_confirmed {
            self.broker.acknowledge(delivery);
        }
        match self.batch(worker) {
            Some(batch) if is_confirmed => batch.moved(),
            Some(batch) => batch.not_moved(),
            None => {}
        }
    }
}

/// The effect's name, for the log.
fn name_of(effect: &Effect<Delivery>) -> String {
    match effect {
        Effect::Claim(marks) => format!("claim {}", marks.len()),
        Effect::Book(entries) => format!("book {:?}", kinds(entries)),
        Effect::Hint(hints) => format!("hint {} rows", hints.rows.len()),
        Effect::Mark(marks, epoch) => format!("mark {} in {epoch}", marks.len()),
        Effect::Release(marks) => format!("release {}", marks.len()),
        Effect::Acknowledge(deliveries) => format!("acknowledge {deliveries:?}"),
        Effect::Retry(delivery, tier, _) => format!("retry {delivery:?} after {tier:?}"),
        Effect::Park(delivery, _) => format!("park {delivery:?}"),
        Effect::Rest(pause) => format!("rest {pause:?}"),
    }
}

fn kinds(entries: &[Entry]) -> BTreeMap<String, usize> {
    let mut kinds = BTreeMap::new();
    for notice in entries.iter().filter_map(|entry| entry.notice.as_ref()) {
        *kinds
            .entry(format!("{} {}", notice.kind, notice.reference))
            .or_default() += 1;
    }
    kinds
}
