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
use task::Task;
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
    while let Some(deliveries) = drain
        .run_until_cancelled(consumer.batch(BATCH, Duration::ZERO))
        .await
    {
        if deliveries.is_empty() {
            break;
        }
        for delivery in deliveries {
            let parking = match &delivery.task {
                Ok(task) => Parking::Task(given_up(task, delivery.parked.clone())),
                Err(unreadable) => Parking::Raw(unreadable),
            };
            take_in(&ledger, &consumer, &delivery, parking, &drain).await;
        }
    }
    consumer.cancel().await;
    consumer.close().await;
    Ok(())
}

/// The entry of a task that came by the parking queue. By its digest: it must not stand in
/// the way of a good copy.
fn given_up(task: &Task, why: Option<String>) -> Arc<[Entry]> {
    let (reason, detail) = (ParkReason::DeliveryLimit, why.unwrap_or_default());
    let reference = Reference::message(&task.message.to_string());
    let assertion = Assertion::Unprocessable { reason, detail };
    Arc::new([entry(
        task,
        Reading {
            reference,
            assertion,
        },
    )])
}

/// What is to be parked.
pub(crate) enum Parking<'a> {
    /// A task, as one entry.
    Task(Arc<[Entry]>),
    /// A message that is no task.
    Raw(&'a Unreadable),
}

impl Parking<'_> {
    async fn try_once(&self, ledger: &Ledger) -> Result<(), LedgerError> {
        match self {
            Self::Task(entries) => ledger.book(entries, task::now()).await.map(drop),
            Self::Raw(Unreadable { fault, body, .. }) => {
                let detail = fault.to_string();
                ledger
                    .park_raw(body, ParkReason::Unreadable, &detail, task::now())
                    .await
            }
        }
    }
}

/// Tries until the ledger has it, then acknowledges. Left unacknowledged at the drain.
pub(crate) async fn take_in(
    ledger: &Ledger,
    consumer: &Consumer,
    delivery: &Delivery,
    parking: Parking<'_>,
    drain: &CancellationToken,
) {
    while let Err(error) = parking.try_once(ledger).await {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "A message cannot be parked yet"
        );
        if drain
            .run_until_cancelled(tokio::time::sleep(BACKOFF))
            .await
            .is_none()
        {
            return;
        }
    }
    consumer.finish([delivery.tag]).await;
}
