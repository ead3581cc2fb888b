//! What the worker counts, and what it tells for everybody.

mod told;

use std::time::Duration;

use ledger::{Conflict, Entry, Outcome, Verdict};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use order::{Kind, ParkReason};
use task::Lane;
use time::OffsetDateTime;

pub(crate) use told::{tell_epoch, tell_held, tell_watch};

/// Bounds, in seconds, for what was retried: a revoke is promised within a minute, and after
/// ten an order that is paid and not granted wakes somebody.
const LATE: [f64; 4] = [30.0, 60.0, 300.0, 600.0];

/// The worker's instruments.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    notices: Counter<u64>,
    conflicts: Counter<u64>,
    spared: Counter<u64>,
    retried: Counter<u64>,
    unavailable: Counter<u64>,
    batch_size: Histogram<u64>,
    booking: Histogram<f64>,
    received_to_booked: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name, unit, description| {
            meter
                .u64_counter(name)
                .with_unit(unit)
                .with_description(description)
                .build()
        };
        let metrics = Self {
            notices: counter(
                "grantline.worker.notices",
                "{notice}",
                "Notices that came to their end, by type, outcome and reason",
            ),
            conflicts: counter(
                "grantline.worker.conflicts",
                "{notice}",
                "Notices that disagree with an earlier one",
            ),
            spared: counter(
                "grantline.worker.spared",
                "{notice}",
                "Repeats that a mark in Redis kept from the ledger",
            ),
            retried: counter(
                "grantline.worker.retried",
                "{notice}",
                "Notices moved to a retry queue",
            ),
            unavailable: counter(
                "grantline.worker.ledger_unavailable",
                "{booking}",
                "Bookings the database could not take",
            ),
            batch_size: meter
                .u64_histogram("grantline.worker.batch_size")
                .with_unit("{notice}")
                .with_description("Notices booked in one transaction")
                .with_boundaries(vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0])
                .build(),
            booking: telemetry::durations(
                meter,
                "grantline.worker.booking",
                "One ledger transaction",
            ),
            received_to_booked: telemetry::durations_and(
                meter,
                "grantline.worker.received_to_booked",
                &LATE,
                "From the webhook's last byte to the commit, by the clocks of both machines",
            ),
        };
        metrics.begin();
        metrics
    }

    /// Lets the series whose first increase somebody waits for begin at 0.
    fn begin(&self) {
        let kinds = [
            Kind::OrderPaid,
            Kind::Payment,
            Kind::OrderCanceled,
            Kind::Refund,
        ];
        for reason in ParkReason::ALL {
            let (outcome, reason) = Outcome::Parked(reason).as_words();
            for kind in kinds.iter().chain([&Kind::Unreadable]) {
                self.notices.add(0, &labels(known(kind), outcome, reason));
            }
        }
        for kind in kinds {
            for conflict in Conflict::ALL {
                let labels = [
                    KeyValue::new("type", known(&kind)),
                    KeyValue::new("what", conflict.as_str()),
                ];
                self.conflicts.add(0, &labels);
            }
        }
        for lane in Lane::ALL {
            let lane = [KeyValue::new("lane", lane.as_str())];
            for counter in [&self.spared, &self.retried, &self.unavailable] {
                counter.add(0, &lane);
            }
        }
    }

    pub(crate) fn booked(
        &self,
        lane: Lane,
        entries: &[Entry],
        verdicts: &[Verdict],
        took: Duration,
        at: OffsetDateTime,
    ) {
        let lane = [KeyValue::new("lane", lane.as_str())];
        self.batch_size.record(entries.len() as u64, &lane);
        self.booking.record(took.as_secs_f64(), &lane);
        for (entry, verdict) in entries.iter().zip(verdicts) {
            self.ended(entry, verdict, at);
        }
    }

    /// One notice has come to its end.
    pub(crate) fn ended(&self, entry: &Entry, verdict: &Verdict, at: OffsetDateTime) {
        let Some(notice) = &entry.notice else {
            return;
        };
        let (outcome, reason) = verdict.outcome.as_words();
        let (outcome, reason) = if verdict.repeat {
            ("repeat", None)
        } else {
            (outcome, reason)
        };
        let kind = known(&notice.kind);
        self.notices.add(1, &labels(kind.clone(), outcome, reason));
        let kind = KeyValue::new("type", kind);
        for conflict in &verdict.conflicts {
            self.conflicts
                .add(1, &[kind.clone(), KeyValue::new("what", conflict.as_str())]);
        }
        self.received_to_booked
            .record((at - notice.received_at).as_seconds_f64().max(0.0), &[kind]);
    }

    /// A message that is no task and tells no type was parked.
    pub(crate) fn parked_raw(&self, reason: ParkReason) {
        let (outcome, reason) = Outcome::Parked(reason).as_words();
        let kind = known(&Kind::Unreadable);
        self.notices.add(1, &labels(kind, outcome, reason));
    }

    pub(crate) fn spared(&self, lane: Lane, count: usize) {
        self.spared
            .add(count as u64, &[KeyValue::new("lane", lane.as_str())]);
    }

    pub(crate) fn retried(&self, lane: Lane) {
        self.retried.add(1, &[KeyValue::new("lane", lane.as_str())]);
    }

    pub(crate) fn unavailable(&self, lane: Lane) {
        self.unavailable
            .add(1, &[KeyValue::new("lane", lane.as_str())]);
    }
}

fn labels(kind: String, outcome: &'static str, reason: Option<&'static str>) -> [KeyValue; 3] {
    [
        KeyValue::new("type", kind),
        KeyValue::new("outcome", outcome),
        KeyValue::new("reason", reason.unwrap_or("")),
    ]
}

/// Xsolla's name of a known type; a signer could send any other.
fn known(kind: &Kind) -> String {
    let other = matches!(kind, Kind::Other(_));
    if other {
        "other".to_owned()
    } else {
        kind.as_str().to_owned()
    }
}
