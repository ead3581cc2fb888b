//! One batch, one transaction.
//!
//! Every writer takes its locks in the same order: notices, transactions, orders
//! (including those the transactions name), bookings, balances, stream heads. Within a
//! table the missing rows are inserted in key order before any is locked in key order.
//! That leaves no cycle in which two writers wait for each other. Nobody locks a
//! transaction after an order.

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use tracing::Instrument as _;

use super::pool::Lent;
use super::{Ledger, bookings, conflicts, notices, orders, parked, streams, transactions};
use crate::books::{Books, Keys, owners};
use crate::{Booked, Entry, LedgerError};

impl Ledger {
    pub(crate) async fn book(
        &self,
        entries: &Arc<[Entry]>,
        at: OffsetDateTime,
    ) -> Result<Booked, LedgerError> {
        // In a task of its own, because a cancelled `begin` leaves sqlx 0.9.0 with a
        // connection inside a transaction.
        let (ledger, entries) = (self.clone(), Arc::clone(entries));
        let span = tracing::info_span!("ledger.book", entries = entries.len());
        let booking = async move {
            let book = |connection| book_now(connection, &entries, at);
            ledger.pool.within(book).await
        };
        tokio::spawn(booking.instrument(span)).await?
    }
}

async fn book_now(
    mut connection: Lent,
    entries: &[Entry],
    at: OffsetDateTime,
) -> Result<Booked, LedgerError> {
    let mut transaction = connection.begin().await?;
    let mut books = load(&mut transaction, entries, at).await?;
    let loaded = books.rows();
    let verdicts = books.book_all(entries);
    let offsets = save(&mut transaction, entries, &loaded, &books, at).await?;
    let epoch = streams::epoch(&mut transaction).await?;
    transaction.commit().await?;
    Ok(books.booked(verdicts, offsets, epoch, at))
}

/// Locks and reads everything that booking `entries` may read or change.
async fn load(
    connection: &mut PgConnection,
    entries: &[Entry],
    at: OffsetDateTime,
) -> Result<Books, LedgerError> {
    let mut keys = Keys::of(entries);
    let notices = notices::lock(connection, keys.notices).await?;
    let transactions = transactions::lock(connection, &keys.transactions).await?;
    keys.orders.extend(owners(&transactions));
    let orders = orders::lock(connection, &keys.orders, at).await?;
    let bookings = bookings::lock(connection, &keys.orders).await?;
    Ok(Books {
        notices,
        transactions,
        orders,
        bookings,
        ..Books::default()
    })
}

/// Writes what is new or differs from `loaded`. Gives the offset of each new status.
async fn save(
    connection: &mut PgConnection,
    entries: &[Entry],
    loaded: &Books,
    books: &Books,
    at: OffsetDateTime,
) -> Result<Vec<i64>, LedgerError> {
    let parked = parked::save(connection, entries, books, at).await?;
    notices::save(connection, books, &parked, at).await?;
    transactions::save(connection, loaded, books).await?;
    orders::save(connection, loaded, books, at).await?;
    bookings::save(connection, books, at).await?;
    conflicts::save(connection, books, at).await?;
    bookings::move_balances(connection, books).await?;
    streams::append(connection, books, at).await
}
