//! What the worker counts.

use std::time::Duration;

use broker::Depth;
use ledger::{Entry, Outcome, Verdict};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};
use order::{Kind, ParkReason};
use task::Lane;
use time::OffsetDateTime;
use tokio::sync::watch;

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
        let counter = |name, description| {
            meter
                .u64_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            notices: counter(
                "grantline.worker.notices",
                "Notices that came to their end, by type, outcome and reason",
            ),
            conflicts: counter(
                "grantline.worker.conflicts",
                "Notices that disagree with an earlier one",
            ),
            spared: counter(
                "grantline.worker.spared",
                "Repeats that a mark in Redis kept from the ledger",
            ),
            retried: counter("grantline.worker.retried", "Notices moved to a retry queue"),
            unavailable: counter(
                "grantline.worker.ledger_unavailable",
                "Bookings the database could not take",
            ),
            batch_size: meter
                .u64_histogram("grantline.worker.batch_size")
                .with_description("Notices booked in one transaction")
                .with_boundaries(vec![1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0])
                .build(),
            booking: telemetry::durations(
                meter,
                "grantline.worker.booking",
                "One ledger transaction",
            ),
            received_to_booked: telemetry::durations(
                meter,
                "grantline.worker.received_to_booked",
                "From the webhook's last byte to the commit",
            ),
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
        let kind = KeyValue::new("type", known(&notice.kind));
        let outcome = if verdict.repeat { "repeat" } else { outcome };
        let reason = if verdict.repeat {
            ""
        } else {
            reason.unwrap_or("")
        };
        self.notices.add(
            1,
            &[
                kind.clone(),
                KeyValue::new("outcome", outcome),
                KeyValue::new("reason", reason),
            ],
        );
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
        self.notices.add(
            1,
            &[
                KeyValue::new("type", known(&Kind::Unreadable)),
                KeyValue::new("outcome", outcome),
                KeyValue::new("reason", reason.unwrap_or("")),
            ],
        );
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

/// Tells how full each queue was when it was last asked.
pub(crate) fn tell_depths(meter: &Meter, depths: watch::Receiver<Vec<Depth>>) {
    // The meter keeps the callback.
    let _ = meter
        .u64_observable_gauge("grantline.worker.queue_depth")
        .with_description("Messages that wait on a queue for a worker or for their time")
        .with_callback(move |gauge| {
            for Depth { queue, ready, .. } in depths.borrow().iter() {
                gauge.observe(*ready, &[KeyValue::new("queue", *queue)]);
            }
        })
        .build();
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
