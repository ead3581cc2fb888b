//! What is measured about the broker.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

use crate::{PublishError, names};

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
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_unit(unit)
                .with_description(description)
                .build()
        };
        let metrics = Self {
            confirm: telemetry::durations(
                meter,
                "grantline.broker.confirm",
                "From handing a message to the broker to its confirm",
            ),
            failed: counter(
                "grantline.broker.publish_failures",
                "{message}",
                "Publishes that were not confirmed, as their callers saw them",
            ),
            refused: counter(
                "grantline.broker.refused",
                "{message}",
                "Messages the broker refused: a queue is full or failed",
            ),
            returned: counter(
                "grantline.broker.returned",
                "{message}",
                "Messages without any queue; must stay 0",
            ),
            lost: counter(
                "grantline.broker.connections_lost",
                "{connection}",
                "Connections and connection attempts that failed",
            ),
            rebuilt: counter(
                "grantline.broker.consumers_rebuilt",
                "{consumer}",
                "Consumers that were built anew",
            ),
            hints_dropped: counter(
                "grantline.broker.hints_dropped",
                "{message}",
                "Hint messages that were dropped; publishers find their rows in the ledger",
            ),
        };
        metrics.begin();
        metrics
    }

    /// Lets the series whose first increase somebody waits for begin at 0.
    fn begin(&self) {
        for counter in [&self.refused, &self.returned, &self.hints_dropped] {
            counter.add(0, &[]);
        }
        for outcome in PublishError::LABELS {
            self.failed.add(0, &[KeyValue::new("outcome", outcome)]);
        }
        for queue in names::queues() {
            self.rebuilt.add(0, &[KeyValue::new("queue", queue)]);
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

    /// Lets the losses of these ways begin at 0.
    pub(crate) fn begin_links(&self, links: impl IntoIterator<Item = &'static str>) {
        for link in links {
            self.lost.add(0, &[KeyValue::new("link", link)]);
        }
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
