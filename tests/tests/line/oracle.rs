//! What has to come of a set of notices about one order, in whatever order and however
//! often they came. Written from the documents, not from the ledger's rules.

/// A notice about the one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Paid,
    Canceled,
    /// The payment, naming its order.
    PaymentOfOrder,
    /// The payment, not naming it.
    Payment,
    Refund,
}

/// What a player and their client must find in the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Blades in the inventory; a paid order grants two.
    pub(crate) blades: i64,
    /// The last status shown. `None` when nothing names the order.
    pub(crate) status: Option<&'static str>,
}

/// The end of a history.
pub(crate) fn outcome(history: &[Sent]) -> Outcome {
    let seen = |sent| history.contains(&sent);
    let status = if seen(Sent::Canceled) {
        Some("canceled")
    } else if seen(Sent::Paid) {
        Some("done")
    } else if seen(Sent::PaymentOfOrder) {
        // Money has come in; only `order_paid` says what for.
        Some("paid")
    } else {
        None
    };
    let held = seen(Sent::Paid) && !seen(Sent::Canceled);
    Outcome {
        blades: if held { 2 } else { 0 },
        status,
    }
}
