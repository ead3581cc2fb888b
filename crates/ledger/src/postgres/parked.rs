//! `parked`: what was accepted and waits for a person.

use std::collections::BTreeMap;

use bytes::Bytes;
use order::{OrderId, PlayerId, ProjectId, TransactionId};
use sqlx::PgConnection;
use task::ParkedId;
use time::OffsetDateTime;

use super::Ledger;
use super::pool::Lent;
use crate::books::{Books, NewParked, NoticeKey};
use crate::rows::parked::{Found, WithBody};
use crate::{Entry, LedgerError, Notice, ParkedBody, ParkedFilter, ParkedView};

/// The list after a number, in one direction or the other.
macro_rules! listed {
    ($after:literal, $direction:literal) => {
        concat!(
            "SELECT id, project, kind, order_id, transaction_id, player, reason, detail, attempts,
                    trace_id, received_at, parked_at, replayed_at, settled_at
             FROM parked
             WHERE id ",
            $after,
            " $1 AND ($2 OR settled_at IS NULL)
               AND ($3::bigint IS NULL OR project = $3) AND ($4::bigint IS NULL OR order_id = $4)
               AND ($5::bigint IS NULL OR transaction_id = $5) AND ($6::text IS NULL OR player = $6)
             ORDER BY id ",
            $direction,
            " LIMIT $7"
        )
    };
}

const OLDEST_FIRST: &str = listed!(">", "ASC");
const NEWEST_FIRST: &str = listed!("<", "DESC");

/// Parks what this batch could not process and settles what it could after all. Gives the
/// number of each parked notice.
pub(super) async fn save(
    connection: &mut PgConnection,
    entries: &[Entry],
    books: &Books,
    at: OffsetDateTime,
) -> Result<BTreeMap<NoticeKey, ParkedId>, LedgerError> {
    let mut numbers = BTreeMap::new();
    for parked in &books.parked {
        let Some((entry, notice)) = entries
            .get(parked.entry)
            .and_then(|e| Some((e, e.notice.as_ref()?)))
        else {
            continue;
        };
        let number = match again(connection, parked, entry, notice, at).await? {
            Some(number) => number,
            None => insert(connection, parked, entry, notice, at).await?,
        };
        numbers.insert(parked.notice.clone(), ParkedId(number));
    }
    settle(connection, books, at).await?;
    Ok(numbers)
}

/// Closes every entry of the notices that ended well after all: each other body of a
/// notice that could not be processed was parked on its own.
async fn settle(
    connection: &mut PgConnection,
    books: &Books,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    if books.settled.is_empty() && books.replayed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE parked SET settled_at = $5
         WHERE settled_at IS NULL
           AND (id = ANY ($1) OR (project, kind, ref) IN (
                    SELECT * FROM unnest($2::bigint[], $3::text[], $4::text[])))",
    )
    .bind(books.replayed.iter().map(|id| id.0).collect::<Vec<_>>())
    .bind(
        books
            .settled
            .iter()
            .map(|key| key.project.get())
            .collect::<Vec<_>>(),
    )
    .bind(
        books
            .settled
            .iter()
            .map(|key| key.kind.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        books
            .settled
            .iter()
            .map(|key| key.reference.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// Parking is rare, so one statement each is no loss.
async fn insert(
    connection: &mut PgConnection,
    parked: &NewParked,
    entry: &Entry,
    notice: &Notice,
    at: OffsetDateTime,
) -> Result<i64, LedgerError> {
    let ids = entry.ids();
    let number = sqlx::query_scalar(
        "INSERT INTO parked (project, kind, ref, message_id, order_id, transaction_id, player, reason,
                             detail, attempts, trace_id, body, received_at, parked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         RETURNING id",
    )
    .bind(entry.project.get())
    .bind(parked.notice.kind.as_str())
    .bind(parked.notice.reference.as_str())
    .bind(notice.message.as_bytes().as_slice())
    .bind(ids.order.map(OrderId::get))
    .bind(ids.transaction.map(TransactionId::get))
    .bind(ids.player.as_ref().map(PlayerId::as_str))
    .bind(parked.reason.as_str())
    .bind(&parked.detail)
    .bind(notice.attempts())
    .bind(notice.trace_id.as_deref())
    .bind(notice.body.as_ref())
    .bind(notice.received_at)
    .bind(at)
    .fetch_one(connection)
    .await?;
    Ok(number)
}

/// Writes to the entry that was replayed why it waits again, under the ids of this
/// version's reading. `None` when it is no replay, or of an entry that is not there.
async fn again(
    connection: &mut PgConnection,
    parked: &NewParked,
    entry: &Entry,
    notice: &Notice,
    at: OffsetDateTime,
) -> Result<Option<i64>, LedgerError> {
    let Some(id) = notice.replay else {
        return Ok(None);
    };
    let ids = entry.ids();
    let number = sqlx::query_scalar(
        "UPDATE parked
         SET kind = $3, ref = $4, order_id = $5, transaction_id = $6, player = $7, reason = $8,
             detail = $9, attempts = attempts + $10, parked_at = $11, settled_at = NULL
         WHERE id = $1 AND message_id = $2
         RETURNING id",
    )
    .bind(id.0)
    .bind(notice.message.as_bytes().as_slice())
    .bind(parked.notice.kind.as_str())
    .bind(parked.notice.reference.as_str())
    .bind(ids.order.map(OrderId::get))
    .bind(ids.transaction.map(TransactionId::get))
    .bind(ids.player.as_ref().map(PlayerId::as_str))
    .bind(parked.reason.as_str())
    .bind(&parked.detail)
    .bind(notice.attempts())
    .bind(at)
    .fetch_optional(connection)
    .await?;
    Ok(number)
}

impl Ledger {
    pub(crate) async fn parked(
        &self,
        filter: &ParkedFilter,
    ) -> Result<Vec<ParkedView>, LedgerError> {
        let (sql, first) = if filter.newest_first {
            (NEWEST_FIRST, i64::MAX)
        } else {
            (OLDEST_FIRST, 0)
        };
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(sql)
                .bind(filter.after.map_or(first, |id| id.0))
                .bind(filter.settled)
                .bind(filter.project.map(ProjectId::get))
                .bind(filter.order.map(OrderId::get))
                .bind(filter.transaction.map(TransactionId::get))
                .bind(filter.player.as_ref().map(PlayerId::as_str))
                .bind(i64::from(filter.limit.min(200)))
                .fetch_all(&mut *connection)
                .await?)
        };
        let found: Vec<Found> = self.pool.within(read).await?;
        found.into_iter().map(Found::view).collect()
    }

    pub(crate) async fn parked_body(
        &self,
        id: ParkedId,
    ) -> Result<Option<ParkedBody>, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as("SELECT * FROM parked WHERE id = $1")
                .bind(id.0)
                .fetch_optional(&mut *connection)
                .await?)
        };
        let found: Option<WithBody> = self.pool.within(read).await?;
        found.map(WithBody::view).transpose()
    }

    pub(crate) async fn parked_was_replayed(
        &self,
        id: ParkedId,
        at: OffsetDateTime,
    ) -> Result<(), LedgerError> {
        let write = |mut connection: Lent| async move {
            Ok(
                sqlx::query("UPDATE parked SET replayed_at = $2 WHERE id = $1")
                    .bind(id.0)
                    .bind(at)
                    .execute(&mut *connection)
                    .await?,
            )
        };
        self.pool.within(write).await?;
        Ok(())
    }

    pub(crate) async fn park_raw(
        &self,
        body: &Bytes,
        reason: order::ParkReason,
        detail: &str,
        at: OffsetDateTime,
    ) -> Result<(), LedgerError> {
        let message = task::MessageId::of(body);
        let write = |mut connection: Lent| async move {
            Ok(sqlx::query(
            "INSERT INTO parked (kind, ref, message_id, reason, detail, attempts, body, received_at, parked_at)
             SELECT 'unreadable', $1, $2, $3, $4, 1, $5, $6, $6
             WHERE NOT EXISTS (SELECT FROM parked WHERE message_id = $2 AND settled_at IS NULL)",
        )
        .bind(message.to_string())
        .bind(message.as_bytes().as_slice())
        .bind(reason.as_str())
        .bind(detail)
        .bind(body.as_ref())
        .bind(at)
        .execute(&mut *connection)
        .await?)
        };
        self.pool.within(write).await?;
        Ok(())
    }
}
