//! What messages tell of themselves in traces, in OpenTelemetry's words for messaging.
//!
//! Here are the names alone; whoever handles a message ends its span.

use order::{Kind, OrderId, ProjectId, TransactionId};
use task::{Headers, Lane, Task, TraceContext};
use telemetry::{Place, Span, SpanKind, Told};

use crate::{Broker, Delivery, PublishError, names};

/// The name of a span in which new rows are told to the publishers.
pub const HINTS_SPAN: &str = "publish grantline.hints.v1";

/// The name of a span in which a worker brings one message of a lane to its end.
#[must_use]
pub const fn consume_span(lane: Lane) -> &'static str {
    match lane {
        Lane::Grant => "consume grantline.grant.v1",
        Lane::Revoke => "consume grantline.revoke.v1",
        Lane::Record => "consume grantline.record.v1",
    }
}

const fn publish_span(lane: Lane) -> &'static str {
    match lane {
        Lane::Grant => "publish grantline.tasks.v1:grant",
        Lane::Revoke => "publish grantline.tasks.v1:revoke",
        Lane::Record => "publish grantline.tasks.v1:record",
    }
}

/// Where a task was sent: below the place it was made at.
#[must_use]
pub fn place_of(task: &Task) -> Option<Place> {
    let TraceContext { parent, state } = task.trace.as_ref()?;
    Place::read(parent, state.as_deref())
}

/// One publish of a task. Its own place travels with the message, so that whoever takes the
/// message goes on from here.
pub(crate) struct Publishing {
    span: Span,
    pub(crate) headers: Headers,
}

impl Publishing {
    pub(crate) fn begin(task: &Task) -> Self {
        let span = Span::below(Place::current().or_else(|| place_of(task)));
        let here = span.place().map(|place| {
            let context = place.context();
            TraceContext {
                parent: context.traceparent,
                state: context.tracestate,
            }
        });
        let headers = task.headers_at(here.as_ref().or(task.trace.as_ref()));
        Self { span, headers }
    }

    pub(crate) fn end(self, broker: &Broker, task: &Task, outcome: &Result<(), PublishError>) {
        let fault = outcome.as_ref().err().map(PublishError::label);
        let lane = task.lane();
        self.span
            .end(SpanKind::Producer, publish_span(lane), fault, |told| {
                told.set("messaging.operation.name", "publish")
                    .set("messaging.operation.type", "send")
                    .set(
                        "messaging.destination.name",
                        format!("{}:{lane}", names::TASKS),
                    )
                    .set("messaging.message.body.size", count(task.body.len()));
                broker.tell_task(told, lane, task);
            });
    }
}

impl Broker {
    /// What `messaging.system` is.
    #[must_use]
    pub const fn messaging_system(&self) -> &'static str {
        if self.is_embedded() {
            "grantline.embedded"
        } else {
            "rabbitmq"
        }
    }

    /// Tells what was consumed.
    pub fn tell_consumed(&self, told: &mut Told, lane: Lane, delivery: &Delivery) {
        let queue = names::work(lane);
        told.set("messaging.operation.name", "consume")
            .set("messaging.operation.type", "process")
            .set(
                "messaging.destination.name",
                format!("{}:{lane}:{queue}", names::TASKS),
            );
        if !self.is_embedded() {
            let tag = i64::try_from(delivery.tag.number).unwrap_or(i64::MAX);
            told.set("messaging.rabbitmq.message.delivery_tag", tag);
        }
        if let Ok(task) = &delivery.task {
            self.tell_task(told, lane, task);
        }
    }

    /// Tells of a message with new rows.
    pub fn tell_hints(&self, told: &mut Told) {
        told.set("messaging.system", self.messaging_system())
            .set("messaging.operation.name", "publish")
            .set("messaging.operation.type", "send")
            .set("messaging.destination.name", names::HINTS);
    }

    fn tell_task(&self, told: &mut Told, lane: Lane, task: &Task) {
        told.set("messaging.system", self.messaging_system())
            .set("messaging.message.id", task.message.to_string());
        if !self.is_embedded() {
            told.set("messaging.rabbitmq.destination.routing_key", lane.as_str());
        }
        tell_notice(told, task.project, &task.kind, task.order, task.transaction);
    }
}

/// Tells which notice a span is about.
pub fn tell_notice(
    told: &mut Told,
    project: ProjectId,
    kind: &Kind,
    order: Option<OrderId>,
    transaction: Option<TransactionId>,
) {
    told.set("project.id", project.get())
        .set("notice.kind", kind.as_str().to_owned())
        .set_some("order.id", order.map(OrderId::get))
        .set_some("transaction.id", transaction.map(TransactionId::get));
}

fn count(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_named_after_what_they_are_about() {
        for lane in Lane::ALL {
            assert_eq!(
                publish_span(lane),
                format!("publish {}:{lane}", names::TASKS)
            );
            assert_eq!(consume_span(lane), format!("consume {}", names::work(lane)));
        }
        assert_eq!(HINTS_SPAN, format!("publish {}", names::HINTS));
    }
}
