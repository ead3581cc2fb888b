//! From the broker's parking queue into the ledger, where a person finds it.
//!
//! The queue is only transport: here ends what the broker gave up after too many
//! deliveries, and what could be parked nowhere else at the time.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Consumer, Delivery, Unreadable};
use ledger::{Entry, Ledger, LedgerError};
use order::{Assertion, ParkReason, Reference};
use tokio_util::sync::CancellationToken;

use crate::Reading;
use crate::entry::entry;

const BACKOFF: Duration = Duration::from_secs(1);
const BATCH: usize = 20;

/// Parks whatever comes, until the drain.
pub(crate) async fn run(
    ledger: Ledger,
    consumer: Consumer,
    drain: CancellationToken,
) -> Result<(), Infallible> {
    let take = || consumer.batch(BATCH, Duration::ZERO);
    while let Some(deliveries) = drain.run_until_cancelled(take()).await {
        if deliveries.is_empty() {
            break;
        }
        for delivery in deliveries {
            match &delivery.task {
                Ok(task) => {
                    let detail = delivery.parked.clone().unwrap_or_default();
                    let reason = ParkReason::DeliveryLimit;
                    // By its digest: it must not stand in the way of a good copy.
                    let reference = Reference::message(&task.message.to_string());
                    let assertion = Assertion::Unprocessable { reason, detail };
                    let entries: Arc<[Entry]> = Arc::new([entry(task, Reading { reference, assertion })]);
                    let book = async || ledger.book(&entries, task::now()).await.map(drop);
                    until_taken(&consumer, &delivery, &drain, book).await;
                }
                Err(unreadable) => park_raw(&ledger, &consumer, &delivery, unreadable, &drain).await,
            }
        }
    }
    consumer.cancel().await;
    consumer.close().await;
    Ok(())
}

/// Parks a message that is no task.
pub(crate) async fn park_raw(
    ledger: &Ledger,
    consumer: &Consumer,
    delivery: &Delivery,
    unreadable: &Unreadable,
    drain: &CancellationToken,
) {
    let detail = unreadable.fault.to_string();
    let park = async || ledger.park_raw(&unreadable.body, ParkReason::Unreadable, &detail, task::now()).await;
    until_taken(consumer, delivery, drain, park).await;
}

/// Tries until the ledger has it, then acknowledges. Left unacknowledged at the drain.
async fn until_taken(
    consumer: &Consumer,
    delivery: &Delivery,
    drain: &CancellationToken,
    park: impl AsyncFn() -> Result<(), LedgerError>,
) {
    while let Err(error) = park().await {
        tracing::error!(error = &error as &dyn std::error::Error, "A message cannot be parked yet");
        if drain.run_until_cancelled(tokio::time::sleep(BACKOFF)).await.is_none() {
            return;
        }
    }
    consumer.finish([delivery.tag]).await;
}
