//! One lane: a consumer, what it reads, and one batch after the other.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Consumer, Delivery, Tier};
use ledger::Ledger;
use order::ParkReason;
use task::HeaderError;
use tokio_util::sync::CancellationToken;

use crate::batch::Held;
use crate::claims::Claimer;
use crate::entry::entry;
use crate::metrics::Metrics;
use crate::parking::Parker;
use crate::spans::Desk;
use crate::watching::Heads;
use crate::{Config, Handler};

const BACKOFF: Duration = Duration::from_secs(1);

/// Takes from one work queue, one batch after the other.
pub(crate) struct Lane {
    pub(crate) kind: task::Lane,
    pub(crate) config: Config,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) ledger: Ledger,
    pub(crate) broker: Broker,
    pub(crate) consumer: Consumer,
    pub(crate) claimer: Claimer,
    pub(crate) parker: Parker,
    pub(crate) metrics: Metrics,
    pub(crate) heads: Heads,
    pub(crate) desk: Desk,
    pub(crate) drain: CancellationToken,
}

impl Lane {
    /// Works until the drain, finishes the batch it holds, and gives back the rest.
    pub(crate) async fn run(self) -> Result<(), Infallible> {
        let (max, linger) = (self.config.batch.get(), self.config.linger);
        while let Some(deliveries) = self
            .drain
            .run_until_cancelled(self.consumer.batch(max, linger))
            .await
        {
            if deliveries.is_empty() {
                break;
            }
            let held = self.read(deliveries).await;
            self.settle(held).await;
        }
        self.consumer.cancel().await;
        self.consumer.close().await;
        Ok(())
    }

    /// Reads the tasks, and brings what is none to another end.
    async fn read(&self, deliveries: Vec<Delivery>) -> Vec<Held<Delivery>> {
        let mut held = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match &delivery.task {
                Ok(task) => {
                    self.heads.taken(self.kind, task.received_at);
                    let entry = entry(task, self.handler.read(task));
                    held.push(Held { delivery, entry });
                }
                Err(message) => match &message.fault {
                    HeaderError::Format { found } => self.leave(&delivery, found).await,
                    fault @ (HeaderError::Missing(_) | HeaderError::Unreadable { .. }) => {
                        let (reason, detail) = (ParkReason::Unreadable, fault.to_string());
                        self.parker
                            .take_in(&self.consumer, &delivery, reason, &detail)
                            .await;
                    }
                },
            }
        }
        held
    }

    /// Leaves a message of another format to a worker that knows it: while versions change,
    /// workers of both take from this queue.
    async fn leave(&self, delivery: &Delivery, format: &str) {
        tracing::warn!(
            lane = %self.kind, format,
            "A message is of a format that this version does not know; it is put back for a minute"
        );
        while let Err(refused) = self.consumer.retry(delivery, Tier::OneMinute).await {
            tracing::error!(lane = %self.kind, %refused, "A message cannot be put back yet");
            let pause = tokio::time::sleep(BACKOFF);
            if self.drain.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
        self.metrics.retried(self.kind);
    }
}
