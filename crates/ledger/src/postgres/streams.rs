//! `streams` and `stream_rows`: what each player's clients have to be told, in order.

use std::collections::BTreeMap;

use order::{PlayerId, ProjectId, Status};
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;

use super::Ledger;
use super::pool::Lent;
use crate::books::{Books, OrderKey};
use crate::rows::{named, number};
use crate::{LedgerError, Stream, StreamRow};

/// The epoch of this ledger.
pub(super) async fn epoch(connection: &mut PgConnection) -> Result<String, LedgerError> {
    Ok(sqlx::query_scalar("SELECT ledger_epoch()")
        .fetch_one(connection)
        .await?)
}

/// Appends the new statuses and gives the offset of each, in their order.
pub(super) async fn append(
    connection: &mut PgConnection,
    books: &Books,
    at: OffsetDateTime,
) -> Result<Vec<i64>, LedgerError> {
    let new = &books.statuses;
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let mut next = reserve(connection, books).await?;
    let mut take = |project: ProjectId, player: &PlayerId| {
        let offset = next.get_mut(&(project.get(), player.as_str().to_owned()))?;
        *offset += 1;
        Some(*offset)
    };
    let offsets = new
        .iter()
        .map(|row| take(row.project, &row.player))
        .collect::<Option<Vec<i64>>>();
    let offsets = offsets.ok_or(LedgerError::Unreadable {
        what: "streams",
        found: "no head".into(),
    })?;
    sqlx::query(
        "INSERT INTO stream_rows (project, player, stream_offset, order_id, status, at)
         SELECT b.*, $6 FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::text[]) AS b",
    )
    .bind(new.iter().map(|row| row.project.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.player.as_str()).collect::<Vec<_>>())
    .bind(&offsets)
    .bind(new.iter().map(|row| row.order.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|row| row.status.as_str()).collect::<Vec<_>>())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(offsets)
}

/// Locks the heads in key order and moves them. Gives the offset before the first new row.
///
/// The lock is held until the commit, so offsets become visible in their order and a
/// rollback takes its offsets back.
async fn reserve(
    connection: &mut PgConnection,
    books: &Books,
) -> Result<BTreeMap<(i64, String), i64>, LedgerError> {
    let mut counts = BTreeMap::<(i64, &str), i64>::new();
    for row in &books.statuses {
        *counts
            .entry((row.project.get(), row.player.as_str()))
            .or_default() += 1;
    }
    let heads: Vec<(i64, String, i64)> = sqlx::query_as(
        "INSERT INTO streams AS s (project, player, last_offset)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])
         ON CONFLICT (project, player) DO UPDATE SET last_offset = s.last_offset + excluded.last_offset
         RETURNING project, player, last_offset",
    )
    .bind(counts.keys().map(|key| key.0).collect::<Vec<_>>())
    .bind(counts.keys().map(|key| key.1).collect::<Vec<_>>())
    .bind(counts.values().copied().collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let before = |(project, player, last): (i64, String, i64)| {
        let count = counts
            .get(&(project, player.as_str()))
            .copied()
            .unwrap_or_default();
        ((project, player), last - count)
    };
    Ok(heads.into_iter().map(before).collect())
}

/// What a player's clients were told of one order, as far as their history can be read.
pub(super) async fn of_order(
    connection: &mut PgConnection,
    (project, order): OrderKey,
    player: &PlayerId,
    history_rows: i64,
) -> Result<Vec<StreamRow>, LedgerError> {
    let found: Vec<(i64, i64, String, OffsetDateTime)> = sqlx::query_as(
        "SELECT r.stream_offset, r.order_id, r.status, r.at
         FROM streams s
         JOIN stream_rows r ON r.project = s.project AND r.player = s.player
              AND r.stream_offset > s.last_offset - $4
         WHERE s.project = $1 AND s.player = $2 AND r.order_id = $3
         ORDER BY r.stream_offset",
    )
    .bind(project.get())
    .bind(player.as_str())
    .bind(order.get())
    .bind(history_rows)
    .fetch_all(connection)
    .await?;
    found.into_iter().map(row).collect()
}

fn row(
    (offset, order, status, at): (i64, i64, String, OffsetDateTime),
) -> Result<StreamRow, LedgerError> {
    Ok(StreamRow {
        offset,
        order: number("stream_rows.order_id", order)?,
        status: named("stream_rows.status", &status, Status::from_name)?,
        at,
    })
}

#[derive(sqlx::FromRow)]
struct Found {
    epoch: String,
    top: i64,
    stream_offset: Option<i64>,
    order_id: Option<i64>,
    status: Option<String>,
    at: Option<OffsetDateTime>,
}

impl Found {
    /// `None` where the stream has none after the offset asked for.
    fn row(&self) -> Result<Option<StreamRow>, LedgerError> {
        let columns = self
            .stream_offset
            .zip(self.order_id)
            .zip(self.status.clone())
            .zip(self.at);
        let found = columns.map(|(((offset, order), status), at)| (offset, order, status, at));
        found.map(row).transpose()
    }
}

impl Ledger {
    pub(crate) async fn new_epoch(&self) -> Result<String, LedgerError> {
        let draw = |mut connection: Lent| async move {
            let sql = "UPDATE identity SET id = DEFAULT";
            let mut transaction = connection.begin().await?;
            sqlx::query(sql).execute(&mut *transaction).await?;
            let drawn = epoch(&mut transaction).await?;
            transaction.commit().await?;
            Ok(drawn)
        };
        self.pool.within(draw).await
    }

    pub(crate) async fn stream(
        &self,
        project: ProjectId,
        player: &PlayerId,
        after: i64,
    ) -> Result<Stream, LedgerError> {
        // One statement, one snapshot: rows and top always fit each other.
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
                "SELECT ledger_epoch() AS epoch, coalesce(s.last_offset, 0) AS top,
                    r.stream_offset, r.order_id, r.status, r.at
             FROM (SELECT) AS one
             LEFT JOIN streams s ON s.project = $1 AND s.player = $2
             LEFT JOIN stream_rows r ON r.project = $1 AND r.player = $2
                  AND r.stream_offset > greatest($3, s.last_offset - $4)
             ORDER BY r.stream_offset",
            )
            .bind(project.get())
            .bind(player.as_str())
            .bind(after)
            .bind(self.history_rows)
            .fetch_all(&mut *connection)
            .await?)
        };
        let found: Vec<Found> = self.pool.within(read).await?;
        let rows = found
            .iter()
            .filter_map(|found| found.row().transpose())
            .collect::<Result<_, _>>()?;
        let Some(Found { epoch, top, .. }) = found.into_iter().next() else {
            return Err(LedgerError::Unreadable {
                what: "streams",
                found: "no epoch".into(),
            });
        };
        Ok(Stream { epoch, top, rows })
    }

    pub(crate) async fn tops(
        &self,
        players: &[(ProjectId, PlayerId)],
    ) -> Result<(String, Vec<i64>), LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
            "SELECT ledger_epoch(), CASE WHEN k.place IS NULL THEN NULL ELSE coalesce(s.last_offset, 0) END
             FROM (SELECT) AS one
             LEFT JOIN unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS k (project, player, place) ON true
             LEFT JOIN streams s ON s.project = k.project AND s.player = k.player
             ORDER BY k.place",
        )
        .bind(players.iter().map(|(project, _)| project.get()).collect::<Vec<_>>())
        .bind(players.iter().map(|(_, player)| player.as_str()).collect::<Vec<_>>())
        .fetch_all(&mut *connection)
        .await?)
        };
        let found: Vec<(String, Option<i64>)> = self.pool.within(read).await?;
        let epoch = found
            .first()
            .map(|(epoch, _)| epoch.clone())
            .unwrap_or_default();
        Ok((
            epoch,
            found.into_iter().filter_map(|(_, top)| top).collect(),
        ))
    }
}
