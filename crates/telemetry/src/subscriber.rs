//! Where log lines go, and how whoever ends a span finds the way to the collector.

use opentelemetry_sdk::logs::SdkLoggerProvider;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, Targets};
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::{Registry, fmt};

use crate::lines::Traced;
use crate::logs::Records;
use crate::teller::Teller;
use crate::{Config, Error, Format};

/// Crates whose lines may be about the export of lines; prefixes.
const EXPORT_TARGETS: [&str; 4] = ["hyper", "opentelemetry", "rustls", "tokio_util"];

/// Makes this the subscriber of the process.
pub(crate) fn install(
    config: &Config,
    teller: Teller,
    logs: Option<&SdkLoggerProvider>,
) -> Result<(), Error> {
    let lines = lines(config.format).with_filter(config.filter()?);
    let records = match logs {
        Some(logs) => {
            let trace_based = config.trace_based_logs && teller.tells();
            let records = Records::new(logs, trace_based);
            Some(records.with_filter(config.filter()?.and(exported())))
        }
        None => None,
    };
    let subscriber = Registry::default()
        .with(lines)
        .with(records)
        // It is there to be found, and sees nothing.
        .with(teller.with_filter(LevelFilter::OFF));
    tracing::subscriber::set_global_default(subscriber).map_err(Error::Subscribed)
}

fn lines(format: Format) -> Box<dyn Layer<Registry> + Send + Sync> {
    let lines = fmt::layer().with_writer(std::io::stderr);
    match format {
        Format::Text => {
            let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
            let inner = fmt::format().with_ansi(ansi);
            lines
                .with_ansi(ansi)
                .event_format(Traced { inner, format })
                .boxed()
        }
        Format::Json => {
            let inner = fmt::format()
                .with_ansi(false)
                .json()
                .flatten_event(true)
                .with_span_list(false);
            lines
                .fmt_fields(JsonFields::new())
                .event_format(Traced { inner, format })
                .boxed()
        }
    }
}

fn exported() -> Targets {
    Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(EXPORT_TARGETS.map(|target| (target, LevelFilter::OFF)))
}
