//! `parked`: what was accepted and waits for a person.

use std::collections::BTreeMap;

use bytes::Bytes;
use order::{OrderId, ParkReason, PlayerId, ProjectId, TransactionId};
use rusqlite::{Connection, Row, params};
use task::{MessageId, ParkedId};
use time::OffsetDateTime;

use super::Ledger;
use super::columns::Instant;
use super::statement::{all, execute, first};
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
            " ?1 AND (?2 OR settled_at IS NULL)
               AND (?3 IS NULL OR project = ?3) AND (?4 IS NULL OR order_id = ?4)
               AND (?5 IS NULL OR transaction_id = ?5) AND (?6 IS NULL OR player = ?6)
             ORDER BY id ",
            $direction,
            " LIMIT ?7"
        )
    };
}

const OLDEST_FIRST: &str = listed!(">", "ASC");
const NEWEST_FIRST: &str = listed!("<", "DESC");

/// Parks what this batch could not process and settles what it could after all. Gives the
/// number of each parked notice.
pub(super) fn save(
    connection: &Connection,
    entries: &[Entry],
    books: &Books,
    at: OffsetDateTime,
) -> Result<BTreeMap<NoticeKey, ParkedId>, LedgerError> {
    let mut numbers = BTreeMap::new();
    for parked in &books.parked {
        let Some((entry, notice)) = entries
            .get(parked.entry)
            .and_then(|entry| Some((entry, entry.notice.as_ref()?)))
        else {
            continue;
        };
        let number = match again(connection, parked, entry, notice, at)? {
            Some(number) => number,
            None => insert(connection, parked, entry, notice, at)?,
        };
        numbers.insert(parked.notice.clone(), ParkedId(number));
    }
    settle(connection, books, at)?;
    Ok(numbers)
}

/// Closes every entry of the notices that ended well after all: each other body of a
/// notice that could not be processed was parked on its own.
fn settle(connection: &Connection, books: &Books, at: OffsetDateTime) -> Result<(), LedgerError> {
    for id in &books.replayed {
        let sql = "UPDATE parked SET settled_at = ?2 WHERE id = ?1 AND settled_at IS NULL";
        execute(connection, sql, params![id.0, Instant(at)])?;
    }
    for key in &books.settled {
        execute(
            connection,
            "UPDATE parked SET settled_at = ?4
             WHERE settled_at IS NULL AND project = ?1 AND kind = ?2 AND ref = ?3",
            params![
                key.project.get(),
                key.kind.as_str(),
                key.reference.as_str(),
                Instant(at)
            ],
        )?;
    }
    Ok(())
}

fn insert(
    connection: &Connection,
    parked: &NewParked,
    entry: &Entry,
    notice: &Notice,
    at: OffsetDateTime,
) -> Result<i64, LedgerError> {
    let ids = entry.ids();
    execute(
        connection,
        "INSERT INTO parked (project, kind, ref, message_id, order_id, transaction_id, player, reason,
                             detail, attempts, trace_id, body, received_at, parked_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
        params![
            entry.project.get(),
            parked.notice.kind.as_str(),
            parked.notice.reference.as_str(),
            notice.message.as_bytes(),
            ids.order.map(OrderId::get),
            ids.transaction.map(TransactionId::get),
            ids.player.as_ref().map(PlayerId::as_str),
            parked.reason.as_str(),
            parked.detail,
            notice.attempts(),
            notice.trace_id,
            notice.body.as_ref(),
            Instant(notice.received_at),
            Instant(at),
        ],
    )?;
    Ok(connection.last_insert_rowid())
}

/// Writes to the entry that was replayed why it waits again, under the ids of this
/// version's reading. `None` when it is no replay, or of an entry that is not there.
fn again(
    connection: &Connection,
    parked: &NewParked,
    entry: &Entry,
    notice: &Notice,
    at: OffsetDateTime,
) -> Result<Option<i64>, LedgerError> {
    let Some(id) = notice.replay else {
        return Ok(None);
    };
    let ids = entry.ids();
    let updated = execute(
        connection,
        "UPDATE parked
         SET kind = ?3, ref = ?4, order_id = ?5, transaction_id = ?6, player = ?7, reason = ?8,
             detail = ?9, attempts = attempts + ?10, parked_at = ?11, settled_at = NULL
         WHERE id = ?1 AND message_id = ?2",
        params![
            id.0,
            notice.message.as_bytes(),
            parked.notice.kind.as_str(),
            parked.notice.reference.as_str(),
            ids.order.map(OrderId::get),
            ids.transaction.map(TransactionId::get),
            ids.player.as_ref().map(PlayerId::as_str),
            parked.reason.as_str(),
            parked.detail,
            notice.attempts(),
            Instant(at),
        ],
    )?;
    Ok((updated == 1).then_some(id.0))
}

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let instants = |column| row.get::<_, Option<Instant>>(column);
    Ok(Found {
        id: row.get("id")?,
        project: row.get("project")?,
        kind: row.get("kind")?,
        order_id: row.get("order_id")?,
        transaction_id: row.get("transaction_id")?,
        player: row.get("player")?,
        reason: row.get("reason")?,
        detail: row.get("detail")?,
        attempts: row.get("attempts")?,
        trace_id: row.get("trace_id")?,
        received_at: row.get::<_, Instant>("received_at")?.0,
        parked_at: row.get::<_, Instant>("parked_at")?.0,
        replayed_at: instants("replayed_at")?.map(|at| at.0),
        settled_at: instants("settled_at")?.map(|at| at.0),
    })
}

fn with_body(row: &Row<'_>) -> rusqlite::Result<WithBody> {
    Ok(WithBody {
        found: found(row)?,
        message_id: row.get("message_id")?,
        body: row.get("body")?,
    })
}

impl Ledger {
    pub(crate) async fn parked(
        &self,
        filter: &ParkedFilter,
    ) -> Result<Vec<ParkedView>, LedgerError> {
        let filter = filter.clone();
        let read = move |connection: &Connection| {
            let (sql, first) = if filter.newest_first {
                (NEWEST_FIRST, i64::MAX)
            } else {
                (OLDEST_FIRST, 0)
            };
            all(
                connection,
                sql,
                params![
                    filter.after.map_or(first, |id| id.0),
                    filter.settled,
                    filter.project.map(ProjectId::get),
                    filter.order.map(OrderId::get),
                    filter.transaction.map(TransactionId::get),
                    filter.player.as_ref().map(PlayerId::as_str),
                    filter.limit.min(200),
                ],
                found,
            )
        };
        let found: Vec<Found> = self.file.read(read).await?;
        found.into_iter().map(Found::view).collect()
    }

    pub(crate) async fn parked_body(
        &self,
        id: ParkedId,
    ) -> Result<Option<ParkedBody>, LedgerError> {
        let read = move |connection: &Connection| {
            let sql = "SELECT * FROM parked WHERE id = ?1";
            first(connection, sql, [id.0], with_body)
        };
        let found: Option<WithBody> = self.file.read(read).await?;
        found.map(WithBody::view).transpose()
    }

    pub(crate) async fn parked_was_replayed(
        &self,
        id: ParkedId,
        at: OffsetDateTime,
    ) -> Result<(), LedgerError> {
        let note = move |connection: &Connection| {
            let sql = "UPDATE parked SET replayed_at = ?2 WHERE id = ?1";
            execute(connection, sql, params![id.0, Instant(at)])
        };
        self.file.write(note).await?;
        Ok(())
    }

    pub(crate) async fn park_raw(
        &self,
        body: &Bytes,
        reason: ParkReason,
        detail: &str,
        at: OffsetDateTime,
    ) -> Result<(), LedgerError> {
        let (body, detail) = (body.clone(), detail.to_owned());
        let park = move |connection: &Connection| {
            let message = MessageId::of(&body);
            execute(
                connection,
                "INSERT INTO parked (kind, ref, message_id, reason, detail, attempts, body, received_at, parked_at)
                 SELECT 'unreadable', ?1, ?2, ?3, ?4, 1, ?5, ?6, ?6
                 WHERE NOT EXISTS (SELECT 1 FROM parked WHERE message_id = ?2 AND settled_at IS NULL)",
                params![
                    message.to_string(),
                    message.as_bytes(),
                    reason.as_str(),
                    detail,
                    body.as_ref(),
                    Instant(at)
                ],
            )
        };
        self.file.write(park).await?;
        Ok(())
    }
}
