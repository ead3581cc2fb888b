//! One batch, one closure on the writer: all of it is in the file, or nothing.

use std::sync::Arc;

use rusqlite::Connection;
use time::OffsetDateTime;
use tracing::Instrument as _;

use super::{Ledger, bookings, conflicts, notices, orders, parked, streams, transactions};
use crate::books::{Books, Keys, owners};
use crate::{Booked, Entry, LedgerError};

impl Ledger {
    pub(crate) async fn book(
        &self,
        entries: &Arc<[Entry]>,
        at: OffsetDateTime,
    ) -> Result<Booked, LedgerError> {
        let (file, entries) = (self.file.clone(), Arc::clone(entries));
        let span = tracing::info_span!("ledger.book", entries = entries.len());
        let booking = async move {
            let book = move |connection: &Connection| book_now(connection, &entries, at);
            file.write(book).await
        };
        // In a task of its own: it goes on when nobody waits for it any more, even while the
        // writer's queue is full.
        tokio::spawn(booking.instrument(span)).await?
    }
}

fn book_now(
    connection: &Connection,
    entries: &[Entry],
    at: OffsetDateTime,
) -> Result<Booked, LedgerError> {
    let (mut books, loaded) = load(connection, entries)?;
    let verdicts = books.book_all(entries);
    let offsets = save(connection, entries, &loaded, &books, at)?;
    let epoch = streams::epoch(connection)?;
    Ok(books.booked(verdicts, offsets, epoch, at))
}

/// Reads everything that booking `entries` may read or change, and once more only what is
/// there: to tell later which rows are new.
fn load(connection: &Connection, entries: &[Entry]) -> Result<(Books, Books), LedgerError> {
    let mut keys = Keys::of(entries);
    let notices = notices::load(connection, keys.notices)?;
    let transactions = transactions::load(connection, &keys.transactions)?;
    keys.orders.extend(owners(&transactions));
    let orders = orders::load(connection, &keys.orders)?;
    let bookings = bookings::load(connection, &keys.orders)?;
    let mut books = Books {
        notices,
        transactions,
        orders,
        bookings,
        ..Books::default()
    };
    let loaded = books.rows();
    for key in keys.transactions {
        books.transactions.entry(key).or_default();
    }
    for key in keys.orders {
        books.orders.entry(key).or_default();
    }
    Ok((books, loaded))
}

/// Writes what is new or differs from `loaded`. Gives the offset of each new status.
fn save(
    connection: &Connection,
    entries: &[Entry],
    loaded: &Books,
    books: &Books,
    at: OffsetDateTime,
) -> Result<Vec<i64>, LedgerError> {
    let parked = parked::save(connection, entries, books, at)?;
    notices::save(connection, books, &parked, at)?;
    transactions::save(connection, loaded, books)?;
    orders::save(connection, loaded, books, at)?;
    bookings::save(connection, books, at)?;
    conflicts::save(connection, books, at)?;
    bookings::move_balances(connection, books)?;
    streams::append(connection, books, at)
}
