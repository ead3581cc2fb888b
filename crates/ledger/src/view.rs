//! What can be asked of the ledger.

use bytes::Bytes;
use order::{Content, Facts, Kind, OrderId, PlayerId, ProjectId, Sku, Status, TransactionId};
use task::{MessageId, ParkedId};
use time::OffsetDateTime;

use crate::books::TransactionRow;

/// The newest rows of a player's status stream, as of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The ledger's epoch. Offsets of another epoch mean nothing here.
    pub epoch: String,
    /// The offset of the newest row; 0 for an empty stream.
    pub top: i64,
    /// Rows in ascending order, without gaps, ending at `top`; fewer than asked for when
    /// older ones count as trimmed.
    pub rows: Vec<StreamRow>,
}

/// One row of a status stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRow {
    /// Its place, from 1, without gaps.
    pub offset: i64,
    /// The order.
    pub order: OrderId,
    /// Where it stood from then on.
    pub status: Status,
    /// When that was committed.
    pub at: OffsetDateTime,
}

/// What a client may know of its own order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderStatus {
    /// The order.
    pub order: OrderId,
    /// Where it stands.
    pub status: Status,
    /// What was bought, where that is known yet.
    pub content: Option<Content>,
}

/// An order with everything the ledger knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderView {
    /// The order.
    pub order: OrderId,
    /// Its player, once somebody has named one.
    pub player: Option<PlayerId>,
    /// Where it stands.
    pub status: Status,
    /// What was seen of it.
    pub facts: Facts,
    /// Whether it is a test purchase.
    pub sandbox: bool,
    /// Its real-money transaction.
    pub transaction: Option<TransactionId>,
    /// What was bought.
    pub content: Option<Content>,
    /// When it was first heard of.
    pub first_at: OffsetDateTime,
    /// When anything last changed.
    pub last_at: OffsetDateTime,
    /// What its player's clients were told of it, oldest first, as far as the player's
    /// history can be read. Empty in lists.
    pub statuses: Vec<StreamRow>,
    /// Its grant and its revoke, oldest first. Empty in lists.
    pub bookings: Vec<BookingView>,
    /// The notices about it, oldest first. Empty in lists.
    pub notices: Vec<NoticeView>,
    /// Where notices about it disagreed. Empty in lists.
    pub conflicts: Vec<ConflictView>,
}

impl OrderView {
    /// An order of which nothing is known but notices that were parked or only recorded.
    pub(crate) fn of_notices(order: OrderId, notices: &[NoticeView]) -> Option<Self> {
        Some(Self {
            order,
            player: None,
            status: Status::New,
            facts: Facts::default(),
            sandbox: false,
            transaction: None,
            content: None,
            first_at: notices.iter().map(|notice| notice.first_at).min()?,
            last_at: notices.iter().map(|notice| notice.last_at).max()?,
            statuses: Vec::new(),
            bookings: Vec::new(),
            notices: Vec::new(),
            conflicts: Vec::new(),
        })
    }
}

/// A grant or a revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BookingView {
    /// `order:ID`.
    pub source: String,
    /// `grant` or `revoke`.
    pub direction: String,
    /// Who got or lost it.
    pub player: PlayerId,
    /// The type of the notice that caused it.
    pub kind: Kind,
    /// How far it has been carried out.
    pub state: String,
    /// When.
    pub booked_at: OffsetDateTime,
    /// What.
    pub lines: Vec<LineView>,
}

/// So many of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineView {
    /// The item.
    pub sku: Sku,
    /// How many.
    pub quantity: i64,
}

/// A notice and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeView {
    /// Its type.
    pub kind: Kind,
    /// What makes it the same notice as another of its type.
    pub reference: String,
    /// The digest of the body seen first.
    pub message: MessageId,
    /// How often it came. A lower bound: Redis may have spared the ledger some.
    pub seen: i64,
    /// When it was first booked or parked.
    pub first_at: OffsetDateTime,
    /// When it came last.
    pub last_at: OffsetDateTime,
    /// `booked`, `no_op` or `parked`.
    pub outcome: String,
    /// Why, unless booked.
    pub reason: Option<String>,
    /// The parked entry, where there is one.
    pub parked: Option<ParkedId>,
    /// The trace of the first one.
    pub trace_id: Option<String>,
}

/// Two notices that disagreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConflictView {
    /// The type of the later one.
    pub kind: Kind,
    /// About what.
    pub what: String,
    /// When it came.
    pub at: OffsetDateTime,
}

/// A real-money transaction and where it led.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionView {
    /// The transaction.
    pub transaction: TransactionId,
    /// Its order, once some notice has named both.
    pub order: Option<OrderId>,
    /// Who paid, where the payment named somebody.
    pub player: Option<PlayerId>,
    /// Whether the payment was seen.
    pub payment: bool,
    /// Whether a refund was seen.
    pub refund: bool,
    /// Xsolla's refund code.
    pub refund_code: Option<i64>,
    /// The notices about it, oldest first.
    pub notices: Vec<NoticeView>,
}

impl TransactionView {
    /// `None` when nothing is known of it. A notice that is only recorded, or parked, may be
    /// all there is.
    pub(crate) fn of(
        transaction: TransactionId,
        row: Option<TransactionRow>,
        notices: Vec<NoticeView>,
    ) -> Option<Self> {
        let known = row.is_some() || !notices.is_empty();
        let row = row.unwrap_or_default();
        known.then_some(Self {
            transaction,
            order: row.order,
            player: row.player,
            payment: row.payment,
            refund: row.refund,
            refund_code: row.refund_code,
            notices,
        })
    }
}

/// Which parked entries to list.
#[derive(Clone, Debug, Default)]
pub struct ParkedFilter {
    /// Of this project only.
    pub project: Option<ProjectId>,
    /// About this order only.
    pub order: Option<OrderId>,
    /// About this transaction only.
    pub transaction: Option<TransactionId>,
    /// About this player only.
    pub player: Option<PlayerId>,
    /// Also those that are settled.
    pub settled: bool,
    /// The highest number first, and not the lowest.
    pub newest_first: bool,
    /// Only entries after this one: the last of the page before.
    pub after: Option<ParkedId>,
    /// At most so many; capped at 200.
    pub limit: u32,
}

/// A notice that waits for a person. Without its body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedView {
    /// Its number.
    pub id: ParkedId,
    /// Its project, unless the message was too broken to tell.
    pub project: Option<ProjectId>,
    /// Its type.
    pub kind: Kind,
    /// The order it names.
    pub order: Option<OrderId>,
    /// The transaction it names.
    pub transaction: Option<TransactionId>,
    /// The player it names.
    pub player: Option<PlayerId>,
    /// Why it waits, in one word.
    pub reason: String,
    /// What was found and what was expected.
    pub detail: String,
    /// How often it has been tried.
    pub attempts: i32,
    /// The trace it belongs to.
    pub trace_id: Option<String>,
    /// When it was received.
    pub received_at: OffsetDateTime,
    /// When it was parked.
    pub parked_at: OffsetDateTime,
    /// When it was last put back on the queue.
    pub replayed_at: Option<OffsetDateTime>,
    /// When it ended well, or was closed.
    pub settled_at: Option<OffsetDateTime>,
}

/// A parked entry with its body, for a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedBody {
    /// What is known of it.
    pub view: ParkedView,
    /// The digest of its body.
    pub message: MessageId,
    /// The notice, byte for byte.
    pub body: Bytes,
}
