//! What the log is told of notices.

use ledger::{Entry, Outcome, Verdict};
use telemetry::Place;

/// Says how a notice ended; loud when somebody has to look.
///
/// `place` is asked for what is written alone.
pub(crate) fn report<'a>(
    entry: &Entry,
    verdict: &Verdict,
    place: impl FnOnce() -> Option<&'a Place>,
) {
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
        let _within = place().map(Place::enter);
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
    } else if tracing::enabled!(tracing::Level::DEBUG) {
        let _within = place().map(Place::enter);
        tracing::debug!(
            project = %entry.project, notice.kind = %notice.kind, order.id = order,
            transaction.id = transaction, outcome, reason, repeat = verdict.repeat, "Booked"
        );
    }
}
