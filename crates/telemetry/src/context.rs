//! W3C trace context as two strings, for headers of any transport.

use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator};
use opentelemetry::trace::TraceContextExt;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

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
        let context = TraceContextPropagator::new().extract(self);
        let span = context.span().span_context().clone();
        span.is_valid().then(|| span.trace_id().to_string())
    }
}

/// The context of the current span, to be sent along with what it causes. `None` outside
/// any span, or where no traces are set up.
#[must_use]
pub fn current() -> Option<TraceContext> {
    let mut context = TraceContext::default();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut context);
    (!context.traceparent.is_empty()).then_some(context)
}

/// Makes `span` a child of what `context` names. To be called before the span is entered;
/// a malformed context leaves the span a root.
pub fn set_parent(span: &Span, context: &TraceContext) {
    let parent = TraceContextPropagator::new().extract(context);
    if parent.span().span_context().is_valid() {
        // Fails only where no traces are set up, or the filter dropped the span.
        let _ = span.set_parent(parent);
    }
}

impl Injector for TraceContext {
    fn set(&mut self, key: &str, value: String) {
        match key {
            TRACEPARENT => self.traceparent = value,
            TRACESTATE => self.tracestate = Some(value).filter(|state| !state.is_empty()),
            _ => {}
        }
    }
}

impl Extractor for TraceContext {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            TRACEPARENT => Some(&self.traceparent),
            TRACESTATE => self.tracestate.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT, TRACESTATE]
    }
}
