//! Booking a batch, come what may: again while the database is away, in halves while one
//! entry is at fault.

use std::sync::Arc;
use std::time::Duration;

use broker::Tier;
use ledger::{Booked, Disposition, Entry, LedgerError};
use order::ParkReason;
use telemetry::chain;
use tokio::time::Instant;

use crate::entry::to_be_parked;
use crate::lane::{Held, Lane};
use crate::report::report;

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_MOST: Duration = Duration::from_secs(5);

/// What to do with a batch that was not booked.
enum Setback {
    /// The process stops: leave it unacknowledged, the broker hands it out again.
    Stopping,
    /// The database is away for longer than a batch is held.
    Away(LedgerError),
    /// The database does not accept an entry of it.
    Rejected(LedgerError),
}

impl Lane {
    /// Brings every held delivery to an end: booked, or moved to a retry or parking queue,
    /// or left unacknowledged because the process stops.
    ///
    /// The batch is halved around an entry that the database does not accept; a stack
    /// instead of recursion, so that halves are booked in their order.
    pub(crate) async fn settle(&self, held: Vec<Held>) {
        let mut stack = vec![held];
        while let Some(mut held) = stack.pop() {
            if held.is_empty() {
                continue;
            }
            match self.book(&held).await {
                Ok(()) => {}
                Err(Setback::Stopping) => return,
                Err(Setback::Away(error)) => stack.push(self.retry_later(held, &error).await),
                Err(Setback::Rejected(error)) if held.len() == 1 => {
                    stack.push(self.park(held, &error).await);
                }
                Err(Setback::Rejected(_)) => {
                    let second = held.split_off(held.len() / 2);
                    stack.push(second);
                    stack.push(held);
                }
            }
        }
    }

    /// Books in place until it is committed, `hold` is over, the process stops, or the
    /// data is at fault.
    async fn book(&self, held: &[Held]) -> Result<(), Setback> {
        let entries: Arc<[Entry]> = held.iter().map(|held| held.entry.clone()).collect();
        let give_up = Instant::now() + self.config.hold;
        let mut backoff = BACKOFF_FIRST;
        loop {
            let began = Instant::now();
            let at = task::now();
            let error = match self.ledger.book(&entries, at).await {
                Ok(booked) => {
                    self.metrics
                        .booked(self.kind, &entries, &booked.verdicts, began.elapsed(), at);
                    self.conclude(held, booked).await;
                    return Ok(());
                }
                Err(error) => error,
            };
            if error.disposition() == Disposition::Park {
                return Err(Setback::Rejected(error));
            }
            self.metrics.unavailable(self.kind);
            let wait = backoff.mul_f64(rand::random_range(0.5..1.0));
            tracing::warn!(
                lane = %self.kind, notices = held.len(), error = chain(&error),
                retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "The ledger did not take a batch; nothing is acknowledged"
            );
            if Instant::now() + wait > give_up {
                return Err(Setback::Away(error));
            }
            if self
                .drain
                .run_until_cancelled(tokio::time::sleep(wait))
                .await
                .is_none()
            {
                return Err(Setback::Stopping);
            }
            backoff = (backoff * 2).min(BACKOFF_MOST);
        }
    }

    /// The batch is committed: tell the publishers, leave the marks, acknowledge.
    async fn conclude(&self, held: &[Held], Booked { verdicts, hints }: Booked) {
        if !hints.rows.is_empty() {
            self.broker.send_hints(&hints);
        }
        for (held, verdict) in held.iter().zip(&verdicts) {
            report(&held.entry, verdict);
        }
        self.claimer.mark(held, &verdicts, &hints.epoch).await;
        // Only now: an acknowledged delivery never comes again.
        self.consumer
            .finish(held.iter().map(|held| held.delivery.tag))
            .await;
    }

    /// Moves the deliveries to a retry queue. Gives back those the broker did not take, to
    /// be tried here again.
    async fn retry_later(&self, held: Vec<Held>, error: &LedgerError) -> Vec<Held> {
        let mut kept = Vec::new();
        for held in held {
            let attempt = held
                .entry
                .notice
                .as_ref()
                .map_or(0, |notice| notice.attempt);
            match self
                .consumer
                .retry(&held.delivery, after_outage(attempt))
                .await
            {
                Ok(()) => self.metrics.retried(self.kind),
                Err(refused) => {
                    let error = chain(error);
                    tracing::error!(lane = %self.kind, %refused, error, "A notice can be neither booked nor moved");
                    kept.push(held);
                }
            }
        }
        kept
    }

    /// Parks the notice that the ledger does not accept: in the ledger, or on the parking
    /// queue. Gives it back when neither takes it, to be tried here again, unless the
    /// process stops.
    async fn park(&self, held: Vec<Held>, error: &LedgerError) -> Vec<Held> {
        let detail = chain(error);
        let mut kept = Vec::new();
        for held in held {
            if self.is_parked_in_ledger(&held, &detail).await {
                continue;
            }
            let lane = self.kind;
            match self.consumer.park(&held.delivery, &detail).await {
                Ok(()) => {
                    tracing::warn!(%lane, detail, "A notice waits on the parking queue, not in the ledger");
                }
                Err(refused) => {
                    tracing::error!(%lane, %refused, detail, "A notice can be neither booked nor parked");
                    let pause = tokio::time::sleep(BACKOFF_MOST);
                    if self.drain.run_until_cancelled(pause).await.is_some() {
                        kept.push(held);
                    }
                }
            }
        }
        kept
    }

    async fn is_parked_in_ledger(&self, held: &Held, detail: &str) -> bool {
        for entry in to_be_parked(&held.entry, ParkReason::Rejected, detail) {
            let delivery = held.delivery.clone();
            match self.book(&[Held { delivery, entry }]).await {
                Ok(()) => return true,
                Err(Setback::Rejected(_)) => {}
                Err(Setback::Stopping | Setback::Away(_)) => return false,
            }
        }
        false
    }
}

/// The tier for a notice that the database was away for. The outage is no fault of the
/// notice, so the wait does not grow with its attempts: it ends soon after the outage does.
fn after_outage(attempt: u32) -> Tier {
    Tier::after(attempt).min(Tier::OneMinute)
}
