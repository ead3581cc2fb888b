//! What travels between the roles: tasks on the work queues and hints to the publishers.
//!
//! A task is the notice's raw bytes; everything known about them stands in headers beside
//! a format version, so that tasks outlive deploys. A hint says which rows of the status
//! stream are new; losing one costs time, never truth.

mod headers;
mod hint;
mod lane;
mod message;
mod task;

pub use headers::{HeaderError, Headers};
pub use hint::{Hint, Hints, HintsError, RowTraces};
pub use lane::Lane;
pub use message::MessageId;
pub use task::{ParkedId, Salvage, Task, TraceContext};

use time::OffsetDateTime;

/// The wall clock, read where a message enters or leaves the process.
///
/// Everything that decides takes the time as an argument.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the wall clock"
)]
pub fn now() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
