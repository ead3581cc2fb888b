//! `streams` and `stream_rows`: what each player's clients have to be told, in order.

use order::{PlayerId, ProjectId, Status};
use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;

use super::Ledger;
use super::columns::Instant;
use super::statement::{all, execute, first};
use crate::books::{Books, OrderKey};
use crate::rows::{named, number, unreadable};
use crate::{LedgerError, Stream, StreamRow};

/// The epoch of this ledger.
pub(super) fn epoch(connection: &Connection) -> Result<String, LedgerError> {
    let id = first(connection, "SELECT id FROM identity", [], |row| row.get(0))?;
    id.ok_or_else(|| unreadable("identity", "no row"))
}

/// Gives the ledger another epoch, and says which.
pub(crate) fn draw_epoch(connection: &Connection) -> rusqlite::Result<String> {
    let sql = "UPDATE identity SET id = lower(hex(randomblob(6))) RETURNING id";
    connection.query_row(sql, [], |row| row.get(0))
}

/// Appends the new statuses and gives the offset of each, in their order.
pub(super) fn append(
    connection: &Connection,
    books: &Books,
    at: OffsetDateTime,
) -> Result<Vec<i64>, LedgerError> {
    let mut offsets = Vec::with_capacity(books.statuses.len());
    for new in &books.statuses {
        let (project, player) = (new.project.get(), new.player.as_str());
        let offset = first(
            connection,
            "INSERT INTO streams (project, player, last_offset) VALUES (?1, ?2, 1)
             ON CONFLICT (project, player) DO UPDATE SET last_offset = last_offset + 1
             RETURNING last_offset",
            params![project, player],
            |row| row.get::<_, i64>(0),
        )?;
        let offset = offset.ok_or_else(|| unreadable("streams", "no head"))?;
        execute(
            connection,
            "INSERT INTO stream_rows (project, player, stream_offset, order_id, status, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                project,
                player,
                offset,
                new.order.get(),
                new.status.as_str(),
                Instant(at)
            ],
        )?;
        offsets.push(offset);
    }
    Ok(offsets)
}

/// The offset of a player's newest row; 0 for an empty stream.
fn top(connection: &Connection, project: ProjectId, player: &PlayerId) -> Result<i64, LedgerError> {
    let last = first(
        connection,
        "SELECT last_offset FROM streams WHERE project = ?1 AND player = ?2",
        params![project.get(), player.as_str()],
        |row| row.get(0),
    )?;
    Ok(last.unwrap_or(0))
}

/// What a row of a stream holds: offset, order, status, and when.
type Found = (i64, i64, String, Instant);

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn row((offset, order, status, at): Found) -> Result<StreamRow, LedgerError> {
    Ok(StreamRow {
        offset,
        order: number("stream_rows.order_id", order)?,
        status: named("stream_rows.status", &status, Status::from_name)?,
        at: at.0,
    })
}

/// What a player's clients were told of one order, as far as their history can be read.
pub(super) fn of_order(
    connection: &Connection,
    (project, order): OrderKey,
    player: &PlayerId,
    history_rows: i64,
) -> Result<Vec<StreamRow>, LedgerError> {
    let rows: Vec<Found> = all(
        connection,
        "SELECT stream_offset, order_id, status, at FROM stream_rows
         WHERE project = ?1 AND player = ?2 AND stream_offset > ?3 AND order_id = ?4
         ORDER BY stream_offset",
        params![
            project.get(),
            player.as_str(),
            top(connection, project, player)? - history_rows,
            order.get()
        ],
        found,
    )?;
    rows.into_iter().map(row).collect()
}

impl Ledger {
    pub(crate) async fn new_epoch(&self) -> Result<String, LedgerError> {
        self.file
            .write(|connection| Ok(draw_epoch(connection)?))
            .await
    }

    pub(crate) async fn stream(
        &self,
        project: ProjectId,
        player: &PlayerId,
        after: i64,
    ) -> Result<Stream, LedgerError> {
        let (player, history_rows) = (player.clone(), self.history_rows);
        // One reading, one snapshot: rows and top always fit each other.
        let read = move |connection: &Connection| {
            let top = top(connection, project, &player)?;
            let rows: Vec<Found> = all(
                connection,
                "SELECT stream_offset, order_id, status, at FROM stream_rows
                 WHERE project = ?1 AND player = ?2 AND stream_offset > ?3
                 ORDER BY stream_offset",
                params![
                    project.get(),
                    player.as_str(),
                    after.max(top - history_rows)
                ],
                found,
            )?;
            Ok::<_, LedgerError>(Stream {
                epoch: epoch(connection)?,
                top,
                rows: rows.into_iter().map(row).collect::<Result<_, _>>()?,
            })
        };
        self.file.read(read).await
    }

    pub(crate) async fn tops(
        &self,
        players: &[(ProjectId, PlayerId)],
    ) -> Result<(String, Vec<i64>), LedgerError> {
        let players = players.to_vec();
        let read = move |connection: &Connection| {
            let tops = players
                .iter()
                .map(|(project, player)| top(connection, *project, player));
            let tops = tops.collect::<Result<_, LedgerError>>()?;
            Ok((epoch(connection)?, tops))
        };
        self.file.read(read).await
    }
}
