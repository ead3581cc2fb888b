//! Why a message was not confirmed.

/// Why a publish did not end in a confirm.
///
/// In every case the message may be sent again: the ledger tells copies apart. Nothing may
/// be acknowledged, or answered with a 2xx, on the strength of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The broker takes no messages because it is short of memory or disk.
    #[error("the broker takes no messages: {reason}; free memory or disk on it")]
    Blocked {
        /// As the broker says.
        reason: String,
    },
    /// There is no connection, or it broke before the confirm.
    #[error("the broker is not available: {reason}")]
    Unavailable {
        /// What is known about it.
        reason: String,
    },
    /// As many messages as allowed already await their confirm.
    #[error("too many messages await their confirm; the broker is slower than the traffic")]
    Full,
    /// The broker refused the message: its queue is full, or failed.
    #[error("the broker refused the message; look at the length of its queue")]
    Refused,
    /// The broker did not confirm in time. It may still have the message.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The broker had no queue for the message; not even the one for unrouted messages.
    #[error("the broker has no queue for the message; run `grantline migrate`")]
    Returned,
}

impl PublishError {
    /// Every value of the metric label `outcome`.
    pub(crate) const LABELS: [&'static str; 6] = [
        "blocked",
        "unavailable",
        "full",
        "refused",
        "timed_out",
        "returned",
    ];

    /// The value of the metric label `outcome`.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Blocked { .. } => "blocked",
            Self::Unavailable { .. } => "unavailable",
            Self::Full => "full",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Returned => "returned",
        }
    }

    /// Whether the broker may hold the message all the same, so that a copy sent now may
    /// be a second one.
    #[must_use]
    pub const fn outcome_unknown(&self) -> bool {
        match self {
            Self::Blocked { .. } | Self::Unavailable { .. } | Self::TimedOut => true,
            Self::Full | Self::Refused | Self::Returned => false,
        }
    }
}
