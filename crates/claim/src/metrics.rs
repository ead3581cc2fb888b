//! What is measured about claims.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

use crate::Claimed;
use crate::keeper::Failure;

/// The instruments of one process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    claims: Counter<u64>,
    conflicts: Counter<u64>,
    failures: Counter<u64>,
    take: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_unit(unit)
                .with_description(description)
                .build()
        };
        let metrics = Self {
            claims: counter(
                "grantline.claim.claims",
                "{notice}",
                "Notices by what Redis says of them",
            ),
            conflicts: counter(
                "grantline.claim.conflicts",
                "{notice}",
                "Notices whose ids are booked with other contents",
            ),
            failures: counter(
                "grantline.claim.failures",
                "{call}",
                "Failed calls to Redis; the ledger does without",
            ),
            take: telemetry::durations(meter, "grantline.claim.take", "Claiming one batch"),
        };
        metrics.conflicts.add(0, &[]);
        for failure in Failure::ALL {
            let failure = KeyValue::new("failure", failure.as_str());
            metrics.failures.add(0, &[failure]);
        }
        metrics
    }

    pub(crate) fn taken(&self, claims: &[Claimed], after: Duration) {
        self.take.record(after.as_secs_f64(), &[]);
        for (of, outcome) in [
            (Claimed::Mine, "mine"),
            (Claimed::Done, "done"),
            (Claimed::Busy, "busy"),
        ] {
            let count = claims.iter().filter(|claim| **claim == of).count();
            if count > 0 {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                self.claims.add(count, &[KeyValue::new("outcome", outcome)]);
            }
        }
    }

    pub(crate) fn conflict(&self) {
        self.conflicts.add(1, &[]);
    }

    pub(crate) fn failed(&self, failure: Failure) {
        self.failures
            .add(1, &[KeyValue::new("failure", failure.as_str())]);
    }
}
