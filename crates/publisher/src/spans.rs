//! What a push tells of itself in traces.

use std::time::SystemTime;

use order::OrderId;
use task::{Hint, Hints};
use telemetry::{Place, Span, SpanKind, now};

/// The name of a span from the hearing of a hint to the writing of its row to one client.
const PUSH_SPAN: &str = "push order status";

/// A row on its way to clients, in a trace that is told.
#[derive(Clone, Debug)]
pub(crate) struct Push {
    /// Of the publish of the hint.
    parent: Place,
    heard: SystemTime,
    order: OrderId,
    status: &'static str,
}

impl Push {
    /// Of the `index`th row. `None` where its trace is not told.
    pub(crate) fn of(hints: &Hints, index: usize, hint: &Hint) -> Option<Self> {
        let parent = Place::read(hints.traces.of(index)?, None)?;
        Some(Self {
            parent,
            heard: now(),
            order: hint.order,
            status: hint.status.as_str(),
        })
    }

    /// The row was handed to a client's socket.
    pub(crate) fn written(self) {
        let place = self.parent.below();
        let span = Span::known(place, Some(self.parent), self.heard);
        span.end(SpanKind::Producer, PUSH_SPAN, None, |told| {
            told.set("order.id", self.order.get())
                .set("order.status", self.status)
                .set("network.protocol.name", "websocket");
        });
    }
}
