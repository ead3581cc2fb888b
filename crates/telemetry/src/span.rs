//! Spans, told when they are over.
//!
//! A span that is not sampled costs two random numbers: what it was is described only where
//! it is told, which is decided when it ends. So one that ends in error is told whether or not
//! its trace is sampled, and nothing has to be recorded for those that end well.

use std::borrow::Cow;
use std::time::SystemTime;

use opentelemetry::trace::{FutureExt as _, Link, SpanContext, SpanId, Status};
use opentelemetry::{Context, ContextGuard, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

pub use opentelemetry::trace::SpanKind;

use crate::Place;
use crate::teller::{self, Teller};

/// What a span is an error of: a word out of a few, the value of `error.type`.
pub type Fault<'a> = Option<&'a str>;

/// A piece of work that has begun. Dropping it tells nothing.
#[derive(Clone, Debug)]
#[must_use = "a span is told by ending it"]
pub struct Span {
    /// `None` where no traces are set up.
    place: Option<Place>,
    parent: Option<Place>,
    began: SystemTime,
}

impl Span {
    /// Begins now, below the current place; outside of every span, as the first of a new
    /// trace.
    pub fn begin() -> Self {
        Self::below(Place::current())
    }

    /// Begins now, below `parent`.
    pub fn below(parent: Option<Place>) -> Self {
        let began = now();
        let place = teller::with(|teller| teller.place_below(parent.as_ref()));
        Self {
            place,
            parent,
            began,
        }
    }

    /// One that began earlier, at a place that was handed out already.
    pub const fn known(place: Place, parent: Option<Place>, began: SystemTime) -> Self {
        Self {
            place: Some(place),
            parent,
            began,
        }
    }

    /// Where it is. `None` where no traces are set up.
    #[must_use]
    pub const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Everything `work` does is done here.
    pub fn around<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let context = self.place.as_ref().map(Place::as_context);
        work.with_context(context.unwrap_or_else(Context::current))
    }

    /// Log lines written until the guard is dropped carry this trace. Not to be held across
    /// an await.
    #[must_use]
    pub fn enter(&self) -> Option<ContextGuard> {
        self.place.as_ref().map(Place::enter)
    }

    /// Ends now. `describe` is called if it is told: if its trace is sampled or it ends in
    /// error, and there is a collector. No part of it may be personal data.
    pub fn end(
        self,
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
        fault: Fault<'_>,
        describe: impl FnOnce(&mut Told),
    ) {
        if self.is_told(fault.is_some()) {
            self.end_at(now(), kind, name, fault, describe);
        }
    }

    /// The same of one that ended earlier.
    pub fn end_at(
        self,
        ended: SystemTime,
        kind: SpanKind,
        name: impl Into<Cow<'static, str>>,
        fault: Fault<'_>,
        describe: impl FnOnce(&mut Told),
    ) {
        if !self.is_told(fault.is_some()) {
            return;
        }
        let Some(place) = self.place else {
            return;
        };
        let parent = self.parent.as_ref().map(Place::span_context);
        let mut told = Told(SpanData {
            span_context: place.span_context().clone(),
            parent_span_id: parent.map_or(SpanId::INVALID, SpanContext::span_id),
            parent_span_is_remote: parent.is_some_and(SpanContext::is_remote),
            span_kind: kind,
            name: name.into(),
            start_time: self.began,
            end_time: ended.max(self.began),
            attributes: Vec::with_capacity(16),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: teller::scope(),
        });
        if let Some(fault) = fault {
            told.set("error.type", fault.to_owned());
            told.0.status = Status::error(fault.to_owned());
        }
        describe(&mut told);
        teller::with(|teller| teller.tell(told.0));
    }

    fn is_told(&self, failed: bool) -> bool {
        let wanted = |place: &Place| place.is_sampled() || failed;
        self.place.as_ref().is_some_and(wanted) && tells()
    }
}

/// What is told of a span.
#[derive(Debug)]
pub struct Told(SpanData);

impl Told {
    /// Names the span anew, where its name is worth composing only if it is told.
    pub fn named(&mut self, name: String) -> &mut Self {
        self.0.name = name.into();
        self
    }

    /// Sets an attribute. A name is set once.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) -> &mut Self {
        self.0.attributes.push(KeyValue::new(name, value));
        self
    }

    /// Sets an attribute if there is a value.
    pub fn set_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) -> &mut Self {
        if let Some(value) = value {
            self.set(name, value);
        }
        self
    }

    /// Refers to a span of another trace.
    pub fn link(&mut self, to: &Place) -> &mut Self {
        let link = Link::with_context(to.span_context().clone());
        self.0.links.links.push(link);
        self
    }
}

/// The wall clock, by which spans of several processes are put in order.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "nothing is decided by the times of a span"
)]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Whether a span of a sampled trace would be told, so that what is needed to describe it is
/// worth asking for.
#[must_use]
pub fn tells() -> bool {
    teller::with(Teller::tells).unwrap_or(false)
}
