//! The metrics of a process, for Prometheus and for OTLP.

use std::time::Duration;

use opentelemetry::metrics::{Histogram, Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};
use tokio::runtime::Handle;

use crate::{Error, otlp, process};

/// Histogram bounds for durations, in seconds. The broker's confirm and the database's
/// commit take well below a millisecond, so the buckets begin there.
pub const DURATION_BUCKETS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

/// Label sets that name neither project nor caller. All types by all outcomes by all reasons
/// are more, but few of those can come together.
const LABEL_SETS: usize = 300;
/// Those of one project or caller: the currencies of the orders that wait, at the most.
const LABEL_SETS_OF_ONE: usize = 64;

/// The metrics of a process. Clones share them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    provider: SdkMeterProvider,
    registry: Registry,
}

impl Telemetry {
    /// Metrics that nobody is sent and no global state: for tests, and for commands that
    /// are over at once. [`Telemetry::metrics_text`] works.
    ///
    /// # Panics
    /// Never: a fresh registry takes its first collector.
    #[must_use]
    pub fn quiet() -> Self {
        Self::build(Resource::builder_empty().build(), None, 1)
            .expect("a fresh registry takes its first collector")
    }

    pub(crate) fn build(
        resource: Resource,
        push: Option<&otlp::Push>,
        named: usize,
    ) -> Result<Self, Error> {
        let registry = Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            // One more label on every series, to say what the prefix of its name says.
            .scope_info_enabled(false)
            .build()
            .map_err(Error::Reader)?;
        let mut builder = SdkMeterProvider::builder()
            .with_resource(resource)
            .with_reader(reader)
            .with_view(room_for(named));
        if let Some(push) = push {
            builder = builder.with_periodic_exporter(push.metrics()?);
        }
        Ok(Self {
            provider: builder.build(),
            registry,
        })
    }

    /// Where a role gets its instruments from. `owner` is the crate's name; instruments
    /// are named `grantline.<owner>.…`, for the name alone tells them apart in Prometheus.
    #[must_use]
    pub fn meter(&self, owner: &'static str) -> Meter {
        self.provider.meter(owner)
    }

    /// Tells from now on what the process itself takes: processor time, memory, open files,
    /// the tasks of `runtime`, and which version it is. To be called once.
    pub fn tell_process(&self, runtime: &Handle) {
        process::tell(&self.meter("process"), runtime);
    }

    /// Everything measured so far, in Prometheus' text format.
    pub fn metrics_text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "Metrics are not expressible in Prometheus' format");
            text.clear();
        }
        text
    }

    pub(crate) fn shutdown(&self, limit: Duration) -> OTelSdkResult {
        self.provider.shutdown_with_timeout(limit)
    }
}

/// Each instrument has room for the label sets of so many projects and callers. The SDK would
/// reserve 2,000 for each, megabytes in all, and count the rest as one, however many there are.
fn room_for(named: usize) -> impl Fn(&Instrument) -> Option<Stream> + Send + Sync + 'static {
    let most = LABEL_SETS.saturating_add(named.saturating_mul(LABEL_SETS_OF_ONE));
    move |_| Stream::builder().with_cardinality_limit(most).build().ok()
}

/// A histogram of seconds with [`DURATION_BUCKETS`]. `name` carries no unit; Prometheus
/// sees it with `_seconds` behind.
#[must_use]
pub fn durations(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    durations_and(meter, name, &[], description)
}

/// The same with `bounds` of its own between and behind them, in any order: where a promise
/// names a time, that time has to be one.
#[must_use]
pub fn durations_and(
    meter: &Meter,
    name: &'static str,
    bounds: &[f64],
    description: &'static str,
) -> Histogram<f64> {
    let mut all = [&DURATION_BUCKETS, bounds].concat();
    all.sort_by(f64::total_cmp);
    meter
        .f64_histogram(name)
        .with_unit("s")
        .with_description(description)
        .with_boundaries(all)
        .build()
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;

    const OVERFLOW: &str = "otel_metric_overflow";

    #[test]
    fn every_project_has_room_for_its_labels_and_hostile_ones_have_an_end() {
        let named = 40;
        let telemetry = Telemetry::build(Resource::builder_empty().build(), None, named).unwrap();
        let told = telemetry.meter("tests").u64_counter("told").build();
        let tell = |project: usize, currency: usize| {
            let labels = [("project", project), ("currency", currency)];
            let labels = labels.map(|(key, value)| KeyValue::new(key, value.to_string()));
            told.add(1, &labels);
        };
        for project in 0..named {
            for currency in 0..LABEL_SETS_OF_ONE {
                tell(project, currency);
            }
        }
        assert!(!telemetry.metrics_text().contains(OVERFLOW));
        (0..=LABEL_SETS).for_each(|currency| tell(named, currency));
        assert!(telemetry.metrics_text().contains(OVERFLOW));
    }
}
