//! What a batch tells of its notices.
//!
//! A batch is claimed and booked at once for notices of many traces. Each step is told once
//! for each notice, below the notice's own span and with the times of the batch: then every
//! trace is whole by itself, where links to spans of a batch would lead out of it, to a trace
//! of which a sampler decides apart. It costs nothing for notices whose trace is not sampled.

use std::time::SystemTime;

use broker::{Broker, Delivery, Tag, Tier, consume_span, place_of};
use claim::Claimed;
use ledger::{Entry, Ledger, Outcome, Verdict};
use order::{OrderId, ProjectId};
use task::{Hints, Lane};
use telemetry::{Place, Span, SpanKind, Told, now};

use crate::batch::Held;

/// The notices of one batch that have a place in a trace.
pub(crate) struct Trails {
    lane: Lane,
    trails: Vec<Trail>,
    /// Whether more is to be told than how notices fail.
    any_sampled: bool,
    began: SystemTime,
}

/// One notice in its worker's hands, from the moment its batch was taken.
struct Trail {
    tag: Tag,
    /// Of the publish that brought it.
    parent: Place,
    place: Place,
    ending: Option<Ending>,
    outcome: Option<(&'static str, Option<&'static str>)>,
}

/// How it left the worker.
struct Ending {
    at: SystemTime,
    delivery: Delivery,
    fault: Option<&'static str>,
    tier: Option<Tier>,
}

impl Trails {
    pub(crate) fn of(lane: Lane, held: &[Held<Delivery>]) -> Self {
        let trail = |held: &Held<Delivery>| {
            let parent = place_of(held.delivery.task.as_ref().ok()?)?;
            let span = Span::below(Some(parent.clone()));
            Some(Trail {
                tag: held.delivery.tag,
                place: span.place()?.clone(),
                parent,
                ending: None,
                outcome: None,
            })
        };
        let trails: Vec<_> = held.iter().filter_map(trail).collect();
        Self {
            lane,
            any_sampled: telemetry::tells() && trails.iter().any(|it| it.place.is_sampled()),
            trails,
            began: now(),
        }
    }

    /// Where the notice of an entry is.
    pub(crate) fn place(&self, entry: &Entry) -> Option<&Place> {
        let trace = entry.notice.as_ref()?.trace_id.as_ref()?;
        let places = self.trails.iter().map(|trail| &trail.place);
        places.into_iter().find(|place| place.is_in(trace))
    }

    pub(crate) fn place_of(&self, delivery: &Delivery) -> Option<&Place> {
        let found = self.trails.iter().find(|trail| trail.tag == delivery.tag);
        found.map(|trail| &trail.place)
    }

    /// Redis was asked. `claimed` is in the order of the batch.
    pub(crate) fn claimed(&self, began: SystemTime, held: &[Tag], claimed: &[Claimed]) {
        if !self.any_sampled {
            return;
        }
        let ended = now();
        for (tag, claimed) in held.iter().zip(claimed) {
            let Some(trail) = self.trails.iter().find(|trail| trail.tag == *tag) else {
                continue;
            };
            let said = match claimed {
                Claimed::Mine => "mine",
                Claimed::Busy => "busy",
                Claimed::Done => "done",
            };
            let describe = |told: &mut Told| {
                told.set("db.system.name", "redis")
                    .set("db.operation.name", "SET")
                    .set("grantline.claim", said);
                tell_batch(told, held.len());
            };
            let span = Span::known(trail.place.below(), Some(trail.place.clone()), began);
            span.end_at(ended, SpanKind::Client, "claim", None, describe);
        }
    }

    /// A batch is committed.
    pub(crate) fn booked(
        &mut self,
        system: &'static str,
        began: SystemTime,
        entries: &[Entry],
        verdicts: &[Verdict],
    ) {
        let ended = now();
        for (entry, verdict) in entries.iter().zip(verdicts) {
            let parked = matches!(verdict.outcome, Outcome::Parked(_)) && !verdict.repeat;
            if !self.any_sampled && !parked {
                continue;
            }
            let Some(trail) = self.trail(entry) else {
                continue;
            };
            let (outcome, reason) = verdict.outcome.as_words();
            trail.outcome = Some((outcome, reason));
            if !trail.place.is_sampled() {
                continue;
            }
            let place = match &entry.notice {
                // The ledger keeps what is needed to find this one again.
                Some(notice) if !verdict.repeat => trail.place.booking(notice.message.as_bytes()),
                Some(_) | None => trail.place.below(),
            };
            let span = Span::known(place, Some(trail.place.clone()), began);
            span.end_at(ended, SpanKind::Client, BOOK_SPAN, None, |told| {
                tell_booking(told, system, entry, entries.len());
                told.set("grantline.outcome", outcome)
                    .set_some("grantline.reason", reason)
                    .set("grantline.repeat", verdict.repeat);
            });
        }
    }

    /// A batch is not committed, or nobody knows whether it is: an error of each notice. But
    /// of a batch that is not accepted nobody knows yet whose error it is, and its halves are
    /// tried next.
    pub(crate) fn not_booked(
        &mut self,
        system: &'static str,
        began: SystemTime,
        entries: &[Entry],
        fault: &'static str,
    ) {
        if !telemetry::tells() {
            return;
        }
        let ended = now();
        let is_split = fault == REJECTED && entries.len() > 1;
        let fault = Some(fault).filter(|_| !is_split);
        for entry in entries {
            if let Some(trail) = self.trail(entry) {
                let span = Span::known(trail.place.below(), Some(trail.place.clone()), began);
                span.end_at(ended, SpanKind::Client, BOOK_SPAN, fault, |told| {
                    tell_booking(told, system, entry, entries.len());
                    told.set_some("grantline.outcome", is_split.then_some("split"));
                });
            }
        }
    }

    /// Has new rows travel with the places they came about at. The spans end when they are on
    /// their way.
    pub(crate) fn hint(&self, hints: &mut Hints, entries: &[Entry]) -> Vec<(Span, OrderId)> {
        let mut spans = Vec::new();
        if !self.any_sampled {
            return spans;
        }
        for entry in entries {
            let order = entry.assertion.order();
            let place = self.place(entry).filter(|place| place.is_sampled());
            let (Some(order), Some(place)) = (order, place) else {
                continue;
            };
            let rows = hints.rows.iter().enumerate();
            let of_order =
                rows.filter(|(_, row)| row.order == order && row.project == entry.project);
            let of_order: Vec<usize> = of_order.map(|(row, _)| row).collect();
            if of_order.is_empty() || hints.traces.of(of_order[0]).is_some() {
                continue;
            }
            let span = Span::known(place.below(), Some(place.clone()), now());
            if let Some(place) = span.place() {
                let traceparent = place.context().traceparent;
                for row in of_order {
                    hints.traces.put(row, traceparent.clone());
                }
            }
            spans.push((span, order));
        }
        spans
    }

    /// These are at their end here.
    pub(crate) fn ended(
        &mut self,
        deliveries: &[Delivery],
        fault: Option<&'static str>,
        tier: Option<Tier>,
    ) {
        if !self.any_sampled && (fault.is_none() || !telemetry::tells()) {
            let parked = self.trails.iter().any(|trail| trail.outcome.is_some());
            if !parked {
                return;
            }
        }
        let at = now();
        for delivery in deliveries {
            let found = |trail: &&mut Trail| trail.tag == delivery.tag;
            if let Some(trail) = self.trails.iter_mut().find(found) {
                trail.ending = Some(Ending {
                    at,
                    delivery: delivery.clone(),
                    fault,
                    tier,
                });
            }
        }
    }

    /// Tells how each notice ended, with a link to the booking that its order began with.
    pub(crate) async fn tell(self, broker: &Broker, ledger: &Ledger) {
        let mut ended: Vec<_> = self
            .trails
            .into_iter()
            .filter_map(|trail| Some((trail.ending?, trail.place, trail.parent, trail.outcome)))
            .collect();
        ended.retain(|(ending, place, _, outcome)| {
            place.is_sampled() || ending.fault.is_some() || parked(*outcome).is_some()
        });
        if ended.is_empty() || !telemetry::tells() {
            return;
        }
        let endings: Vec<_> = ended.iter().map(|(ending, ..)| ending).collect();
        let firsts = first_bookings(ledger, &endings).await;
        for ((ending, place, parent, outcome), first) in ended.into_iter().zip(firsts) {
            let fault = ending.fault.or_else(|| parked(outcome));
            let first = first.filter(|first| first.trace_id() != place.trace_id());
            let span = Span::known(place, Some(parent), self.began);
            let name = consume_span(self.lane);
            span.end_at(ending.at, SpanKind::Consumer, name, fault, |told| {
                broker.tell_consumed(told, self.lane, &ending.delivery);
                if let Ok(task) = &ending.delivery.task {
                    told.set("grantline.attempt", i64::from(task.attempt));
                }
                told.set_some("grantline.outcome", outcome.map(|(outcome, _)| outcome))
                    .set_some("grantline.reason", outcome.and_then(|(_, reason)| reason))
                    .set_some("grantline.retry.tier", ending.tier.map(Tier::as_str));
                if let Some(first) = first {
                    told.link(&first);
                }
            });
        }
    }

    fn trail(&mut self, entry: &Entry) -> Option<&mut Trail> {
        let trace = entry.notice.as_ref()?.trace_id.as_ref()?;
        self.trails.iter_mut().find(|it| it.place.is_in(trace))
    }
}

/// What a span is an error of, where the ledger is away.
pub(crate) const UNAVAILABLE: &str = "ledger_unavailable";
/// The same where the ledger does not accept a notice.
pub(crate) const REJECTED: &str = "ledger_rejected";

/// The name of a span in which a batch is booked.
const BOOK_SPAN: &str = "book notices";

fn tell_booking(told: &mut Told, system: &'static str, entry: &Entry, notices: usize) {
    let notice = entry.notice.as_ref();
    let order = entry.assertion.order().or(notice.and_then(|it| it.order));
    told.set("db.system.name", system)
        .set("db.operation.name", "book")
        .set("db.collection.name", "notices")
        .set_some("order.id", order.map(OrderId::get));
    tell_batch(told, notices);
}

/// One is no batch.
fn tell_batch(told: &mut Told, notices: usize) {
    if notices > 1 {
        let notices = i64::try_from(notices).unwrap_or(i64::MAX);
        told.set("db.operation.batch.size", notices);
    }
}

/// Why a notice is parked, if it is.
fn parked(outcome: Option<(&'static str, Option<&'static str>)>) -> Option<&'static str> {
    match outcome {
        Some(("parked", reason)) => Some(reason.unwrap_or("parked")),
        Some(_) | None => None,
    }
}

/// Where the orders of these began. Nothing is lost with a link, so a ledger that does not
/// answer is asked no second time.
async fn first_bookings(ledger: &Ledger, endings: &[&Ending]) -> Vec<Option<Place>> {
    let order = |ending: &&Ending| {
        let task = ending.delivery.task.as_ref().ok()?;
        Some((task.project, task.order?))
    };
    let all: Vec<Option<(ProjectId, OrderId)>> = endings.iter().map(order).collect();
    let orders: Vec<_> = all.iter().flatten().copied().collect();
    let found = if orders.is_empty() {
        Vec::new()
    } else {
        ledger.first_traces(&orders).await.unwrap_or_default()
    };
    let mut found = found.into_iter();
    let mut place = |order: &Option<_>| {
        order.as_ref()?;
        let first = found.next()??;
        Place::of_booking(&first.trace_id, first.message.as_bytes())
    };
    all.iter().map(&mut place).collect()
}
