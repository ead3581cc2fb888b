//! What is booked, and what became of it.

use bytes::Bytes;
use order::{Assertion, Kind, OrderId, ParkReason, PlayerId, ProjectId, Reference, TransactionId};
use task::{Hints, MessageId, ParkedId};
use time::OffsetDateTime;

/// One assertion to be booked.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The project it belongs to.
    pub project: ProjectId,
    /// What it asserts.
    pub assertion: Assertion,
    /// The notice that asserts it. `None` when a game server does.
    pub notice: Option<Notice>,
}

/// Where an assertion comes from.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its type.
    pub kind: Kind,
    /// What makes it the same notice as another of its type.
    pub reference: Reference,
    /// The digest of its body.
    pub message: MessageId,
    /// The digest of what a repeat must have in common with it.
    pub fingerprint: [u8; 32],
    /// The order it names at a glance: what cannot be processed is still found by it.
    pub order: Option<OrderId>,
    /// The transaction it names at a glance.
    pub transaction: Option<TransactionId>,
    /// The player it names at a glance.
    pub player: Option<PlayerId>,
    /// When the ingress had read it.
    pub received_at: OffsetDateTime,
    /// How often a worker has failed on it before.
    pub attempt: u32,
    /// The parked entry this is a replay of.
    pub replay: Option<ParkedId>,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// Its bytes, kept only when it is parked.
    pub body: Bytes,
}

impl Notice {
    /// How often it has been tried, this time included.
    pub(crate) fn attempts(&self) -> i32 {
        i32::try_from(self.attempt)
            .unwrap_or(i32::MAX)
            .saturating_add(1)
    }
}

/// How a notice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Something was granted or taken back.
    Booked,
    /// Nothing had to be, for this reason.
    NoOp(NoOp),
    /// A person has to look.
    Parked(ParkReason),
}

/// Why nothing was granted or taken back. Facts were recorded all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoOp {
    /// This kind of notice never moves items.
    Recorded,
    /// The order was canceled before its grant.
    Canceled,
    /// There is no grant to take back. A later one will find the tombstone.
    NothingGranted,
    /// A test purchase in a project that does not grant those.
    Sandbox,
    /// The grant or revoke is in the ledger already.
    Already,
    /// A game server's registration names another player than the order has.
    OtherPlayer,
}

impl NoOp {
    const ALL: [Self; 6] = [
        Self::Recorded,
        Self::Canceled,
        Self::NothingGranted,
        Self::Sandbox,
        Self::Already,
        Self::OtherPlayer,
    ];

    /// As stored, shown and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Canceled => "canceled",
            Self::NothingGranted => "nothing_granted",
            Self::Sandbox => "sandbox",
            Self::Already => "already",
            Self::OtherPlayer => "other_player",
        }
    }
}

impl Outcome {
    /// As stored, shown and counted: the outcome's word, and the reason's.
    #[must_use]
    pub const fn as_words(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Booked => ("booked", None),
            Self::NoOp(reason) => ("no_op", Some(reason.as_str())),
            Self::Parked(reason) => ("parked", Some(reason.as_str())),
        }
    }

    /// The inverse of [`Outcome::as_words`].
    #[must_use]
    pub fn from_words(outcome: &str, reason: Option<&str>) -> Option<Self> {
        let no_op = |reason| NoOp::ALL.into_iter().find(|no_op| no_op.as_str() == reason);
        match (outcome, reason) {
            ("booked", None) => Some(Self::Booked),
            ("no_op", Some(reason)) => no_op(reason).map(Self::NoOp),
            ("parked", Some(reason)) => ParkReason::from_name(reason).map(Self::Parked),
            _ => None,
        }
    }
}

/// Two notices that disagree. The first one won; somebody should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conflict {
    /// A repeat with another mode, other ids, items or amounts. What it adds is recorded.
    RepeatDiffers,
    /// The order belongs to another player, or another one has paid for it.
    OtherPlayer,
    /// The transaction belongs to another order.
    OtherOrder,
    /// The order was paid by another transaction.
    OtherTransaction,
    /// One says sandbox, the other does not.
    SandboxDiffers,
}

impl Conflict {
    /// Every one there is.
    pub const ALL: [Self; 5] = [
        Self::RepeatDiffers,
        Self::OtherPlayer,
        Self::OtherOrder,
        Self::OtherTransaction,
        Self::SandboxDiffers,
    ];

    /// As stored, shown and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RepeatDiffers => "repeat_differs",
            Self::OtherPlayer => "other_player",
            Self::OtherOrder => "other_order",
            Self::OtherTransaction => "other_transaction",
            Self::SandboxDiffers => "sandbox_differs",
        }
    }
}

/// What became of one entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended; for a repeat, how the first one did.
    pub outcome: Outcome,
    /// Whether the notice had been booked before.
    pub repeat: bool,
    /// What it disagreed about.
    pub conflicts: Vec<Conflict>,
}

/// What became of a batch. It is committed.
#[derive(Clone, Debug)]
pub struct Booked {
    /// One verdict per entry, in their order.
    pub verdicts: Vec<Verdict>,
    /// The new rows of the status streams, for the publishers.
    pub hints: Hints,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_found_by_its_words() {
        let outcomes = NoOp::ALL
            .into_iter()
            .map(Outcome::NoOp)
            .chain([Outcome::Booked]);
        for outcome in outcomes.chain([Outcome::Parked(ParkReason::OtherOrder)]) {
            let (word, reason) = outcome.as_words();
            assert_eq!(Outcome::from_words(word, reason), Some(outcome));
        }
    }
}
