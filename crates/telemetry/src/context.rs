//! W3C trace context as two strings, for headers of any transport.

use crate::Place;

/// The position in a trace, as <https://www.w3.org/TR/trace-context/> writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// Version, trace id, span id and flags, in hex.
    pub traceparent: String,
    /// What other tracing systems added; passed on as it is.
    pub tracestate: Option<String>,
}

impl TraceContext {
    /// The trace id, 32 hex digits; `None` where `traceparent` is malformed.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        Place::of(self).map(|place| place.trace_id())
    }
}

/// The context of the current place, to be sent along with what it causes. `None` outside
/// any span, or where no traces are set up.
#[must_use]
pub fn current() -> Option<TraceContext> {
    Place::current().map(|place| place.context())
}
