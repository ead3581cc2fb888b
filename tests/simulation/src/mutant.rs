//! Drivers that do something the machines did not ask for, to see the oracle find it.

/// What a driver does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Deliveries are acknowledged before their transaction.
    AcknowledgeBeforeCommit,
    /// Marks are left when claims are.
    MarkBeforeCommit,
    /// What another worker claims is taken for booked.
    BusyMeansAcknowledge,
    /// A mark of any epoch counts.
    MarksOfAnyEpoch,
    /// A delivery is finished before the retry queue has confirmed its copy.
    FinishBeforeRetry,
    /// A cancellation that finds no grant is not booked.
    NoTombstone,
    /// Hints carry the offset after their row's.
    WrongOffset,
    /// Positions are never compared with the ledger.
    NoComparison,
    /// A connection is told what it should read in the ledger out of an older read.
    StaleRead,
}

impl Mutant {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::AcknowledgeBeforeCommit,
        Self::MarkBeforeCommit,
        Self::BusyMeansAcknowledge,
        Self::MarksOfAnyEpoch,
        Self::FinishBeforeRetry,
        Self::NoTombstone,
        Self::WrongOffset,
        Self::NoComparison,
        Self::StaleRead,
    ];

    /// The promise as whose breach it is found.
    #[must_use]
    pub const fn breaks(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeCommit
            | Self::MarkBeforeCommit
            | Self::BusyMeansAcknowledge
            | Self::MarksOfAnyEpoch
            | Self::FinishBeforeRetry => "promise 7",
            Self::NoTombstone => "promise 5",
            Self::WrongOffset | Self::NoComparison | Self::StaleRead => "promise 8",
        }
    }
}
