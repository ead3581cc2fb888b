//! Who decides which traces are sampled and hands spans to the exporter.
//!
//! A layer of the subscriber that sees nothing of it: the subscriber is the one piece of
//! process-wide state there is, and whoever ends a span finds the teller in there.

use std::sync::Arc;

use opentelemetry::trace::SpanKind;
use opentelemetry::{InstrumentationScope, TraceId};
use opentelemetry_sdk::trace::{
    BatchSpanProcessor, IdGenerator, RandomIdGenerator, Sampler, SamplingDecision, ShouldSample,
    SpanData, SpanProcessor,
};
use tracing::Subscriber;
use tracing_subscriber::Layer;

use crate::Place;

/// Which traces are told.
#[derive(Clone, Debug)]
pub(crate) struct Sampling {
    /// Whether a trace that has begun elsewhere is told if it was told there.
    pub(crate) parent_based: bool,
    /// Decides of the others.
    pub(crate) root: Sampler,
}

impl Sampling {
    fn takes(&self, parent: Option<&Place>, trace: TraceId) -> bool {
        match parent {
            Some(parent) if self.parent_based => parent.is_sampled(),
            Some(_) | None => {
                let result =
                    self.root
                        .should_sample(None, trace, "", &SpanKind::Internal, &[], &[]);
                result.decision == SamplingDecision::RecordAndSample
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Teller {
    pub(crate) sampling: Sampling,
    /// `None` without a collector.
    pub(crate) spans: Option<Arc<BatchSpanProcessor>>,
}

impl Teller {
    pub(crate) fn place_below(&self, parent: Option<&Place>) -> Place {
        if let Some(parent) = parent {
            let trace = parent.span_context().trace_id();
            let sampled = self.sampling.takes(Some(parent), trace);
            return parent.below().sampled(sampled);
        }
        let trace = RandomIdGenerator::default().new_trace_id();
        Place::root(self.sampling.takes(None, trace), trace)
    }

    pub(crate) const fn tells(&self) -> bool {
        self.spans.is_some()
    }

    /// Never waits: what the exporter has no room for is dropped and counted by it.
    pub(crate) fn tell(&self, span: SpanData) {
        if let Some(spans) = &self.spans {
            spans.on_end(span);
        }
    }
}

impl<S: Subscriber> Layer<S> for Teller {}

/// `None` where no traces are set up.
pub(crate) fn with<T>(look: impl FnOnce(&Teller) -> T) -> Option<T> {
    let mut look = Some(look);
    tracing::dispatcher::get_default(|dispatch| {
        let teller = dispatch.downcast_ref::<Teller>()?;
        Some(look.take()?(teller))
    })
}

pub(crate) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("grantline")
        .with_version(env!("CARGO_PKG_VERSION"))
        .build()
}
