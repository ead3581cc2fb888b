//! Rules left out, each with what rests on it.

use crate::line::{ACKNOWLEDGED, FORGOTTEN, MARKED, ONCE, SHOWN, Step, TOMBSTONE};

/// The rule that a worker, a ledger or a publisher lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutant {
    AcknowledgeBeforeCommit,
    MarkBeforeCommit,
    BusyMeansAcknowledge,
    /// Claims in Redis keep copies apart, and the ledger has no unique keys.
    RedisAsTruth,
    /// A cancellation that finds no grant leaves nothing for a later one to find.
    NoTombstone,
    /// What the publisher hears of it pushes, gaps and repeats and all.
    PushWithoutLedger,
}

impl Mutant {
    pub(crate) const ALL: [Self; 6] = [
        Self::AcknowledgeBeforeCommit,
        Self::MarkBeforeCommit,
        Self::BusyMeansAcknowledge,
        Self::RedisAsTruth,
        Self::NoTombstone,
        Self::PushWithoutLedger,
    ];

    /// The order of its worker's steps, where that is what is wrong with it.
    pub(crate) fn way(self) -> Option<[Step; 5]> {
        use Step::{Acknowledge, Book, Claim, Hint, Mark};
        match self {
            Self::AcknowledgeBeforeCommit => Some([Claim, Acknowledge, Book, Hint, Mark]),
            Self::MarkBeforeCommit => Some([Claim, Mark, Book, Hint, Acknowledge]),
            Self::BusyMeansAcknowledge
            | Self::RedisAsTruth
            | Self::NoTombstone
            | Self::PushWithoutLedger => None,
        }
    }

    /// Every promise it breaks, and no other.
    pub(crate) const fn breaks(self) -> &'static [&'static str] {
        match self {
            Self::AcknowledgeBeforeCommit | Self::BusyMeansAcknowledge => {
                &[ACKNOWLEDGED, FORGOTTEN]
            }
            Self::MarkBeforeCommit => &[ACKNOWLEDGED, MARKED, FORGOTTEN],
            Self::RedisAsTruth => &[ONCE, TOMBSTONE],
            Self::NoTombstone => &[TOMBSTONE],
            Self::PushWithoutLedger => &[SHOWN],
        }
    }
}
