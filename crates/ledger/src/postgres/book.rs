//! One batch, one transaction.
//!
//! Every writer takes its locks in the same order: notices, transactions, orders
//! (including those the transactions name), bookings, balances, stream heads. Within a
//! table the missing rows are inserted in key order before any is locked in key order.
//! That leaves no cycle in which two writers wait for each other. Nobody locks a
//! transaction after an order.

use std::collections::BTreeSet;
use std::sync::Arc;

use sqlx::{PgConnection, PgPool};
use task::{Hint, Hints};
use time::OffsetDateTime;
use tracing::Instrument as _;

use super::{Ledger, bookings, conflicts, notices, orders, parked, streams, transactions};
use crate::books::{Books, OrderKey, TransactionKey};
use crate::{Booked, Entry, LedgerError, decide};

impl Ledger {
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
        // In a task of its own, because a cancelled `begin` leaves sqlx 0.9.0 with a
        // connection inside a transaction.
        let (ledger, entries) = (self.clone(), Arc::clone(entries));
        let span = tracing::info_span!("ledger.book", entries = entries.len());
        let booking = async move {
            let book = |pool| book_now(pool, &entries, at);
            ledger.pool.within(book).await
        };
        tokio::spawn(booking.instrument(span))
            .await
            .map_err(LedgerError::Interrupted)?
    }
}

async fn book_now(
    pool: PgPool,
    entries: &[Entry],
    at: OffsetDateTime,
) -> Result<Booked, LedgerError> {
    let mut transaction = pool.begin().await?;
    let mut books = load(&mut transaction, entries, at).await?;
    let loaded = books.rows();
    let verdicts = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| books.book(index, entry))
        .collect();
    let offsets = save(&mut transaction, entries, &loaded, &books, at).await?;
    let epoch = streams::epoch(&mut transaction).await?;
    transaction.commit().await?;
    let rows = books.statuses.into_iter().zip(offsets);
    let rows = rows.map(|(new, offset)| Hint {
        project: new.project,
        player: new.player,
        offset,
        order: new.order,
        status: new.status,
    });
    Ok(Booked {
        verdicts,
        hints: Hints {
            epoch,
            rows: rows.collect(),
        },
    })
}

/// Locks and reads everything that booking `entries` may read or change.
async fn load(
    connection: &mut PgConnection,
    entries: &[Entry],
    at: OffsetDateTime,
) -> Result<Books, LedgerError> {
    let mut order_keys = BTreeSet::<OrderKey>::new();
    let mut transaction_keys = BTreeSet::<TransactionKey>::new();
    for entry in entries {
        let (order, transaction) = decide::touches(&entry.assertion);
        order_keys.extend(order.map(|order| (entry.project, order)));
        transaction_keys.extend(transaction.map(|transaction| (entry.project, transaction)));
    }
    let notice_keys = entries.iter().filter_map(Entry::notice_key).collect();

    let notices = notices::lock(connection, notice_keys).await?;
    let transactions = transactions::lock(connection, &transaction_keys).await?;
    order_keys.extend(
        transactions
            .iter()
            .filter_map(|(key, row)| Some((key.0, row.order?))),
    );
    let orders = orders::lock(connection, &order_keys, at).await?;
    let bookings = bookings::lock(connection, &order_keys).await?;
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
