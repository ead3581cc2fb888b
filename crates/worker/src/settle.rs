//! What a batch asks for, done: the I/O of a lane.

use std::sync::Arc;
use std::time::Duration;

use broker::{Delivery, Tier};
use claim::Claimed;
use ledger::{Disposition, Entry};
use telemetry::chain;
use tokio::time::Instant;

use crate::batch::{Batch, Effect, Held};
use crate::lane::Lane;
use crate::report::report;

impl Lane {
    /// Brings every held delivery to an end: booked, or moved to a retry or parking queue,
    /// or left unacknowledged because the process stops.
    pub(crate) async fn settle(&self, held: Vec<Held<Delivery>>) {
        let mut batch = Batch::new(held, self.config.hold);
        while let Some(effect) = batch.next_effect(now()) {
            match effect {
                Effect::Claim(marks) => {
                    let claimed = self.claimer.claim(&marks).await;
                    self.count_spared(&claimed);
                    batch.claimed(&claimed);
                }
                Effect::Book(entries) => self.book(&entries, &mut batch).await,
                Effect::Hint(hints) => self.broker.send_hints(&hints),
                Effect::Mark(marks, epoch) => self.claimer.mark(&marks, &epoch).await,
                Effect::Release(marks) => self.claimer.release(&marks).await,
                Effect::Acknowledge(deliveries) => {
                    let tags = deliveries.iter().map(|delivery| delivery.tag);
                    self.consumer.finish(tags).await;
                }
                Effect::Retry(delivery, tier, error) => {
                    let is_moved = self.retry(&delivery, tier, &error).await;
                    answer(&mut batch, is_moved);
                }
                Effect::Park(delivery, detail) => {
                    let is_moved = self.park(&delivery, &detail).await;
                    answer(&mut batch, is_moved);
                }
                Effect::Rest(wait) => self.rest(wait, &mut batch).await,
            }
        }
    }

    fn count_spared(&self, claimed: &[Claimed]) {
        let is_done = |claimed: &&Claimed| **claimed == Claimed::Done;
        match claimed.iter().filter(is_done).count() {
            0 => {}
            spared => self.metrics.spared(self.kind, spared),
        }
    }

    async fn book(&self, entries: &Arc<[Entry]>, batch: &mut Batch<Delivery>) {
        let began = Instant::now();
        let at = task::now();
        let error = match self.ledger.book(entries, at).await {
            Ok(booked) => {
                let (verdicts, took) = (&booked.verdicts, began.elapsed());
                self.metrics.booked(self.kind, entries, verdicts, took, at);
                for (entry, verdict) in entries.iter().zip(verdicts) {
                    report(entry, verdict);
                }
                return batch.booked(booked);
            }
            Err(error) => error,
        };
        let (disposition, detail) = (error.disposition(), chain(&error));
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
    async fn retry(&self, delivery: &Delivery, tier: Tier, error: &str) -> bool {
        let moved = self.consumer.retry(delivery, tier).await;
        match &moved {
            Ok(()) => self.metrics.retried(self.kind),
            Err(refused) => {
                tracing::error!(lane = %self.kind, %refused, error, "A notice can be neither booked nor moved");
            }
        }
        moved.is_ok()
    }

    /// Whether the broker has parked the delivery.
    async fn park(&self, delivery: &Delivery, detail: &str) -> bool {
        let lane = self.kind;
        let moved = self.consumer.park(delivery, detail).await;
        match &moved {
            Ok(()) => {
                tracing::warn!(%lane, detail, "A notice waits on the parking queue, not in the ledger");
            }
            Err(refused) => {
                tracing::error!(%lane, %refused, detail, "A notice can be neither booked nor parked");
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
