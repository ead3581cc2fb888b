//! Traces, metrics and logs of a process.
//!
//! Logs go to stderr; stdout belongs to the commands. Metrics are always collected and
//! can be read as Prometheus text. With an OTLP endpoint both are pushed as well. Spans
//! always have ids, so that logs, tasks and parked entries can name their trace, and leave
//! the process only with an OTLP endpoint: those of sampled traces, and those that end in
//! error.
//!
//! Only [`init`] touches process-wide state, the `tracing` subscriber. Instruments are
//! built from a [`Telemetry`] that is handed around, so a test may hold several.

mod chain;
mod client;
mod config;
mod context;
mod lines;
mod logs;
mod metrics;
mod otlp;
mod place;
mod process;
mod repeats;
mod span;
mod subscriber;
mod teller;
mod variables;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanProcessor as _};

pub use chain::chain;
pub use config::{Config, Format};
pub use context::{TraceContext, current};
pub use metrics::{DURATION_BUCKETS, Telemetry, durations, durations_and};
pub use opentelemetry::metrics::Meter;
pub use place::Place;
pub use repeats::{QUIET, Repeats};
pub use span::{Fault, Span, SpanKind, Told, now, tells};

use crate::otlp::Push;
use crate::teller::Teller;
use crate::variables::Variables;

/// How long a process that stops waits for its last spans, lines and metrics. The SDK's
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
    /// `otlp_endpoint`, or the variable in its place, is not an address that can be pushed to.
    #[error(
        "`{endpoint}` is no address of a collector; telemetry.otlp_endpoint, or OTEL_EXPORTER_OTLP_ENDPOINT where it is not set, must be an http:// or https:// address such as `http://127.0.0.1:4318`"
    )]
    Endpoint {
        /// What was configured.
        endpoint: String,
    },
    /// A collector behind TLS cannot be trusted: nobody is.
    #[error("cannot read the certificates this system trusts, for a collector behind TLS")]
    Roots(#[source] std::io::Error),
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
/// `named` is how many projects and callers of the api there are: metrics have room for the
/// labels of so many.
///
/// # Errors
/// A setting is wrong, or the process has a subscriber already. Nothing is checked over
/// the network: a collector that is away is logged and otherwise ignored.
pub fn init(config: &Config, role: &str, named: usize) -> Result<Guard, Error> {
    config.check()?;
    let variables = Variables::new(&variable);
    let resource = config.resource(role);
    let push = Push::new(config, &variables)?;
    let for_metrics = push.as_ref().filter(|push| push.pushes_metrics());
    let telemetry = Telemetry::build(resource.clone(), for_metrics, named)?;
    let (mut spans, mut logs) = (None, None);
    if let Some(push) = &push {
        spans = push.spans(&resource)?.map(Arc::new);
        logs = push.logs()?.map(|exporter| {
            SdkLoggerProvider::builder()
                .with_resource(resource)
                .with_batch_exporter(exporter)
                .build()
        });
    }
    let teller = Teller {
        sampling: variables.sampling(config),
        spans: spans.clone(),
    };
    subscriber::install(config, teller, logs.as_ref())?;
    for said in variables.passed_over(config) {
        tracing::warn!("{said}; it does not count");
    }
    Ok(Guard {
        telemetry,
        spans,
        logs,
        pushes: push.is_some(),
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the standard variables belong to no section of the configuration"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Keeps the exporters alive, and flushes them when dropped.
///
/// Flushing blocks the calling thread, at most five seconds; drop it last.
#[derive(Debug)]
#[must_use = "dropping it ends the exporters"]
pub struct Guard {
    telemetry: Telemetry,
    spans: Option<Arc<BatchSpanProcessor>>,
    logs: Option<SdkLoggerProvider>,
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
        std::thread::scope(|scope| {
            scope.spawn(|| {
                if let Some(spans) = &self.spans {
                    lost("spans", spans.shutdown_with_timeout(FLUSH_LIMIT));
                }
            });
            scope.spawn(|| {
                if let Some(logs) = &self.logs {
                    lost("lines", logs.shutdown_with_timeout(FLUSH_LIMIT));
                }
            });
            lost("metrics", self.telemetry.shutdown(FLUSH_LIMIT));
        });
    }
}

fn lost(what: &str, flushed: OTelSdkResult) {
    if let Err(error) = flushed {
        tracing::warn!(%error, "The last {what} are lost");
    }
}
