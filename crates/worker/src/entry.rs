//! From a task to what the ledger books.

use broker::place_of;
use ledger::{Entry, Notice};
use order::{Assertion, Grant, ParkReason};
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

/// The same notice, to be parked whatever it says: as what to book it, the best first.
///
/// That an order was paid is a fact even when nothing can be granted for it; only if the
/// ledger does not accept that either, the notice is parked as it stands.
pub(crate) fn to_be_parked(entry: &Entry, reason: ParkReason, detail: &str) -> Vec<Entry> {
    let detail = detail.to_owned();
    let as_it_stands = Entry {
        assertion: Assertion::Unprocessable {
            reason,
            detail: detail.clone(),
        },
        ..entry.clone()
    };
    let mut paid = entry.clone();
    let Assertion::Paid { grant, .. } = &mut paid.assertion else {
        return vec![as_it_stands];
    };
    *grant = Grant::Unclear { reason, detail };
    vec![paid, as_it_stands]
}

fn trace_id(task: &Task) -> Option<String> {
    place_of(task).map(|place| place.trace_id())
}
