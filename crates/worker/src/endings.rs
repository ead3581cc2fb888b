//! How notices ended, told apart from the lanes.
//!
//! The span of a notice links to the booking that its order began with, which the ledger knows.
//! No batch waits for that: endings are gathered for a moment, and the ledger is asked once for
//! all of them.

use std::convert::Infallible;
use std::time::{Duration, SystemTime};

use broker::{Broker, Delivery, Tier, consume_span};
use ledger::Ledger;
use order::{OrderId, ProjectId};
use task::Lane;
use telemetry::{Place, Span, SpanKind};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::spans::UNAVAILABLE;

/// How long endings are gathered.
const GATHER: Duration = Duration::from_millis(200);
/// Endings that wait at most: those of [`GATHER`] at 20,000 notices a second, all of them told.
const WAITING_MAX: usize = 4_096;
/// About how many the ledger is asked at once.
const ASKED_MAX: usize = 512;
/// How long the ledger may take to answer.
const LINK_LIMIT: Duration = Duration::from_millis(200);

/// Outcome and reason, as they are told.
pub(crate) type Words = Option<(&'static str, Option<&'static str>)>;

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
    pub(crate) place: Place,
    pub(crate) ending: Ending,
    pub(crate) outcome: Words,
}

/// Where lanes leave what has ended.
#[derive(Clone)]
pub(crate) struct Teller {
    broker: Broker,
    ended: Sender<Ended>,
}

impl Teller {
    /// The second is to be run until every lane has dropped its teller.
    pub(crate) fn new(broker: Broker, ledger: Ledger, drain: CancellationToken) -> (Self, Endings) {
        let (ended, waiting) = mpsc::channel(WAITING_MAX);
        let teller = Self {
            broker: broker.clone(),
            ended,
        };
        let endings = Endings {
            broker,
            ledger,
            waiting,
            drain,
        };
        (teller, endings)
    }

    /// Never waits: what there is no room for is told without its link.
    pub(crate) fn tell(&self, ended: Ended) {
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
    /// Tells until the last lane has gone.
    pub(crate) async fn run(mut self) -> Result<(), Infallible> {
        let mut all = Vec::new();
        while self.waiting.recv_many(&mut all, 1).await > 0 {
            self.drain.run_until_cancelled(sleep(GATHER)).await;
            while let Ok(ended) = self.waiting.try_recv() {
                all.push(ended);
                if all.len() == ASKED_MAX {
                    self.tell(&mut all).await;
                }
            }
            self.tell(&mut all).await;
        }
        Ok(())
    }

    async fn tell(&self, all: &mut Vec<Ended>) {
        let firsts = self.first_bookings(all).await;
        for (ended, first) in all.drain(..).zip(firsts) {
            ended.tell(&self.broker, first.as_ref());
        }
    }

    /// Where the orders of these began. Nothing is lost with a link, so a ledger that is away is
    /// not asked, and none is waited for.
    async fn first_bookings(&self, all: &[Ended]) -> Vec<Option<Place>> {
        let of_each: Vec<_> = all.iter().map(Ended::order).collect();
        let orders: Vec<_> = of_each.iter().flatten().copied().collect();
        let is_away = all.iter().any(|it| it.ending.fault == Some(UNAVAILABLE));
        let found = if orders.is_empty() || is_away {
            Vec::new()
        } else {
            let asked = timeout(LINK_LIMIT, self.ledger.first_traces(&orders)).await;
            asked.ok().and_then(Result::ok).unwrap_or_default()
        };
        let mut found = found.into_iter();
        let mut place = |order: &Option<_>| {
            order.as_ref()?;
            let first = found.next()??;
            Place::of_booking(&first.trace_id, first.message.as_bytes())
        };
        of_each.iter().map(&mut place).collect()
    }
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
            place,
            ending,
            outcome,
        } = self;
        let fault = ending.fault.or_else(|| parked(outcome));
        let first = first.filter(|first| first.trace_id() != place.trace_id());
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
