//! What is open, and which worker looks at it.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::Ledger;
use super::pool::Lent;
use crate::survey::{Owed, Priced, ROWS_MAX, Waiting};
use crate::{LedgerError, QueueHead, Survey};

/// The condition is the one of the index `orders_paid_not_granted`. An order was paid when
/// the first notice that says so was booked, which `orders` does not tell.
const PAID: &str = "
    SELECT o.project, o.amount, o.currency, count(*), min(coalesce(n.at, o.first_at))
    FROM (SELECT project, order_id, first_at, content #>> '{price,amount}' AS amount,
                 content #>> '{price,currency}' AS currency
          FROM orders
          WHERE status = 'paid' AND NOT sandbox AND NOT refunded
            AND content -> 'is_virtual' IS DISTINCT FROM 'true'::jsonb
            AND content -> 'is_free' IS DISTINCT FROM 'true'::jsonb
          ORDER BY first_at LIMIT $1) AS o
    LEFT JOIN LATERAL (SELECT min(first_at) AS at FROM notices
                       WHERE project = o.project AND order_id = o.order_id
                         AND kind IN ('order_paid', 'payment')) AS n ON true
    GROUP BY o.project, o.amount, o.currency";

const PARKED: &str = "
    SELECT reason, count(*), min(parked_at)
    FROM (SELECT reason, parked_at FROM parked WHERE settled_at IS NULL
          ORDER BY parked_at, id LIMIT $1) AS open
    GROUP BY reason";

const OWED: &str = "
    SELECT direction, state, count(*), min(booked_at)
    FROM (SELECT * FROM obligations WHERE state IN ('owed', 'sent', 'owed_back')
          ORDER BY due_at LIMIT $1) AS open
    JOIN bookings USING (project, source, direction, part)
    GROUP BY direction, state";

/// Project, amount, currency, how many, since when.
type PaidRow = (i64, Option<String>, Option<String>, i64, OffsetDateTime);

async fn survey(connection: &mut PgConnection) -> Result<Survey, LedgerError> {
    let most = i64::from(ROWS_MAX);
    let paid: Vec<PaidRow> = sqlx::query_as(PAID)
        .bind(most)
        .fetch_all(&mut *connection)
        .await?;
    let parked: Vec<(String, i64, OffsetDateTime)> = sqlx::query_as(PARKED)
        .bind(most)
        .fetch_all(&mut *connection)
        .await?;
    let owed: Vec<(String, String, i64, OffsetDateTime)> = sqlx::query_as(OWED)
        .bind(most)
        .fetch_all(connection)
        .await?;
    let priced = |(project, amount, currency, orders, oldest_at)| Priced {
        project,
        amount,
        currency,
        orders,
        oldest_at,
    };
    let waiting = |(reason, entries, oldest_at)| Waiting {
        reason,
        entries,
        oldest_at,
    };
    let owed_of = |(direction, state, obligations, oldest_at)| Owed {
        direction,
        state,
        obligations,
        oldest_at,
    };
    let paid: Vec<_> = paid.into_iter().map(priced).collect();
    let parked: Vec<_> = parked.into_iter().map(waiting).collect();
    let owed: Vec<_> = owed.into_iter().map(owed_of).collect();
    Ok(Survey::of(&paid, &parked, &owed))
}

/// Tells how far this worker has come. A time to come would hide every later one, so that of
/// an ingress whose clock is ahead counts as now.
async fn report(connection: &mut PgConnection, heads: &[QueueHead]) -> Result<(), LedgerError> {
    sqlx::query(
        "INSERT INTO queue_heads AS h (queue, received_at)
         SELECT queue, least(received_at, now())
         FROM unnest($1::text[], $2::timestamptz[]) AS b (queue, received_at)
         ORDER BY queue
         ON CONFLICT (queue) DO UPDATE SET received_at = excluded.received_at
         WHERE h.received_at < excluded.received_at",
    )
    .bind(
        heads
            .iter()
            .map(|head| head.queue.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        heads
            .iter()
            .map(|head| head.received_at)
            .collect::<Vec<_>>(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

impl Ledger {
    pub(crate) async fn survey(&self) -> Result<Survey, LedgerError> {
        let read = |mut connection: Lent| async move { survey(&mut connection).await };
        self.pool.within(read).await
    }

    pub(crate) async fn keep_watch(
        &self,
        holder: &str,
        lease: Duration,
        heads: &[QueueHead],
    ) -> Result<Option<Vec<QueueHead>>, LedgerError> {
        let write = |mut connection: Lent| async move {
            if !heads.is_empty() {
                report(&mut connection, heads).await?;
            }
            // By the server's clock alone.
            let held = sqlx::query(
                "UPDATE queue_watch SET holder = $1, held_until = now() + $2 * interval '1 second'
                 WHERE holder = $1 OR held_until <= now()",
            )
            .bind(holder)
            .bind(lease.as_secs_f64())
            .execute(&mut *connection)
            .await?;
            if held.rows_affected() == 0 {
                return Ok(None);
            }
            let known: Vec<(String, OffsetDateTime)> =
                sqlx::query_as("SELECT queue, received_at FROM queue_heads")
                    .fetch_all(&mut *connection)
                    .await?;
            let reached = |(queue, received_at)| QueueHead { queue, received_at };
            Ok(Some(known.into_iter().map(reached).collect()))
        };
        self.pool.within(write).await
    }

    pub(crate) async fn leave_watch(&self, holder: &str) -> Result<(), LedgerError> {
        let write = |mut connection: Lent| async move {
            let sql = "UPDATE queue_watch SET held_until = now() WHERE holder = $1";
            Ok(sqlx::query(sql)
                .bind(holder)
                .execute(&mut *connection)
                .await?)
        };
        self.pool.within(write).await?;
        Ok(())
    }
}
