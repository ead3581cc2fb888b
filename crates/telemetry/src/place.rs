//! Places in traces.
//!
//! What happens to a notice is told by whoever holds it, and often afterwards: a batch is
//! claimed and booked at once for notices of many traces. So a place is a value that is handed
//! around, and not the state of a thread; only log lines take it from there.

use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, TraceContextExt, TraceFlags, TraceState};
use opentelemetry::{Context, ContextGuard, SpanId, TraceId};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

use crate::TraceContext;

/// Which span of which trace, and whether that trace is sampled.
#[derive(Clone, Debug, PartialEq)]
pub struct Place(SpanContext);

impl Place {
    /// Where this thread, or this task, works now. `None` outside every span, and where no
    /// traces are set up.
    #[must_use]
    pub fn current() -> Option<Self> {
        Context::map_current(|context| {
            context
                .has_active_span()
                .then(|| Self(context.span().span_context().clone()))
        })
    }

    /// What `context` names; `None` where it is malformed.
    #[must_use]
    pub fn of(context: &TraceContext) -> Option<Self> {
        Self::read(&context.traceparent, context.tracestate.as_deref())
    }

    /// The same of its two parts.
    #[must_use]
    pub fn read(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let carrier = Carrier {
            traceparent,
            tracestate,
        };
        let read = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let place = read.span().span_context().clone();
        place.is_valid().then_some(Self(place))
    }

    /// The place of the booking that first recorded the message `digest` while working on the
    /// trace `trace_id`. Its span id follows from both, so what the ledger keeps of a notice is
    /// enough to find the span again. `None` where `trace_id` is none.
    #[must_use]
    pub fn of_booking(trace_id: &str, digest: &[u8; 32]) -> Option<Self> {
        let trace = TraceId::from_hex(trace_id).ok()?;
        if trace == TraceId::INVALID {
            return None;
        }
        let of_trace = u64::from_be_bytes(*trace.to_bytes().last_chunk()?);
        let span = of_trace ^ u64::from_be_bytes(*digest.first_chunk()?);
        // Zero is no id.
        let span = SpanId::from_bytes(span.max(1).to_be_bytes());
        let flags = TraceFlags::default();
        let state = TraceState::default();
        Some(Self(SpanContext::new(trace, span, flags, true, state)))
    }

    /// As it travels. A collector elsewhere may hold what this process does not tell, so the
    /// flags say no more than whether the trace is sampled.
    #[must_use]
    pub fn context(&self) -> TraceContext {
        let flags = u8::from(self.is_sampled());
        let state = self.0.trace_state().header();
        TraceContext {
            traceparent: format!("00-{}-{}-{flags:02x}", self.0.trace_id(), self.0.span_id()),
            tracestate: Some(state).filter(|state| !state.is_empty()),
        }
    }

    /// 32 hex digits.
    #[must_use]
    pub fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// Whether this is a place in the trace with these 32 hex digits.
    #[must_use]
    pub fn is_in(&self, trace_id: &str) -> bool {
        TraceId::from_hex(trace_id).is_ok_and(|trace| trace == self.0.trace_id())
    }

    /// 16 hex digits.
    #[must_use]
    pub fn span_id(&self) -> String {
        self.0.span_id().to_string()
    }

    /// Whether everything in this trace is told.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.0.is_sampled()
    }

    /// A new place in the same trace.
    #[must_use]
    pub fn below(&self) -> Self {
        let id = RandomIdGenerator::default().new_span_id();
        self.moved(id, self.is_sampled())
    }

    /// The same trace at the span of [`Place::of_booking`].
    #[must_use]
    pub fn booking(&self, digest: &[u8; 32]) -> Self {
        let booking = Self::of_booking(&self.trace_id(), digest);
        booking.map_or_else(
            || self.below(),
            |booking| self.moved(booking.0.span_id(), self.is_sampled()),
        )
    }

    /// Log lines written until the guard is dropped carry this trace. Not to be held across
    /// an await.
    #[must_use]
    pub fn enter(&self) -> ContextGuard {
        self.as_context().attach()
    }

    pub(crate) fn root(sampled: bool, trace: TraceId) -> Self {
        let span = RandomIdGenerator::default().new_span_id();
        let flags = TraceFlags::default().with_sampled(sampled);
        Self(SpanContext::new(
            trace,
            span,
            flags,
            false,
            TraceState::default(),
        ))
    }

    pub(crate) fn sampled(self, sampled: bool) -> Self {
        let id = self.0.span_id();
        self.moved(id, sampled)
    }

    pub(crate) const fn span_context(&self) -> &SpanContext {
        &self.0
    }

    fn moved(&self, span: SpanId, sampled: bool) -> Self {
        let flags = self.0.trace_flags().with_sampled(sampled);
        let state = self.0.trace_state().clone();
        Self(SpanContext::new(
            self.0.trace_id(),
            span,
            flags,
            false,
            state,
        ))
    }

    pub(crate) fn as_context(&self) -> Context {
        Context::current().with_remote_span_context(self.0.clone())
    }
}

/// Headers as the propagator reads them.
struct Carrier<'a> {
    traceparent: &'a str,
    tracestate: Option<&'a str>,
}

impl Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => Some(self.traceparent),
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn context(flags: &str) -> TraceContext {
        TraceContext {
            traceparent: format!("00-{TRACE}-00f067aa0ba902b7-{flags}"),
            tracestate: Some("vendor=1".to_owned()),
        }
    }

    #[test]
    fn flags_and_state_travel_as_they_came() {
        for flags in ["00", "01"] {
            let place = Place::of(&context(flags)).unwrap();
            assert_eq!(place.context(), context(flags));
            let below = place.below();
            assert_eq!(below.trace_id(), TRACE);
            assert_ne!(below.span_id(), place.span_id());
            assert_eq!(below.is_sampled(), flags == "01");
            assert_eq!(below.context().tracestate, context(flags).tracestate);
        }
    }

    #[test]
    fn a_malformed_context_is_no_place_even_within_one() {
        let place = Place::of(&context("01")).unwrap();
        let _within = place.enter();
        let malformed = TraceContext {
            traceparent: "nonsense".to_owned(),
            tracestate: None,
        };
        assert_eq!(Place::of(&malformed), None);
        assert_eq!(malformed.trace_id(), None);
    }

    #[test]
    fn a_booking_is_found_again_by_what_is_stored_of_it() {
        let place = Place::of(&context("01")).unwrap();
        let booking = place.booking(&[7; 32]);
        let found = Place::of_booking(&place.trace_id(), &[7; 32]).unwrap();
        assert_eq!(found.span_id(), booking.span_id());
        assert_eq!(found.trace_id(), booking.trace_id());
        let other = Place::of_booking(&place.trace_id(), &[8; 32]).unwrap();
        assert_ne!(other.span_id(), booking.span_id());
        for none in ["", "xyz", "00000000000000000000000000000000"] {
            assert_eq!(Place::of_booking(none, &[7; 32]), None, "{none}");
        }
        // The two halves cancel out, and zero is no id.
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&0xa3ce_929d_0e0e_4736_u64.to_be_bytes());
        let zero = Place::of_booking(TRACE, &digest).unwrap();
        assert_eq!(zero.span_id(), "0000000000000001");
    }

    #[test]
    fn a_place_counts_until_its_guard_is_dropped() {
        let place = Place::of(&context("01")).unwrap();
        {
            let _within = place.enter();
            assert_eq!(Place::current().unwrap().trace_id(), TRACE);
        }
        assert_eq!(Place::current(), None);
    }
}
