//! What the log is told of notices.

use ledger::{Entry, Outcome, Verdict};

/// Says how a notice ended; loud when somebody has to look.
pub(crate) fn report(entry: &Entry, verdict: &Verdict) {
    let Some(notice) = &entry.notice else {
        return;
    };
    let (outcome, reason) = verdict.outcome.as_words();
    let order = entry.assertion.order().or(notice.order);
    let order = order.map(order::OrderId::get);
    let transaction = entry.assertion.transaction().or(notice.transaction);
    let transaction = transaction.map(order::TransactionId::get);
    let parked = matches!(verdict.outcome, Outcome::Parked(_)) && !verdict.repeat;
    if parked || !verdict.conflicts.is_empty() {
        let conflicts: Vec<_> = verdict
            .conflicts
            .iter()
            .map(|conflict| conflict.as_str())
            .collect();
        tracing::warn!(
            project = %entry.project, notice.kind = %notice.kind, order.id = order,
            transaction.id = transaction, outcome, reason, ?conflicts,
            "A notice needs a person"
        );
    } else {
        tracing::debug!(
            project = %entry.project, notice.kind = %notice.kind, order.id = order,
            transaction.id = transaction, outcome, reason, repeat = verdict.repeat, "Booked"
        );
    }
}
