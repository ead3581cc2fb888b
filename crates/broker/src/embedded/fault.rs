//! Why the file did not take something.

use sqlite::WriteError;
use telemetry::chain;

use crate::PublishError;

/// Why a change of the queue was not committed.
#[derive(Debug)]
pub(super) enum Fault {
    /// The queue is full.
    Refused,
    /// The file could not be written.
    File(WriteError),
}

impl From<WriteError> for Fault {
    fn from(error: WriteError) -> Self {
        Self::File(error)
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::File(error.into())
    }
}

impl From<Fault> for PublishError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refused => Self::Refused,
            Fault::File(error @ WriteError::Full(_)) => Self::Blocked {
                reason: error.to_string(),
            },
            Fault::File(
                error @ (WriteError::Closed
                | WriteError::ReadOnly
                | WriteError::Panicked
                | WriteError::GivenUp
                | WriteError::Failed(_)),
            ) => Self::Unavailable {
                reason: chain(&error),
            },
        }
    }
}
