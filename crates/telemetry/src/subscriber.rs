//! Where log lines and spans go.

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets, filter_fn};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, fmt};

use crate::{Config, Error, Format};

/// Crates whose spans would describe the export of spans; prefixes.
const EXPORT_TARGETS: [&str; 2] = ["hyper", "opentelemetry"];

/// Makes this the subscriber of the process. `pushes` says whether spans leave it.
pub(crate) fn install(
    config: &Config,
    tracer: &SdkTracerProvider,
    pushes: bool,
) -> Result<(), Error> {
    // The log level filters the lines alone: a quiet log must not end the traces.
    let lines = lines(config.format).with_filter(config.filter()?);
    let spans = tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer("grantline"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        // Spans that stay here are there for their ids: what happens in them is for nobody.
        .with_filter(recorded().and(filter_fn(move |metadata| pushes || metadata.is_span())));
    let subscriber = Registry::default().with(lines).with(spans);
    tracing::subscriber::set_global_default(subscriber).map_err(Error::Subscribed)
}

fn lines(format: Format) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Text => lines
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .boxed(),
        Format::Json => lines
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .boxed(),
    }
}

/// Which spans exist for OpenTelemetry.
fn recorded() -> Targets {
    Targets::new()
        .with_default(LevelFilter::INFO)
        .with_targets(EXPORT_TARGETS.map(|target| (target, LevelFilter::OFF)))
}
