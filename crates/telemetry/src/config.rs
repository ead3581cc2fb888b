//! The `[telemetry]` section.

use opentelemetry::{Key, KeyValue};
use opentelemetry_sdk::Resource;
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
    /// `http://127.0.0.1:4318`, or `https://` with a certificate that this system trusts
    /// (`SSL_CERT_FILE` names another set). Traces, metrics and log lines are pushed there.
    /// Default: `OTEL_EXPORTER_OTLP_ENDPOINT`, or that of one signal
    /// (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`, `…_METRICS_…`, `…_LOGS_…`), which then comes
    /// first; else nothing is pushed, and metrics are read from `/metrics` alone.
    /// `OTEL_SDK_DISABLED=true` switches all pushing off, `OTEL_LOGS_EXPORTER=none` (or
    /// `…_TRACES_…`, `…_METRICS_…`) that of one signal, whatever is configured here. Headers,
    /// time-outs and batch sizes are taken from the standard `OTEL_*` variables alone; only
    /// `http/protobuf` is spoken.
    pub otlp_endpoint: Option<String>,
    /// Share of traces, from 0 to 1, that are told in whole where the caller did not decide.
    /// Spans that end in error are told of all traces. Default: `OTEL_TRACES_SAMPLER` and
    /// `OTEL_TRACES_SAMPLER_ARG`, else 0.05.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub trace_ratio: Option<f64>,
    /// Whether a line of `info` or below that belongs to a trace is pushed only if that trace is
    /// told (OpenTelemetry calls such a logger trace-based). Lines of `warn` and above are always
    /// pushed, and so is every line where no traces are pushed. Stderr has all lines of `level`.
    pub trace_based_logs: bool,
    /// Name of the service in traces, metrics and pushed lines. Default: `OTEL_SERVICE_NAME`,
    /// else `service.name` in `OTEL_RESOURCE_ATTRIBUTES`, else `grantline`. The other resource
    /// attributes of that variable are always taken over.
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
            trace_ratio: None,
            trace_based_logs: true,
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
        if let Some(ratio) = self.trace_ratio
            && !(0.0..=1.0).contains(&ratio)
        {
            return Err(Error::Ratio { ratio });
        }
        match &self.otlp_endpoint {
            Some(endpoint) if !is_http(endpoint) => Err(Error::Endpoint {
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

    pub(crate) fn resource(&self, role: &str) -> Resource {
        // Reads OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES.
        let detected = Resource::builder().build();
        let named = detected
            .get(&Key::from_static_str("service.name"))
            .is_some_and(|name| !name.as_str().starts_with("unknown_service"));
        let mut builder = Resource::builder().with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("grantline.role", role.to_owned()),
        ]);
        if detected.get(&INSTANCE).is_none() {
            builder = builder.with_attribute(KeyValue::new(INSTANCE, instance()));
        }
        match &self.service_name {
            Some(name) => builder.with_service_name(name.clone()).build(),
            None if named => builder.build(),
            None => builder.with_service_name(SERVICE).build(),
        }
    }
}

/// What tells this process from every other that pushes to the same collector.
const INSTANCE: Key = Key::from_static_str("service.instance.id");

/// A pod's host name is its own, and processes of one host have numbers.
fn instance() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

fn is_http(endpoint: &str) -> bool {
    ["http://", "https://"]
        .iter()
        .any(|scheme| endpoint.starts_with(scheme))
}
