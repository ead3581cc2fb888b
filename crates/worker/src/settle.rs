//! What a batch asks for, done: the I/O of a lane.

use std::sync::Arc;
use std::time::Duration;

use broker::{Delivery, HINTS_SPAN, Tier};
use claim::Claimed;
use ledger::{Disposition, Entry};
use order::{OrderId, TransactionId};
use task::Hints;
use telemetry::{Place, SpanKind, chain};
use tokio::time::Instant;

use crate::batch::{Batch, Effect, Held};
use crate::lane::Lane;
use crate::report::report;
use crate::spans::{REJECTED, Trails, UNAVAILABLE};

impl Lane {
    /// Brings every held delivery to an end: booked, or moved to a retry or parking queue,
    /// or left unacknowledged because the process stops.
    pub(crate) async fn settle(&self, held: Vec<Held<Delivery>>) {
        let mut trails = Trails::of(self.kind, &held);
        let tags: Vec<_> = held.iter().map(|held| held.delivery.tag).collect();
        let mut booked = Arc::default();
        let mut batch = Batch::new(held, self.config.hold);
        while let Some(effect) = batch.next_effect(now()) {
            match effect {
                Effect::Claim(marks) => {
                    let began = telemetry::now();
                    let claimed = self.claimer.claim(&marks).await;
                    if self.claimer.asks() {
                        trails.claimed(began, &tags, &claimed);
                    }
                    self.count_spared(&claimed);
                    batch.claimed(&claimed);
                }
                Effect::Book(entries) => {
                    self.book(&entries, &mut batch, &mut trails).await;
                    booked = entries;
                }
                Effect::Hint(hints) => self.hint(hints, &booked, &trails),
                Effect::Mark(marks, epoch) => self.claimer.mark(&marks, &epoch).await,
                Effect::Release(marks) => self.claimer.release(&marks).await,
                Effect::Acknowledge(deliveries) => {
                    let tags = deliveries.iter().map(|delivery| delivery.tag);
                    self.consumer.finish(tags).await;
                    trails.ended(&deliveries, None, None);
                }
                Effect::Retry(delivery, tier, error) => {
                    let is_moved = self.retry(&delivery, tier, &error, &trails).await;
                    if is_moved {
                        trails.ended(&[delivery], Some(UNAVAILABLE), Some(tier));
                    }
                    answer(&mut batch, is_moved);
                }
                Effect::Park(delivery, detail) => {
                    let is_moved = self.park(&delivery, &detail, &trails).await;
                    if is_moved {
                        trails.ended(&[delivery], Some(REJECTED), None);
                    }
                    answer(&mut batch, is_moved);
                }
                Effect::Rest(wait) => self.rest(wait, &mut batch).await,
            }
        }
        trails.leave(&self.desk);
    }

    fn hint(&self, mut hints: Hints, booked: &[Entry], trails: &Trails) {
        let spans = trails.hint(&mut hints, booked);
        self.broker.send_hints(&hints);
        for (span, order) in spans {
            span.end(SpanKind::Producer, HINTS_SPAN, None, |told| {
                self.broker.tell_hints(told);
                told.set("order.id", order.get());
            });
        }
    }

    fn count_spared(&self, claimed: &[Claimed]) {
        let is_done = |claimed: &&Claimed| **claimed == Claimed::Done;
        match claimed.iter().filter(is_done).count() {
            0 => {}
            spared => self.metrics.spared(self.kind, spared),
        }
    }

    async fn book(&self, entries: &Arc<[Entry]>, batch: &mut Batch<Delivery>, trails: &mut Trails) {
        let (began, began_at) = (Instant::now(), telemetry::now());
        let system = self.ledger.system();
        let at = task::now();
        let error = match self.ledger.book(entries, at).await {
            Ok(booked) => {
                let (verdicts, took) = (&booked.verdicts, began.elapsed());
                self.metrics.booked(self.kind, entries, verdicts, took, at);
                trails.booked(system, began_at, entries, verdicts);
                for (entry, verdict) in entries.iter().zip(verdicts) {
                    report(entry, verdict, || trails.place(entry));
                }
                return batch.booked(booked);
            }
            Err(error) => error,
        };
        let (disposition, detail) = (error.disposition(), chain(&error));
        let fault = match disposition {
            Disposition::Retry => UNAVAILABLE,
            Disposition::Park => REJECTED,
        };
        trails.not_booked(system, began_at, entries, fault);
        if disposition == Disposition::Retry {
            self.metrics.unavailable(self.kind);
            tracing::warn!(
                lane = %self.kind, notices = entries.len(), error = detail,
                "The ledger did not take a batch; nothing is acknowledged"
            );
        }
        batch.not_booked(disposition, detail, rand::random(), now());
    }

    /// Whether the broker has taken the delivery to be tried later.
    async fn retry(&self, delivery: &Delivery, tier: Tier, error: &str, trails: &Trails) -> bool {
        let moved = self.consumer.retry(delivery, tier).await;
        let (order, transaction) = ids(delivery);
        match &moved {
            Ok(()) => self.metrics.retried(self.kind),
            Err(refused) => {
                let _within = trails.place_of(delivery).map(Place::enter);
                tracing::error!(
                    lane = %self.kind, order.id = order, transaction.id = transaction, %refused, error,
                    "A notice can be neither booked nor moved"
                );
            }
        }
        moved.is_ok()
    }

    /// Whether the broker has parked the delivery.
    async fn park(&self, delivery: &Delivery, detail: &str, trails: &Trails) -> bool {
        let lane = self.kind;
        let moved = self.consumer.park(delivery, detail).await;
        let (order, transaction) = ids(delivery);
        let _within = trails.place_of(delivery).map(Place::enter);
        match &moved {
            Ok(()) => {
                tracing::warn!(
                    %lane, order.id = order, transaction.id = transaction, detail,
                    "A notice waits on the parking queue, not in the ledger"
                );
            }
            Err(refused) => {
                tracing::error!(
                    %lane, order.id = order, transaction.id = transaction, %refused, detail,
                    "A notice can be neither booked nor parked"
                );
            }
        }
        moved.is_ok()
    }

    async fn rest(&self, wait: Duration, batch: &mut Batch<Delivery>) {
        let rest = tokio::time::sleep(wait);
        match self.drain.run_until_cancelled(rest).await {
            Some(()) => batch.rested(),
            None => batch.stop(),
        }
    }
}

/// Order and transaction of a delivery, for the log.
fn ids(delivery: &Delivery) -> (Option<i64>, Option<i64>) {
    let task = delivery.task.as_ref().ok();
    (
        task.and_then(|task| task.order).map(OrderId::get),
        task.and_then(|task| task.transaction)
            .map(TransactionId::get),
    )
}

fn answer(batch: &mut Batch<Delivery>, is_moved: bool) {
    if is_moved {
        batch.moved();
    } else {
        batch.not_moved();
    }
}

/// The machine's clock, which is the timers'.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
