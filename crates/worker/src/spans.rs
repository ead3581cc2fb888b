//! What a batch tells of its notices.
//!
//! A batch is claimed and booked at once for notices of many traces. Each step is told once
//! for each notice, below the notice's own span and with the times of the batch: then every
//! trace is whole by itself, where links to spans of a batch would lead out of it, to a trace
//! of which a sampler decides apart. It costs nothing for notices whose trace is not sampled.

mod endings;

use std::time::SystemTime;

use broker::{Delivery, Tag, Tier, place_of};
use bytes::Bytes;
use claim::Claimed;
use ledger::{Entry, Outcome, Verdict};
use order::OrderId;
use task::{Hints, Lane};
use telemetry::{Place, Span, SpanKind, Told, now};

pub(crate) use self::endings::{Desk, UNAVAILABLE};

use self::endings::{Ended, Ending, Words, parked};
use crate::batch::Held;

/// The notices of one batch that have a place in a trace.
pub(crate) struct Trails {
    lane: Lane,
    notices: Vec<Trail>,
    /// Whether there is somebody to tell.
    any_told: bool,
    began: SystemTime,
}

/// One notice in its worker's hands, from the moment its batch was taken.
struct Trail {
    tag: Tag,
    /// Of the publish that brought it.
    parent: Place,
    place: Place,
    ending: Option<Ending>,
    outcome: Words,
}

impl Trail {
    fn is_sampled(&self) -> bool {
        self.place.is_sampled()
    }

    /// Which of these it is.
    fn entry(&self, entries: &[Entry]) -> Option<usize> {
        let id = self.place.trace_id();
        let trace = |entry: &Entry| Some(entry.notice.as_ref()?.trace_id.as_deref()? == id);
        entries.iter().position(|entry| trace(entry) == Some(true))
    }
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
        let notices: Vec<_> = held.iter().filter_map(trail).collect();
        Self {
            lane,
            any_told: telemetry::tells(),
            notices,
            began: now(),
        }
    }

    /// Where the notice of an entry is.
    pub(crate) fn place(&self, entry: &Entry) -> Option<&Place> {
        let trace = entry.notice.as_ref()?.trace_id.as_ref()?;
        let mut places = self.notices.iter().map(|trail| &trail.place);
        places.find(|place| place.is_in(trace))
    }

    pub(crate) fn place_of(&self, delivery: &Delivery) -> Option<&Place> {
        let found = self.notices.iter().find(|trail| trail.tag == delivery.tag);
        found.map(|trail| &trail.place)
    }

    /// Redis was asked. `claimed` is in the order of `held`.
    pub(crate) fn claimed(&self, began: SystemTime, held: &[Tag], claimed: &[Claimed]) {
        let ended = now();
        for trail in self.sampled() {
            let index = held.iter().position(|tag| *tag == trail.tag);
            let said = match index.and_then(|index| claimed.get(index)) {
                Some(Claimed::Mine) => "mine",
                Some(Claimed::Busy) => "busy",
                Some(Claimed::Done) => "done",
                None => continue,
            };
            let span = Span::known(trail.place.below(), Some(trail.place.clone()), began);
            span.end_at(ended, SpanKind::Client, "claim", None, |told| {
                told.set("db.system.name", "redis")
                    .set("db.operation.name", "SET")
                    .set("grantline.claim", said);
                tell_batch(told, held.len());
            });
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
            if matches!(verdict.outcome, Outcome::Parked(_))
                && let Some(trail) = self.trail(entry)
            {
                trail.outcome = Some(verdict.outcome.as_words());
            }
        }
        if !self.any_told {
            return;
        }
        for trail in self.notices.iter_mut().filter(|trail| trail.is_sampled()) {
            let Some(index) = trail.entry(entries) else {
                continue;
            };
            let (entry, verdict) = (&entries[index], &verdicts[index]);
            let (outcome, reason) = verdict.outcome.as_words();
            trail.outcome = Some((outcome, reason));
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
        if !self.any_told {
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
        for trail in self.sampled() {
            let entry = trail.entry(entries).map(|index| &entries[index]);
            let Some((entry, order)) = entry.and_then(|it| Some((it, it.assertion.order()?)))
            else {
                continue;
            };
            let rows = hints.rows.iter().enumerate();
            let of_order =
                rows.filter(|(_, row)| (row.project, row.order) == (entry.project, order));
            let of_order: Vec<usize> = of_order.map(|(row, _)| row).collect();
            // The first notice of an order in the batch speaks for its rows.
            if of_order
                .first()
                .is_none_or(|row| hints.traces.of(*row).is_some())
            {
                continue;
            }
            let place = trail.place.below();
            let traceparent = place.context().traceparent;
            for row in of_order {
                hints.traces.put(row, traceparent.clone());
            }
            spans.push((Span::known(place, Some(trail.place.clone()), now()), order));
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
        if !self.any_told {
            return;
        }
        let at = now();
        for trail in &mut self.notices {
            let is_told = trail.is_sampled() || fault.is_some() || parked(trail.outcome).is_some();
            let found = |delivery: &&Delivery| delivery.tag == trail.tag;
            if is_told && let Some(delivery) = deliveries.iter().find(found) {
                trail.ending = Some(Ending {
                    at,
                    delivery: without_body(delivery),
                    fault,
                    tier,
                });
            }
        }
    }

    /// Leaves how each notice ended to be told.
    pub(crate) fn leave(self, desk: &Desk) {
        for trail in self.notices {
            let Some(ending) = trail.ending else {
                continue;
            };
            desk.leave(Ended {
                lane: self.lane,
                span: Span::known(trail.place, Some(trail.parent), self.began),
                ending,
                outcome: trail.outcome,
            });
        }
    }

    /// Those of which every step is told.
    fn sampled(&self) -> impl Iterator<Item = &Trail> {
        let any = if self.any_told {
            &self.notices[..]
        } else {
            &[]
        };
        any.iter().filter(|trail| trail.is_sampled())
    }

    fn trail(&mut self, entry: &Entry) -> Option<&mut Trail> {
        let trace = entry.notice.as_ref()?.trace_id.as_ref()?;
        self.notices.iter_mut().find(|it| it.place.is_in(trace))
    }
}

/// What a span is an error of, where the ledger does not accept a notice.
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

/// It may wait with many others, and what is told of it is not in the body.
fn without_body(delivery: &Delivery) -> Delivery {
    let mut delivery = delivery.clone();
    if let Ok(task) = &mut delivery.task {
        task.body = Bytes::new();
    }
    delivery
}

/// One is no batch.
fn tell_batch(told: &mut Told, notices: usize) {
    if notices > 1 {
        let notices = i64::try_from(notices).unwrap_or(i64::MAX);
        told.set("db.operation.batch.size", notices);
    }
}
