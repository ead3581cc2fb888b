//! What is open.

use std::time::Duration;

use rusqlite::{Connection, Row};

use super::Ledger;
use super::columns::Instant;
use super::statement::all;
use crate::survey::{Owed, Priced, ROWS_MAX, Waiting};
use crate::{LedgerError, QueueHead, Survey};

/// The condition is the one of the index `orders_paid_not_granted`. An order was paid when
/// the first notice that says so was booked, which `orders` does not tell.
pub(super) const PAID: &str = "
    SELECT project, amount, currency, count(*), min(coalesce(at, first_at))
    FROM (SELECT project, first_at, content ->> '$.price.amount' AS amount,
                 content ->> '$.price.currency' AS currency,
                 (SELECT min(n.first_at) FROM notices n INDEXED BY notices_by_order
                  WHERE n.project = o.project AND n.order_id = o.order_id
                    AND n.kind IN ('order_paid', 'payment')) AS at
          FROM orders o
          WHERE status = 'paid' AND sandbox = 0 AND refunded = 0
            AND coalesce(content ->> '$.is_virtual', 0) = 0
            AND coalesce(content ->> '$.is_free', 0) = 0
          ORDER BY first_at LIMIT ?1)
    GROUP BY project, amount, currency";

const PARKED: &str = "
    SELECT reason, count(*), min(parked_at)
    FROM (SELECT reason, parked_at FROM parked WHERE settled_at IS NULL
          ORDER BY parked_at, id LIMIT ?1)
    GROUP BY reason";

const OWED: &str = "
    SELECT direction, state, count(*), min(booked_at)
    FROM (SELECT * FROM obligations WHERE state IN ('owed', 'sent', 'owed_back')
          ORDER BY due_at LIMIT ?1)
    JOIN bookings USING (project, source, direction, part)
    GROUP BY direction, state";

fn priced(row: &Row<'_>) -> rusqlite::Result<Priced> {
    Ok(Priced {
        project: row.get(0)?,
        amount: row.get(1)?,
        currency: row.get(2)?,
        orders: row.get(3)?,
        oldest_at: row.get::<_, Instant>(4)?.0,
    })
}

fn waiting(row: &Row<'_>) -> rusqlite::Result<Waiting> {
    Ok(Waiting {
        reason: row.get(0)?,
        entries: row.get(1)?,
        oldest_at: row.get::<_, Instant>(2)?.0,
    })
}

fn owed(row: &Row<'_>) -> rusqlite::Result<Owed> {
    Ok(Owed {
        direction: row.get(0)?,
        state: row.get(1)?,
        obligations: row.get(2)?,
        oldest_at: row.get::<_, Instant>(3)?.0,
    })
}

impl Ledger {
    pub(crate) async fn survey(&self) -> Result<Survey, LedgerError> {
        let read = |connection: &Connection| {
            Ok::<_, LedgerError>(Survey::of(
                &all(connection, PAID, [ROWS_MAX], priced)?,
                &all(connection, PARKED, [ROWS_MAX], waiting)?,
                &all(connection, OWED, [ROWS_MAX], owed)?,
            ))
        };
        self.file.read(read).await
    }

    /// One process has the file, and its queues tell how far they are.
    #[expect(clippy::unused_async, reason = "asks a server on the other store")]
    pub(crate) async fn keep_watch(
        &self,
        _holder: &str,
        _lease: Duration,
        _heads: &[QueueHead],
    ) -> Result<Option<Vec<QueueHead>>, LedgerError> {
        Ok(Some(Vec::new()))
    }

    #[expect(clippy::unused_async, reason = "asks a server on the other store")]
    pub(crate) async fn leave_watch(&self, _holder: &str) -> Result<(), LedgerError> {
        Ok(())
    }
}
