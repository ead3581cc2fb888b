//! What the worker asks of whoever understands a kind of notice.

use order::{Assertion, Kind, ParkReason, Reference};
use task::{Lane, Task};
use xsolla::ReadError;

/// A notice, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What makes it the same notice as another of its kind.
    pub reference: Reference,
    /// What it asserts.
    pub assertion: Assertion,
}

impl Reading {
    /// A notice that waits for a person.
    ///
    /// It stands under its message id, so that it never takes the place of a notice that
    /// can be read and has the same ids.
    #[must_use]
    pub fn unprocessable(task: &Task, reason: ParkReason, detail: String) -> Self {
        Self {
            reference: Reference::message(&task.message.to_string()),
            assertion: Assertion::Unprocessable { reason, detail },
        }
    }

    /// A body that is no notice of its project.
    #[must_use]
    pub fn unreadable(task: &Task, error: &ReadError) -> Self {
        Self::unprocessable(task, error.park_reason(), error.to_string())
    }

    /// A notice that came to a lane which cannot do what it asks for.
    #[must_use]
    pub fn misrouted(task: &Task, lane: Lane, kind: &Kind) -> Self {
        let detail = format!("`notification_type`: {kind} does not belong on the {lane} lane");
        Self::unprocessable(task, ParkReason::Unreadable, detail)
    }
}

/// Understands the notices of one lane.
///
/// Pure: the same task always gives the same reading, whenever and wherever it is read.
/// What cannot be understood becomes [`Assertion::Unprocessable`], never an error: the
/// notice was accepted, so it has to end somewhere.
pub trait Handler: Send + Sync + 'static {
    /// The work queue it serves.
    fn lane(&self) -> Lane;

    /// Reads one task.
    fn read(&self, task: &Task) -> Reading;
}
