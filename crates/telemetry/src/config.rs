//! The `[telemetry]` section.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::Sampler;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use crate::Error;

/// The name of the service where neither the configuration nor `OTEL_*` give one.
const SERVICE: &str = "grantline";

/// The SDK reports its own comings and goings as `info`; lapin reports every failure that
/// `broker` reports, three times over.
const LIBRARIES: &str = "opentelemetry=warn,lapin=off";

/// Logs, traces and metrics.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Which log lines are written: a level (`error`, `warn`, `info`, `debug`, `trace`), or
    /// directives such as `info,broker=debug`. Traces do not depend on it.
    pub level: String,
    /// How log lines look.
    pub format: Format,
    /// Base address of an OpenTelemetry collector that takes OTLP over HTTP, such as
    /// `http://127.0.0.1:4318`; only `http://`. Without it nothing is pushed, and metrics
    /// are read from `/metrics` alone. Headers, time-outs and batch sizes are taken from the
    /// standard `OTEL_*` variables.
    pub otlp_endpoint: Option<String>,
    /// Share of traces, from 0 to 1, that are recorded where the caller did not decide.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub trace_ratio: f64,
    /// Name of the service in traces and metrics. Default: `OTEL_SERVICE_NAME`, else
    /// `grantline`.
    pub service_name: Option<String>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: Format::Text,
            otlp_endpoint: None,
            trace_ratio: 0.05,
            service_name: None,
        }
    }
}

impl Config {
    /// Finds what [`init`](crate::init) would refuse, without setting anything up.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub fn check(&self) -> Result<(), Error> {
        self.filter()?;
        if !(0.0..=1.0).contains(&self.trace_ratio) {
            return Err(Error::Ratio {
                ratio: self.trace_ratio,
            });
        }
        match &self.otlp_endpoint {
            // The exporter's client speaks no TLS and would only fail at its first push.
            Some(endpoint) if !endpoint.starts_with("http://") => Err(Error::Endpoint {
                endpoint: endpoint.clone(),
            }),
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn filter(&self) -> Result<EnvFilter, Error> {
        EnvFilter::builder()
            // First, so that the configuration may say otherwise.
            .parse(format!("{LIBRARIES},{}", self.level))
            .map_err(|source| Error::Level {
                level: self.level.clone(),
                source,
            })
    }

    /// Ratio sampling below a root; a span inside a trace follows its parent.
    pub(crate) fn sampler(&self) -> Sampler {
        Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(self.trace_ratio)))
    }

    pub(crate) fn resource(&self, role: &str) -> Resource {
        // Reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
        let detected = Resource::builder().build();
        let named = detected
            .get(&Key::from_static_str("service.name"))
            .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
        let builder = Resource::builder().with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("grantline.role", role.to_owned()),
        ]);
        match &self.service_name {
            Some(name) => builder.with_service_name(name.clone()).build(),
            None if named => builder.build(),
            None => builder.with_service_name(SERVICE).build(),
        }
    }
}
