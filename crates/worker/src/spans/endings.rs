//! How notices ended, told apart from the lanes.
//!
//! The span of a notice links to the booking that its order began with, which the ledger knows.
//! No batch waits for that: endings are gathered for a moment, and the ledger is asked for many
//! at once.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use broker::{Broker, Delivery, Tier, consume_span};
use ledger::{FirstTrace, Ledger};
use order::{OrderId, ProjectId};
use task::Lane;
use telemetry::{Place, Span, SpanKind};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long endings are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// Endings that wait at most: those of [`GATHER`] at 20,000 notices a second, all of them told.
const WAITING_MAX: usize = 4_096;
/// Of so many the ledger is asked at once, at most.
const ASKED_MAX: usize = 512;
/// How long a process that stops waits for the ledger's answer.
const LINK_LIMIT: Duration = Duration::from_millis(200);

/// Outcome and reason, as they are told.
pub(crate) type Words = Option<(&'static str, Option<&'static str>)>;

/// What a span is an error of, where the ledger is away.
pub(crate) const UNAVAILABLE: &str = "ledger_unavailable";

/// How a notice left the worker.
pub(crate) struct Ending {
    pub(crate) at: SystemTime,
    pub(crate) delivery: Delivery,
    pub(crate) fault: Option<&'static str>,
    pub(crate) tier: Option<Tier>,
}

/// A notice at its end, of which is told.
pub(crate) struct Ended {
    pub(crate) lane: Lane,
    pub(crate) span: Span,
    pub(crate) ending: Ending,
    pub(crate) outcome: Words,
}

/// Where lanes leave what has ended.
#[derive(Clone)]
pub(crate) struct Desk {
    broker: Broker,
    ended: Sender<Ended>,
}

impl Desk {
    /// The second is to be run until every lane has dropped its desk.
    pub(crate) fn new(broker: Broker, ledger: Ledger, drain: CancellationToken) -> (Self, Endings) {
        let (ended, waiting) = mpsc::channel(WAITING_MAX);
        let desk = Self {
            broker: broker.clone(),
            ended,
        };
        let endings = Endings {
            broker,
            ledger,
            waiting,
            drain,
        };
        (desk, endings)
    }

    /// Never waits: what there is no room for is told without its link, and what the ledger was
    /// away for, too.
    pub(crate) fn leave(&self, ended: Ended) {
        if ended.ending.fault == Some(UNAVAILABLE) {
            return ended.tell(&self.broker, None);
        }
        if let Err(refused) = self.ended.try_send(ended) {
            refused.into_inner().tell(&self.broker, None);
        }
    }
}

/// The endings of all lanes.
pub(crate) struct Endings {
    broker: Broker,
    ledger: Ledger,
    waiting: Receiver<Ended>,
    drain: CancellationToken,
}

impl Endings {
    /// Tells until the drain, and until the last lane has gone.
    pub(crate) async fn run(mut self) -> Result<(), Infallible> {
        let mut all = Vec::new();
        while let Some(ended) = self.waiting.recv().await {
            all.push(ended);
            self.drain.run_until_cancelled(sleep(GATHER)).await;
            while let Ok(ended) = self.waiting.try_recv() {
                if all.len() == ASKED_MAX {
                    self.tell(&mut all).await;
                }
                all.push(ended);
            }
            self.tell(&mut all).await;
        }
        // A lane that dies drains the process; this task has not died before it.
        self.drain.cancelled().await;
        Ok(())
    }

    async fn tell(&self, all: &mut Vec<Ended>) {
        let of_each: Vec<_> = all.iter().map(Ended::order).collect();
        let orders: Vec<_> = of_each.iter().flatten().copied().collect();
        let firsts = spread(&of_each, self.first_bookings(&orders).await);
        for (ended, first) in all.drain(..).zip(firsts) {
            ended.tell(&self.broker, first.as_ref());
        }
    }

    /// Where these orders began, in their order; empty where the ledger does not say. Nothing is
    /// lost with a link.
    async fn first_bookings(&self, orders: &[(ProjectId, OrderId)]) -> Vec<Option<Place>> {
        if orders.is_empty() {
            return Vec::new();
        }
        let at_the_end = async {
            self.drain.cancelled().await;
            sleep(LINK_LIMIT).await;
        };
        let found = tokio::select! {
            found = self.ledger.first_traces(orders) => found.unwrap_or_default(),
            () = at_the_end => Vec::new(),
        };
        let place = |first: Option<FirstTrace>| {
            let first = first?;
            Place::of_booking(&first.trace_id, first.message.as_bytes())
        };
        found.into_iter().map(place).collect()
    }
}

/// Gives each that has a key the next of `found`, as long as there are any.
fn spread<K, V>(keys: &[Option<K>], found: Vec<Option<V>>) -> impl Iterator<Item = Option<V>> {
    let mut found = found.into_iter();
    keys.iter().map(move |key| {
        key.as_ref()?;
        found.next()?
    })
}

impl Ended {
    fn order(&self) -> Option<(ProjectId, OrderId)> {
        let task = self.ending.delivery.task.as_ref().ok()?;
        Some((task.project, task.order?))
    }

    /// `first` is where its order began.
    fn tell(self, broker: &Broker, first: Option<&Place>) {
        let Self {
            lane,
            span,
            ending,
            outcome,
        } = self;
        let fault = ending.fault.or_else(|| parked(outcome));
        let trace = span.place().map(Place::trace_id);
        let first = first.filter(|first| Some(first.trace_id()) != trace);
        span.end_at(
            ending.at,
            SpanKind::Consumer,
            consume_span(lane),
            fault,
            |told| {
                broker.tell_consumed(told, lane, &ending.delivery);
                if let Ok(task) = &ending.delivery.task {
                    told.set("grantline.attempt", i64::from(task.attempt));
                }
                told.set_some("grantline.outcome", outcome.map(|(outcome, _)| outcome))
                    .set_some("grantline.reason", outcome.and_then(|(_, reason)| reason))
                    .set_some("grantline.retry.tier", ending.tier.map(Tier::as_str));
                if let Some(first) = first {
                    told.link(first);
                }
            },
        );
    }
}

/// Why a notice is parked, if it is.
pub(crate) fn parked(outcome: Words) -> Option<&'static str> {
    match outcome {
        Some(("parked", reason)) => Some(reason.unwrap_or("parked")),
        Some(_) | None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_gets_what_was_found_of_it_and_nobody_gets_what_is_anothers() {
        let keys = [None, Some(1), Some(2), None, Some(3)];
        let found = vec![Some("one"), None, Some("three")];
        let spread_out: Vec<_> = spread(&keys, found).collect();
        assert_eq!(spread_out, [None, Some("one"), None, None, Some("three")]);
        assert_eq!(spread::<_, ()>(&keys, Vec::new()).count(), keys.len());
    }
}
