//! The comparison of every connected player's position with the ledger.
//!
//! It finds what lost hints left out, and another epoch. It runs every half minute, and at
//! once when hints may have been missed; how the ledger answers it is what readiness knows
//! of the ledger.

use std::sync::Arc;
use std::time::Duration;

use httpd::Check;
use ledger::LedgerError;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::hub::{Hub, Position};
use crate::metrics::Metrics;
use crate::reader::Reader;

/// Players in one statement.
const CHUNK: usize = 500;

/// Pause after a comparison that failed.
const RETRY: Duration = Duration::from_secs(1);

pub(crate) struct Comparison {
    pub(crate) hub: Arc<Hub>,
    pub(crate) reader: Reader,
    pub(crate) metrics: Metrics,
    /// Hints may have been missed.
    pub(crate) gap: Arc<Notify>,
    pub(crate) interval: Duration,
    /// Ok from the first answer on.
    pub(crate) started: Check,
    /// How the newest attempt ended.
    pub(crate) ledger: Check,
}

impl Comparison {
    /// Compares for ever.
    pub(crate) async fn run(self) {
        let mut failing = false;
        loop {
            let outcome = self.compare().await;
            self.metrics.compared(outcome.is_ok());
            match &outcome {
                Ok(()) => {
                    self.started.ok();
                    self.ledger.ok();
                    if std::mem::take(&mut failing) {
                        tracing::info!("Positions can be compared again");
                    }
                    self.rest().await;
                }
                Err(error) => {
                    self.ledger.not_ok(error.to_string());
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(
                            error = error as &dyn std::error::Error,
                            "Cannot compare positions with the ledger; clients may miss statuses until it answers"
                        );
                    }
                    sleep(jittered(RETRY)).await;
                }
            }
        }
    }

    async fn compare(&self) -> Result<(), LedgerError> {
        let positions = self.hub.positions();
        if positions.is_empty() {
            return self.compare_chunk(&[]).await;
        }
        for chunk in positions.chunks(CHUNK) {
            self.compare_chunk(chunk).await?;
        }
        Ok(())
    }

    async fn compare_chunk(&self, positions: &[Position]) -> Result<(), LedgerError> {
        let (epoch, tops) = self.reader.tops(positions).await?;
        let behind = self.hub.compare(positions, &epoch, &tops);
        if behind > 0 {
            self.metrics.repaired(behind);
            tracing::info!(players = behind, "Lost hints were found");
        }
        Ok(())
    }

    /// Until the next comparison is due. Publishers that started together drift apart.
    async fn rest(&self) {
        tokio::select! {
            () = sleep(jittered(self.interval)) => {}
            () = self.gap.notified() => {}
        }
    }
}

/// Three quarters to five quarters of `duration`.
fn jittered(duration: Duration) -> Duration {
    duration.mul_f64(0.75 + rand::random::<f64>() / 2.0)
}
