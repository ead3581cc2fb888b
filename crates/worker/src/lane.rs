//! One lane: a consumer, its claims, and the way of a batch.

use std::convert::Infallible;
use std::sync::Arc;

use broker::{Broker, Consumer, Delivery};
use ledger::{Entry, Ledger};
use tokio_util::sync::CancellationToken;

use crate::claims::Claimer;
use crate::entry::entry;
use crate::metrics::Metrics;
use crate::parking::{self, Parking};
use crate::{Config, Handler};

/// A delivery with what it asserts.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) delivery: Delivery,
    pub(crate) entry: Entry,
}

/// Takes from one work queue, one batch after the other.
pub(crate) struct Lane {
    pub(crate) kind: task::Lane,
    pub(crate) config: Config,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) ledger: Ledger,
    pub(crate) broker: Broker,
    pub(crate) consumer: Consumer,
    pub(crate) claimer: Claimer,
    pub(crate) metrics: Metrics,
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
            let (held, done) = self.claimer.without_done(held).await;
            if !done.is_empty() {
                self.metrics.spared(self.kind, done.len());
                self.consumer.finish(done).await;
            }
            self.settle(held).await;
        }
        self.consumer.cancel().await;
        self.consumer.close().await;
        Ok(())
    }

    /// Reads the tasks. A message that is no task is parked on the spot.
    async fn read(&self, deliveries: Vec<Delivery>) -> Vec<Held> {
        let mut held = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            match &delivery.task {
                Ok(task) => {
                    let entry = entry(task, self.handler.read(task));
                    held.push(Held { delivery, entry });
                }
                Err(unreadable) => {
                    let broken = Parking::Raw(unreadable);
                    parking::take_in(&self.ledger, &self.consumer, &delivery, broken, &self.drain)
                        .await;
                }
            }
        }
        held
    }
}
