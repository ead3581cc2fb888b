//! Into the ledger with what cannot be booked: there a person finds it.
//!
//! The broker's parking queue is only transport: it ends here, and brings what the broker
//! gave up after too many deliveries and what could be parked nowhere else at the time.
//! The queue of unrouted messages ends here too: their publishers were told that they are
//! safe.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, Consumer, Delivery, place_of};
use bytes::Bytes;
use ledger::{Disposition, Entry, Ledger, LedgerError};
use order::{Assertion, Kind, ParkReason};
use task::Task;
use telemetry::{Place, chain};
use tokio_util::sync::CancellationToken;

use crate::entry::{entry, to_be_parked};
use crate::metrics::Metrics;
use crate::report::report;
use crate::salvage::salvage;
use crate::{Handler, Reading};

const BACKOFF: Duration = Duration::from_secs(1);
const BATCH: usize = 20;

/// Which queue messages are parked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The parking queue.
    Parked,
    /// The queue of what found no other.
    Unrouted,
}

impl Origin {
    /// Why a delivery waits for a person.
    fn reason(self, delivery: &Delivery) -> (ParkReason, String) {
        match (self, delivery.parked.as_deref()) {
            (Self::Unrouted, _) => {
                let detail = "no queue takes its routing key: run `grantline migrate`";
                (ParkReason::Unrouted, detail.to_owned())
            }
            (Self::Parked, None) => (ParkReason::DeliveryLimit, String::new()),
            (Self::Parked, Some(Delivery::GIVEN_UP)) => {
                (ParkReason::DeliveryLimit, Delivery::GIVEN_UP.to_owned())
            }
            // The ledger had not accepted it, nor that it be parked.
            (Self::Parked, Some(ours)) => (ParkReason::Rejected, ours.to_owned()),
        }
    }
}

/// Parks deliveries in the ledger.
#[derive(Clone)]
pub(crate) struct Parker {
    pub(crate) ledger: Ledger,
    pub(crate) broker: Broker,
    /// Reads paid orders, where this process serves them.
    pub(crate) grants: Option<Arc<dyn Handler>>,
    pub(crate) metrics: Metrics,
    pub(crate) drain: CancellationToken,
}

/// One way to park a message.
enum Way {
    /// As one entry, of this trace.
    Entry(Arc<[Entry]>, Option<Place>),
    /// As bytes of which nothing is known.
    Raw(Bytes, ParkReason, String),
}

/// What came of one way.
enum Attempt {
    /// The ledger has it.
    Parked,
    /// The ledger does not accept it.
    Refused,
    /// The process stops.
    Stopping,
}

impl Parker {
    /// Parks whatever comes, until the drain.
    pub(crate) async fn run(self, consumer: Consumer, origin: Origin) -> Result<(), Infallible> {
        while let Some(deliveries) = self
            .drain
            .run_until_cancelled(consumer.batch(BATCH, Duration::ZERO))
            .await
        {
            if deliveries.is_empty() {
                break;
            }
            for delivery in deliveries {
                if origin == Origin::Unrouted {
                    let order = delivery.task.as_ref().ok().and_then(|task| task.order);
                    tracing::error!(
                        order.id = order.map(order::OrderId::get), lane = ?delivery.lane,
                        "A message found no queue; run `grantline migrate`"
                    );
                }
                let (reason, detail) = origin.reason(&delivery);
                self.take_in(&consumer, &delivery, reason, &detail).await;
            }
        }
        consumer.cancel().await;
        consumer.close().await;
        Ok(())
    }

    /// Tries until the ledger has it, then acknowledges. Left unacknowledged at the drain.
    pub(crate) async fn take_in(
        &self,
        consumer: &Consumer,
        delivery: &Delivery,
        reason: ParkReason,
        detail: &str,
    ) {
        for way in self.ways(delivery, reason, detail) {
            match self.insist(&way).await {
                Attempt::Parked => return consumer.finish([delivery.tag]).await,
                Attempt::Refused => {}
                Attempt::Stopping => return,
            }
        }
    }

    /// What to try, one after the other. The last one takes any bytes.
    fn ways(&self, delivery: &Delivery, reason: ParkReason, detail: &str) -> Vec<Way> {
        // PostgreSQL takes no NUL, and a header can hold one.
        let detail = detail.replace('\0', "\u{fffd}");
        let (task, body) = match &delivery.task {
            Ok(task) => (Some(task.clone()), &task.body),
            Err(message) => (salvage(message, task::now()), &message.body),
        };
        let mut ways = Vec::with_capacity(3);
        if let Some(task) = task {
            let entry = self.entry(&task, reason, &detail);
            let entries = to_be_parked(&entry, reason, &detail);
            let place = place_of(&task);
            let way = |entry| Way::Entry([entry].into(), place.clone());
            ways.extend(entries.into_iter().map(way));
        }
        ways.push(Way::Raw(body.clone(), reason, detail));
        ways
    }

    /// The entry of a task that was not read on its own lane. By its digest: it must not
    /// stand in the way of a good copy.
    fn entry(&self, task: &Task, reason: ParkReason, detail: &str) -> Entry {
        let mut reading = Reading::unprocessable(task, reason, detail.to_owned());
        let grants = self.grants.as_ref();
        if let Some(handler) = grants.filter(|_| task.kind == Kind::OrderPaid) {
            let assertion = handler.read(task).assertion;
            if matches!(assertion, Assertion::Paid { .. }) {
                reading.assertion = assertion;
            }
        }
        entry(task, reading)
    }

    /// Tries until the ledger has it, does not accept it, or the process stops.
    async fn insist(&self, way: &Way) -> Attempt {
        while let Err(error) = self.try_once(way).await {
            let is_refused = error.disposition() == Disposition::Park;
            if is_refused && matches!(way, Way::Entry(..)) {
                let error = chain(&error);
                tracing::warn!(error, "A message cannot be parked as what it says");
                return Attempt::Refused;
            }
            tracing::error!(error = chain(&error), "A message cannot be parked yet");
            let pause = tokio::time::sleep(BACKOFF);
            if self.drain.run_until_cancelled(pause).await.is_none() {
                return Attempt::Stopping;
            }
        }
        Attempt::Parked
    }

    async fn try_once(&self, way: &Way) -> Result<(), LedgerError> {
        let at = task::now();
        match way {
            Way::Entry(entries, place) => {
                let booked = self.ledger.book(entries, at).await?;
                self.broker.send_hints(&booked.hints);
                for (entry, verdict) in entries.iter().zip(&booked.verdicts) {
                    self.metrics.ended(entry, verdict, at);
                    report(entry, verdict, || place.as_ref());
                }
            }
            Way::Raw(body, reason, detail) => {
                self.ledger.park_raw(body, *reason, detail, at).await?;
                self.metrics.parked_raw(*reason);
                tracing::warn!(
                    reason = reason.as_str(),
                    detail,
                    "A message of which nothing is known needs a person"
                );
            }
        }
        Ok(())
    }
}
