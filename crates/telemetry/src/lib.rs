//! Traces, metrics and logs of a process.
//!
//! Logs go to stderr; stdout belongs to the commands. Metrics are always collected and
//! can be read as Prometheus text; with an OTLP endpoint they are pushed as well. Spans
//! always have ids, so that logs, tasks and parked entries can name their trace, and leave
//! the process only with an OTLP endpoint.
//!
//! Only [`init`] touches process-wide state, the `tracing` subscriber. Instruments are
//! built from a [`Telemetry`] that is handed around, so a test may hold several.

mod chain;
mod config;
mod context;
mod metrics;
mod otlp;
mod process;
mod repeats;
mod subscriber;

use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;

pub use chain::chain;
pub use config::{Config, Format};
pub use context::{TraceContext, current, set_parent};
pub use metrics::{DURATION_BUCKETS, Telemetry, durations, durations_and};
pub use opentelemetry::metrics::Meter;
pub use repeats::{QUIET, Repeats};

/// How long a process that stops waits for its last spans and metrics to leave. The SDK's
/// own limit for metrics, which it does not let us change.
const FLUSH_LIMIT: Duration = Duration::from_secs(5);

/// Why telemetry could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `level` is no filter.
    #[error(
        "telemetry.level `{level}` is not a log filter; write a level such as `info`, or directives such as `info,broker=debug`"
    )]
    Level {
        /// What was configured.
        level: String,
        /// Which part of it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// `otlp_endpoint` is not an address that can be pushed to.
    #[error(
        "telemetry.otlp_endpoint `{endpoint}` must be an http:// address such as `http://127.0.0.1:4318`; a collector behind TLS needs an agent beside this process"
    )]
    Endpoint {
        /// What was configured.
        endpoint: String,
    },
    /// `trace_ratio` is no share.
    #[error("telemetry.trace_ratio {ratio} must lie between 0 and 1")]
    Ratio {
        /// What was configured.
        ratio: f64,
    },
    /// The OTLP exporters refused their settings, the `OTEL_*` variables among them.
    #[error("cannot build the OTLP exporters")]
    Exporter(#[source] opentelemetry_otlp::ExporterBuildError),
    /// The metrics cannot be collected.
    #[error("cannot build the metrics reader")]
    Reader(#[source] opentelemetry_sdk::error::OTelSdkError),
    /// No threads for the exporters.
    #[error("cannot start the exporters' thread")]
    Thread(#[source] std::io::Error),
    /// [`init`] was called twice, or something else set a subscriber.
    #[error("this process has a tracing subscriber already")]
    Subscribed(#[source] tracing::subscriber::SetGlobalDefaultError),
}

/// Sets up logs, traces and metrics of this process. To be called once, by `main`.
///
/// `role` is the subcommand; it is put on every metric and span as `grantline.role`.
///
/// # Errors
/// A setting is wrong, or the process has a subscriber already. Nothing is checked over
/// the network: a collector that is away is logged and otherwise ignored.
pub fn init(config: &Config, role: &str) -> Result<Guard, Error> {
    config.check()?;
    let resource = config.resource(role);
    let push = config
        .otlp_endpoint
        .as_deref()
        .map(otlp::Push::to)
        .transpose()?;
    let telemetry = Telemetry::build(resource.clone(), push.as_ref())?;
    let tracer = tracer(config, resource, push.as_ref())?;
    subscriber::install(config, &tracer, push.is_some())?;
    Ok(Guard {
        telemetry,
        tracer,
        pushes: push.is_some(),
    })
}

fn tracer(
    config: &Config,
    resource: Resource,
    push: Option<&otlp::Push>,
) -> Result<SdkTracerProvider, Error> {
    let builder = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_sampler(config.sampler());
    Ok(match push {
        Some(push) => builder.with_batch_exporter(push.spans()?).build(),
        None => builder.build(),
    })
}

/// Keeps the exporters alive, and flushes them when dropped.
///
/// Flushing blocks the calling thread, at most five seconds; drop it last.
#[derive(Debug)]
#[must_use = "dropping it ends the exporters"]
pub struct Guard {
    telemetry: Telemetry,
    tracer: SdkTracerProvider,
    pushes: bool,
}

impl Guard {
    /// The metrics of this process.
    #[must_use]
    pub fn telemetry(&self) -> &Telemetry {
        &self.telemetry
    }

    /// Flushes and ends the exporters: what dropping does, in plain sight.
    pub fn shutdown(self) {
        drop(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.pushes {
            return;
        }
        // Side by side: a collector that hangs costs its time-out once.
        let (metrics, spans) = std::thread::scope(|scope| {
            let spans = scope.spawn(|| self.tracer.shutdown_with_timeout(FLUSH_LIMIT));
            (self.telemetry.shutdown(FLUSH_LIMIT), spans.join())
        });
        if let Err(error) = metrics {
            tracing::warn!(%error, "Last metrics are lost");
        }
        if let Ok(Err(error)) = spans {
            tracing::warn!(%error, "Last spans are lost");
        }
    }
}
