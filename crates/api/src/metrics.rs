//! What is measured about requests. No label names a player or an order.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter};

/// The instruments of the role.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Counter<u64>,
    answered: Histogram<f64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        Self {
            requests: meter
                .u64_counter("grantline.api.requests")
                .with_unit("{request}")
                .with_description("Requests, by the caller's key, path, status and verdict")
                .build(),
            answered: telemetry::durations(
                meter,
                "grantline.api.answered",
                "From a request's head to its answer, by path",
            ),
        }
    }

    pub(crate) fn answered(
        &self,
        key: &str,
        route: &'static str,
        (status, verdict): (u16, &'static str),
        after: Duration,
    ) {
        let route = KeyValue::new("route", route);
        self.answered
            .record(after.as_secs_f64(), std::slice::from_ref(&route));
        let labels = [
            KeyValue::new("key", key.to_owned()),
            route,
            KeyValue::new("status", i64::from(status)),
            KeyValue::new("verdict", verdict),
        ];
        self.requests.add(1, &labels);
    }
}
