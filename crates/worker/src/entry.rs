//! From a task to what the ledger books.

use ledger::{Entry, Notice};
use order::{Assertion, ParkReason};
use sha2::{Digest, Sha256};
use task::Task;

use crate::Reading;

/// The entry of a task as its handler reads it.
pub(crate) fn entry(
    task: &Task,
    Reading {
        reference,
        assertion,
    }: Reading,
) -> Entry {
    let notice = Notice {
        kind: task.kind.clone(),
        reference,
        message: task.message,
        fingerprint: Sha256::digest(assertion.canonical()).into(),
        order: task.order,
        transaction: task.transaction,
        player: task.player.clone(),
        received_at: task.received_at,
        attempt: task.attempt,
        replay: task.replay,
        trace_id: trace_id(task),
        body: task.body.clone(),
    };
    Entry {
        project: task.project,
        assertion,
        notice: Some(notice),
    }
}

/// The same notice, to be parked whatever it says.
pub(crate) fn to_be_parked(entry: &Entry, reason: ParkReason, detail: String) -> Entry {
    let assertion = Assertion::Unprocessable { reason, detail };
    Entry {
        assertion,
        ..entry.clone()
    }
}

fn trace_id(task: &Task) -> Option<String> {
    let context = task.trace.as_ref()?;
    let traceparent = context.parent.clone();
    telemetry::TraceContext {
        traceparent,
        tracestate: None,
    }
    .trace_id()
}
