//! The rows a batch works on: loaded and locked by a back end, changed by `decide`,
//! written back by the back end.

use std::collections::{BTreeMap, BTreeSet};

use order::{
    Content, Delivery, Facts, Kind, Line, OrderId, PlayerId, ProjectId, Reference, Sku, Status,
    TransactionId,
};
use task::{Hint, Hints, MessageId, ParkedId, RowTraces};
use time::OffsetDateTime;

use crate::{Booked, Conflict, Entry, Outcome, Verdict, decide};

/// The key of a notice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NoticeKey {
    pub(crate) project: ProjectId,
    pub(crate) kind: Kind,
    pub(crate) reference: Reference,
}

pub(crate) type TransactionKey = (ProjectId, TransactionId);
pub(crate) type OrderKey = (ProjectId, OrderId);

/// A notice that has been seen before, or is being seen now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NoticeRow {
    /// `None` until it has been decided for the first time.
    pub(crate) first: Option<FirstSeen>,
    pub(crate) seen: i64,
    /// Whether this batch decided it, for the first time or again.
    pub(crate) decided: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FirstSeen {
    pub(crate) message: MessageId,
    pub(crate) fingerprint: [u8; 32],
    pub(crate) outcome: Outcome,
    /// The newest entry it was parked as, settled or not.
    pub(crate) parked: Option<ParkedId>,
    pub(crate) ids: Ids,
    pub(crate) trace_id: Option<String>,
}

/// What a notice names, for finding it again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) order: Option<OrderId>,
    pub(crate) transaction: Option<TransactionId>,
    pub(crate) player: Option<PlayerId>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransactionRow {
    pub(crate) order: Option<OrderId>,
    pub(crate) player: Option<PlayerId>,
    pub(crate) payment: bool,
    pub(crate) refund: bool,
    pub(crate) refund_code: Option<i64>,
    /// What the payment notice said of its mode. `None` until there was one.
    pub(crate) sandbox: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OrderRow {
    pub(crate) player: Option<PlayerId>,
    pub(crate) transaction: Option<TransactionId>,
    pub(crate) sandbox: bool,
    pub(crate) facts: Facts,
    pub(crate) shown: Option<Status>,
    pub(crate) content: Option<Content>,
}

/// Whether items go to the player or come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Direction {
    Grant,
    Revoke,
}

impl Direction {
    const ALL: [Self; 2] = [Self::Grant, Self::Revoke];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Revoke => "revoke",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|direction| direction.as_str() == name)
    }
}

/// What a booking is for. One grant and one revoke each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    Order(OrderId),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Order(order) => write!(f, "order:{order}"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BookingKey {
    pub(crate) project: ProjectId,
    pub(crate) source: Source,
    pub(crate) direction: Direction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BookingRow {
    pub(crate) player: PlayerId,
    pub(crate) lines: Vec<Line>,
    pub(crate) obligation: Obligation,
    /// The notice that caused it. `None` for one that was there before this batch.
    pub(crate) cause: Option<NoticeKey>,
}

/// How far a booking has been carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obligation {
    Owed,
    Sent,
    Held,
    Refused,
    Void,
    OwedBack,
    Returned,
}

impl Obligation {
    const ALL: [Self; 7] = [
        Self::Owed,
        Self::Sent,
        Self::Held,
        Self::Refused,
        Self::Void,
        Self::OwedBack,
        Self::Returned,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Owed => "owed",
            Self::Sent => "sent",
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Void => "void",
            Self::OwedBack => "owed_back",
            Self::Returned => "returned",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// What a grant in this state means for the status shown.
    pub(crate) const fn delivery(self) -> Delivery {
        match self {
            Self::Owed => Delivery::Owed,
            Self::Sent => Delivery::Sent,
            Self::Held => Delivery::Held,
            Self::Refused | Self::Void | Self::OwedBack | Self::Returned => Delivery::Nothing,
        }
    }
}

/// A row to be appended to a player's stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewStatus {
    pub(crate) project: ProjectId,
    pub(crate) player: PlayerId,
    pub(crate) order: OrderId,
    pub(crate) status: Status,
}

/// A disagreement to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewConflict {
    pub(crate) notice: NoticeKey,
    pub(crate) message: MessageId,
    pub(crate) ids: Ids,
    pub(crate) what: Conflict,
}

/// A notice to be parked: its place in the batch, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewParked {
    pub(crate) entry: usize,
    pub(crate) notice: NoticeKey,
    pub(crate) reason: order::ParkReason,
    pub(crate) detail: String,
}

/// Everything a batch reads and changes.
///
/// A back end fills the four maps with every row that the batch's keys name (missing ones
/// as defaults), which nobody else may change meanwhile; afterwards it writes what is new
/// or differs.
#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) notices: BTreeMap<NoticeKey, NoticeRow>,
    pub(crate) transactions: BTreeMap<TransactionKey, TransactionRow>,
    pub(crate) orders: BTreeMap<OrderKey, OrderRow>,
    pub(crate) bookings: BTreeMap<BookingKey, BookingRow>,
    pub(crate) moves: BTreeMap<(ProjectId, PlayerId, Sku), i64>,
    pub(crate) statuses: Vec<NewStatus>,
    pub(crate) conflicts: Vec<NewConflict>,
    pub(crate) parked: Vec<NewParked>,
    /// Notices that were parked and now ended well.
    pub(crate) settled: Vec<NoticeKey>,
    /// Parked entries whose replay ended well.
    pub(crate) replayed: Vec<ParkedId>,
}

/// What a batch names. The rows of these keys, and the orders that the transactions name,
/// are all that booking it reads or changes.
pub(crate) struct Keys {
    pub(crate) notices: BTreeSet<NoticeKey>,
    pub(crate) transactions: BTreeSet<TransactionKey>,
    pub(crate) orders: BTreeSet<OrderKey>,
}

impl Keys {
    pub(crate) fn of(entries: &[Entry]) -> Self {
        let mut keys = Self {
            notices: entries.iter().filter_map(Entry::notice_key).collect(),
            transactions: BTreeSet::new(),
            orders: BTreeSet::new(),
        };
        for entry in entries {
            let (order, transaction) = decide::touches(&entry.assertion);
            let transaction = transaction.map(|transaction| (entry.project, transaction));
            keys.orders
                .extend(order.map(|order| (entry.project, order)));
            keys.transactions.extend(transaction);
        }
        keys
    }
}

/// The orders that transactions belong to.
pub(crate) fn owners(
    transactions: &BTreeMap<TransactionKey, TransactionRow>,
) -> impl Iterator<Item = OrderKey> {
    let owner = |(key, row): (&TransactionKey, &TransactionRow)| Some((key.0, row.order?));
    transactions.iter().filter_map(owner)
}

impl Books {
    /// Books the entries in their order.
    pub(crate) fn book_all(&mut self, entries: &[Entry]) -> Vec<Verdict> {
        let verdict = |(index, entry)| self.book(index, entry);
        entries.iter().enumerate().map(verdict).collect()
    }

    /// What became of the batch, once it is committed and each new status has its offset.
    pub(crate) fn booked(
        self,
        verdicts: Vec<Verdict>,
        offsets: Vec<i64>,
        epoch: String,
        at: OffsetDateTime,
    ) -> Booked {
        let rows = self.statuses.into_iter().zip(offsets);
        let rows = rows.map(|(new, offset)| Hint {
            project: new.project,
            player: new.player,
            offset,
            order: new.order,
            status: new.status,
        });
        let rows = rows.collect();
        Booked {
            verdicts,
            hints: Hints {
                epoch,
                rows,
                traces: RowTraces::default(),
                at: Some(at),
            },
        }
    }

    /// The rows as they are now, to tell later which have changed.
    pub(crate) fn rows(&self) -> Self {
        Self {
            transactions: self.transactions.clone(),
            orders: self.orders.clone(),
            ..Self::default()
        }
    }
}
