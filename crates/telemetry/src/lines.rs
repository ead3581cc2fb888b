//! Log lines with the trace they were written in.

use std::fmt::Result;

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::{Format, Place};

/// Room for a line of the usual size.
const LINE_BYTES: usize = 512;

/// Writes lines as `inner` does, with `trace_id`, and in JSON `span_id`, where there are any.
#[derive(Debug)]
pub(crate) struct Traced<F> {
    pub(crate) inner: F,
    pub(crate) format: Format,
}

impl<F, S, N> FormatEvent<S, N> for Traced<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> Result {
        let Some(place) = Place::current() else {
            return self.inner.format_event(context, writer, event);
        };
        let mut line = String::with_capacity(LINE_BYTES);
        self.inner
            .format_event(context, Writer::new(&mut line), event)?;
        let (trace, span) = (place.trace_id(), place.span_id());
        match self.format {
            Format::Text => writeln!(writer, "{} trace_id={trace}", line.trim_end_matches('\n')),
            Format::Json => {
                let rest = line.strip_prefix('{').unwrap_or(&line);
                write!(
                    writer,
                    r#"{{"trace_id":"{trace}","span_id":"{span}",{rest}"#
                )
            }
        }
    }
}
