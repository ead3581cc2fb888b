//! The truth: which notices were seen, what they changed, who owns what, and what each
//! player's clients have to be told.
//!
//! All SQL lives here. A caller hands over a batch of [`Entry`]s and gets a committed
//! [`Booked`] or an error that says whether trying again can help. The rules are in
//! `decide`, without SQL; `postgres` and `sqlite` load, lock and write.
//!
//! Invariants: facts only grow; one grant and one revoke per order, by primary key; the
//! offsets of a stream ascend by one in commit order.

mod books;
mod config;
mod content;
mod decide;
mod entry;
mod error;
mod metrics;
mod moving;
mod postgres;
mod quarantine;
mod rows;
mod simulated;
mod sqlite;
mod store;
mod survey;
mod view;

pub use config::Config;
pub use entry::{Booked, Conflict, Entry, NoOp, Notice, Outcome, Verdict};
pub use error::{Disposition, Interruption, LedgerError, SchemaError, StoreError};
pub use moving::{Arrival, Copied, Destination, MoveError};
pub use quarantine::{Custody, QuarantineId, QuarantineRoom, QuarantinedBody, SealedBody};
pub use simulated::{SimulatedLedger, SimulatedOrder};
pub use store::{FirstTrace, Ledger, draw_epoch};
pub use survey::{OpenObligations, OpenParked, QueueHead, Survey, Unfulfilled};
pub use view::{
    BookingView, ConflictView, LineView, NoticeView, OrderStatus, OrderView, ParkedBody,
    ParkedFilter, ParkedView, Stream, StreamRow, TransactionView,
};
