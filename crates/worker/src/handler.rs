//! What the worker asks of whoever understands a kind of notice.

use order::{Assertion, Reference};
use task::{Lane, Task};

/// A notice, understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What makes it the same notice as another of its kind.
    pub reference: Reference,
    /// What it asserts.
    pub assertion: Assertion,
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
