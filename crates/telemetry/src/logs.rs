//! Log lines as OTLP records.

use std::fmt::Debug;

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::{Place, chain, now};

/// The field in which `tracing` keeps the text of a line.
const MESSAGE: &str = "message";

/// Hands lines to the exporter. Each carries the place it was written at by itself.
#[derive(Debug)]
pub(crate) struct Records {
    logger: SdkLogger,
    trace_based: bool,
}

impl Records {
    pub(crate) fn new(provider: &SdkLoggerProvider, trace_based: bool) -> Self {
        Self {
            logger: provider.logger("grantline"),
            trace_based,
        }
    }
}

impl<S: Subscriber> Layer<S> for Records {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if self.trace_based && is_routine_of_no_told_trace(*metadata.level()) {
            return;
        }
        let mut record = self.logger.create_log_record();
        record.set_timestamp(now());
        record.set_target(metadata.target());
        record.set_severity_number(severity(*metadata.level()));
        record.set_severity_text(metadata.level().as_str());
        event.record(&mut Fields(&mut record));
        self.logger.emit(record);
    }
}

fn is_routine_of_no_told_trace(level: Level) -> bool {
    level >= Level::INFO && Place::current().is_some_and(|place| !place.is_sampled())
}

const fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

/// The fields of a line on their way into a record.
struct Fields<'a>(&'a mut SdkLogRecord);

impl Fields<'_> {
    fn set(&mut self, field: &Field, value: impl Into<AnyValue>) {
        if field.name() == MESSAGE {
            self.0.set_body(value.into());
        } else {
            self.0
                .add_attribute(Key::from_static_str(field.name()), value);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // OTLP has no unsigned numbers; what is beyond is told as text.
        match i64::try_from(value) {
            Ok(value) => self.set(field, value),
            Err(_) => self.set(field, value.to_string()),
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set(field, chain(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry_sdk::error::OTelSdkResult;
    use opentelemetry_sdk::logs::{LogBatch, LogExporter};
    use tracing_subscriber::Registry;
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;
    use crate::TraceContext;

    /// The text of each line.
    #[derive(Clone, Debug, Default)]
    struct Told(Arc<Mutex<Vec<String>>>);

    impl LogExporter for Told {
        async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
            let text = |record: &SdkLogRecord| match record.body() {
                Some(AnyValue::String(text)) => text.as_str().to_owned(),
                other => format!("{other:?}"),
            };
            let mut told = self.0.lock().unwrap();
            told.extend(batch.iter().map(|(record, _)| text(record)));
            Ok(())
        }
    }

    fn told(trace_based: bool) -> Vec<String> {
        let told = Told::default();
        let provider = SdkLoggerProvider::builder()
            .with_simple_exporter(told.clone())
            .build();
        let records = Records::new(&provider, trace_based);
        let place = |flags: &str| {
            let traceparent =
                format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            Place::of(&TraceContext {
                traceparent,
                tracestate: None,
            })
        };
        tracing::subscriber::with_default(Registry::default().with(records), || {
            for (flags, name) in [("01", "told"), ("00", "untold")] {
                let _within = place(flags).map(|place| place.enter());
                tracing::debug!("{name} debug");
                tracing::info!("{name} info");
                tracing::warn!("{name} warn");
                tracing::error!("{name} error");
            }
            tracing::info!("of no trace");
        });
        let lines = told.0.lock().unwrap();
        lines.clone()
    }

    #[test]
    fn of_a_trace_that_is_not_told_only_warnings_and_errors_are_pushed() {
        let of_all = [
            "told debug",
            "told info",
            "told warn",
            "told error",
            "untold debug",
            "untold info",
            "untold warn",
            "untold error",
            "of no trace",
        ];
        assert_eq!(told(false), of_all);
        let is_pushed = |line: &&str| !["untold debug", "untold info"].contains(line);
        let pushed: Vec<_> = of_all.into_iter().filter(is_pushed).collect();
        assert_eq!(told(true), pushed);
    }
}
