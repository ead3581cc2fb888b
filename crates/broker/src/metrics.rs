//! What is measured about the broker.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

use crate::PublishError;

/// The instruments of one process.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    confirm: Histogram<f64>,
    failed: Counter<u64>,
    refused: Counter<u64>,
    returned: Counter<u64>,
    lost: Counter<u64>,
    rebuilt: Counter<u64>,
    hints_dropped: Counter<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            confirm: telemetry::durations(
                meter,
                "grantline.broker.confirm",
                "From handing a message to the broker to its confirm",
            ),
            failed: counter(
                "grantline.broker.publish_failures",
                "Publishes that were not confirmed, as their callers saw them",
            ),
            refused: counter(
                "grantline.broker.refused",
                "Messages the broker refused: a queue is full or failed",
            ),
            returned: counter(
                "grantline.broker.returned",
                "Messages without any queue; must stay 0",
            ),
            lost: counter(
                "grantline.broker.connections_lost",
                "Connections and connection attempts that failed",
            ),
            rebuilt: counter(
                "grantline.broker.consumers_rebuilt",
                "Consumers that were built anew",
            ),
            hints_dropped: counter(
                "grantline.broker.hints_dropped",
                "Hint messages that were dropped; publishers find their rows in the ledger",
            ),
        }
    }

    pub(crate) fn confirmed(&self, after: Duration) {
        self.confirm.record(after.as_secs_f64(), &[]);
    }

    pub(crate) fn failed(&self, error: &PublishError) {
        self.failed
            .add(1, &[KeyValue::new("outcome", error.label())]);
    }

    /// One that did not end in a confirm, refused ones among them.
    pub(crate) fn publish_failed(&self, error: &PublishError) {
        if *error == PublishError::Refused {
            self.refused();
        }
        self.failed(error);
    }

    pub(crate) fn refused(&self) {
        self.refused.add(1, &[]);
    }

    pub(crate) fn returned(&self) {
        self.returned.add(1, &[]);
    }

    pub(crate) fn lost(&self, link: &'static str) {
        self.lost.add(1, &[KeyValue::new("link", link)]);
    }

    pub(crate) fn rebuilt(&self, queue: &'static str) {
        self.rebuilt.add(1, &[KeyValue::new("queue", queue)]);
    }

    pub(crate) fn hints_dropped(&self, messages: u64) {
        self.hints_dropped.add(messages, &[]);
    }
}
