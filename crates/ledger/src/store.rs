//! The ledger as its callers see it: one set of calls, whichever store is below.

use std::sync::Arc;

use bytes::Bytes;
use order::{OrderId, ParkReason, PlayerId, ProjectId, TransactionId};
use task::ParkedId;
use time::OffsetDateTime;

use crate::{
    Booked, Config, Entry, LedgerError, LineView, NoticeView, OrderStatus, OrderView, ParkedBody,
    ParkedFilter, ParkedView, SchemaError, Stream, TransactionView, postgres, sqlite,
};

/// The ledger. Cheap to clone: clones share their connections.
///
/// On PostgreSQL every call but a migration ends within `acquire_timeout` and three times
/// `statement_timeout`, even when the server has vanished without closing a connection: then
/// with [`LedgerError::Unavailable`], and the next call gets a new connection. On the
/// embedded file a call waits for the disk alone, and for the writers before it.
#[derive(Clone, Debug)]
pub struct Ledger {
    store: Store,
}

#[derive(Clone, Debug)]
enum Store {
    Postgres(postgres::Ledger),
    Sqlite(sqlite::Ledger),
}

/// Makes the same call of either store.
macro_rules! either {
    ($ledger:ident.$call:ident($($argument:expr),*)) => {
        match &$ledger.store {
            Store::Postgres(ledger) => ledger.$call($($argument),*).await,
            Store::Sqlite(ledger) => ledger.$call($($argument),*).await,
        }
    };
}

mod quarantine;
mod traces;

pub use traces::FirstTrace;
mod survey;

/// Gives the ledger in a copy of an embedded file another epoch and says which: whoever
/// restores or copies a file does so before any role uses it.
///
/// # Errors
/// When the copy cannot be written, or is none of ours.
pub fn draw_epoch(copy: &rusqlite::Connection) -> rusqlite::Result<String> {
    sqlite::draw_epoch(copy)
}

impl Ledger {
    /// The ledger on PostgreSQL. Connects lazily: the database may be away.
    ///
    /// # Errors
    /// When `ledger.url` is no URL of a database.
    pub fn open(config: &Config) -> Result<Self, SchemaError> {
        let store = Store::Postgres(postgres::Ledger::open(config)?);
        Ok(Self { store })
    }

    /// The ledger on PostgreSQL for somebody who only reads: the server refuses what they
    /// would write.
    ///
    /// # Errors
    /// When `ledger.url` is no URL of a database.
    pub fn open_to_read(config: &Config) -> Result<Self, SchemaError> {
        let store = Store::Postgres(postgres::Ledger::open_to_read(config)?);
        Ok(Self { store })
    }

    /// The ledger in the embedded file, where opening has brought the schema up to this
    /// version. Of a player's status rows the newest `history_rows` can be read.
    #[must_use]
    pub fn embedded(file: ::sqlite::File, history_rows: u32) -> Self {
        let store = Store::Sqlite(sqlite::Ledger::new(file, history_rows));
        Self { store }
    }

    /// How many of a player's newest status rows can be read.
    #[must_use]
    pub const fn history_rows(&self) -> i64 {
        match &self.store {
            Store::Postgres(ledger) => ledger.history_rows(),
            Store::Sqlite(ledger) => ledger.history_rows(),
        }
    }

    /// Brings the schema up to this version. Safe to run while roles are working, and
    /// twice at once. Does nothing to the embedded file, which was migrated when opened.
    ///
    /// # Errors
    /// When the database cannot be reached or a migration fails.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        match &self.store {
            Store::Postgres(ledger) => ledger.migrate().await,
            Store::Sqlite(_) => Ok(()),
        }
    }

    /// Checks that the database can be used and has the schema this version needs. The
    /// embedded file could not have been opened otherwise.
    ///
    /// # Errors
    /// When it cannot be reached, or its schema is older or newer.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        match &self.store {
            Store::Postgres(ledger) => ledger.check_schema().await,
            Store::Sqlite(_) => Ok(()),
        }
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), LedgerError> {
        either!(self.ping())
    }

    /// Waits for what is under way, for five seconds at most, then closes every connection.
    /// Leaves the embedded file open: the queue is in it, too, so whoever opened it closes it.
    pub async fn close(&self) {
        either!(self.close());
    }

    /// Books every entry of a batch, or none.
    ///
    /// Primary keys decide what is new: a batch that was committed before, wholly or in
    /// part, by this process or another, books nothing twice. Entries are booked in their
    /// order; what became of each is in [`Booked::verdicts`].
    ///
    /// Dropping the future does not stop the booking.
    ///
    /// # Errors
    /// With the decision in [`LedgerError::disposition`]. After `Retry` the outcome may be
    /// unknown: book the same batch again.
    pub async fn book(
        &self,
        entries: &Arc<[Entry]>,
        at: OffsetDateTime,
    ) -> Result<Booked, LedgerError> {
        either!(self.book(entries, at))
    }

    /// What a client may know of its own order. Another player's order is as unknown as
    /// one that does not exist.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn order_status(
        &self,
        project: ProjectId,
        order: OrderId,
        player: &PlayerId,
    ) -> Result<Option<OrderStatus>, LedgerError> {
        either!(self.order_status(project, order, player))
    }

    /// An order with its statuses, bookings, notices and conflicts.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn order(
        &self,
        project: ProjectId,
        order: OrderId,
    ) -> Result<Option<OrderView>, LedgerError> {
        either!(self.order(project, order))
    }

    /// A player's orders, newest id first, older than `before`; at most 200.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn orders_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderView>, LedgerError> {
        either!(self.orders_of(project, player, before, limit))
    }

    /// A transaction with its notices. `None` when no notice has named it.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn transaction(
        &self,
        project: ProjectId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionView>, LedgerError> {
        either!(self.transaction(project, transaction))
    }

    /// The notices that name a player, newest first; at most 200.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn notices_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        limit: u32,
    ) -> Result<Vec<NoticeView>, LedgerError> {
        either!(self.notices_of(project, player, limit))
    }

    /// What a player holds, sorted by item, without what is down to zero.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn inventory(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<Vec<LineView>, LedgerError> {
        either!(self.inventory(project, player))
    }

    /// A player's status rows after an offset, with the top and the epoch of the same
    /// instant. At most the newest `history_rows` can be had.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn stream(
        &self,
        project: ProjectId,
        player: &PlayerId,
        after: i64,
    ) -> Result<Stream, LedgerError> {
        either!(self.stream(project, player, after))
    }

    /// The epoch, and the top of each of these streams, as of one instant.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn tops(
        &self,
        players: &[(ProjectId, PlayerId)],
    ) -> Result<(String, Vec<i64>), LedgerError> {
        either!(self.tops(players))
    }

    /// The ledger's epoch: its own random id, and on PostgreSQL the database's timeline.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn epoch(&self) -> Result<String, LedgerError> {
        Ok(self.tops(&[]).await?.0)
    }

    /// Draws another epoch and says which: clients then read their history anew, and what
    /// was known of this ledger proves nothing any more. For a database that was restored
    /// from a snapshot, or a copied file; roles may go on meanwhile.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn new_epoch(&self) -> Result<String, LedgerError> {
        either!(self.new_epoch())
    }

    /// Parked entries, in the order of their numbers.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn parked(&self, filter: &ParkedFilter) -> Result<Vec<ParkedView>, LedgerError> {
        either!(self.parked(filter))
    }

    /// One parked entry with its body.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn parked_body(&self, id: ParkedId) -> Result<Option<ParkedBody>, LedgerError> {
        either!(self.parked_body(id))
    }

    /// Notes that a parked entry was put back on the queue.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn parked_was_replayed(
        &self,
        id: ParkedId,
        at: OffsetDateTime,
    ) -> Result<(), LedgerError> {
        either!(self.parked_was_replayed(id, at))
    }

    /// Parks a message that is too broken to be booked. Keeps every byte of it; a repeat
    /// of the same bytes while it waits is not parked again.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn park_raw(
        &self,
        body: &Bytes,
        reason: ParkReason,
        detail: &str,
        at: OffsetDateTime,
    ) -> Result<(), LedgerError> {
        either!(self.park_raw(body, reason, detail, at))
    }

    /// Registers a player. Says whether they are new; a repeat is harmless.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn register_player(
        &self,
        project: ProjectId,
        player: &PlayerId,
        at: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        either!(self.register_player(project, player, at))
    }

    /// Whether the game has registered this player.
    ///
    /// # Errors
    /// When the database is not available: then nothing is known.
    pub async fn is_registered(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<bool, LedgerError> {
        either!(self.is_registered(project, player))
    }
}
