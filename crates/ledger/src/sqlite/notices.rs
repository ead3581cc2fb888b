//! `notices`: which notices were seen, and how they ended.

use std::collections::{BTreeMap, BTreeSet};

use order::{OrderId, PlayerId, ProjectId, TransactionId};
use rusqlite::{Connection, Row, params};
use task::ParkedId;
use time::OffsetDateTime;

use super::Ledger;
use super::columns::Instant;
use super::statement::{all, execute, first};
use crate::books::{Books, FirstSeen, NoticeKey, NoticeRow};
use crate::rows::notices::{Found, Shown};
use crate::{LedgerError, NoticeView};

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        outcome: row.get("outcome")?,
        reason: row.get("reason")?,
        parked_id: row.get("parked_id")?,
        message_id: row.get("message_id")?,
        fingerprint: row.get("fingerprint")?,
        order_id: row.get("order_id")?,
        transaction_id: row.get("transaction_id")?,
        player: row.get("player")?,
        trace_id: row.get("trace_id")?,
    })
}

/// Reads what is known of each.
pub(super) fn load(
    connection: &Connection,
    keys: BTreeSet<NoticeKey>,
) -> Result<BTreeMap<NoticeKey, NoticeRow>, LedgerError> {
    let row = |key: NoticeKey| {
        let sql = "SELECT * FROM notices WHERE project = ?1 AND kind = ?2 AND ref = ?3";
        let values = params![key.project.get(), key.kind.as_str(), key.reference.as_str()];
        let found = first(connection, sql, values, found)?;
        let row = NoticeRow {
            first: found.map(Found::first_seen).transpose()?,
            ..NoticeRow::default()
        };
        Ok((key, row))
    };
    keys.into_iter().map(row).collect()
}

/// Counts every notice of the batch, and writes the outcome of those it decided.
pub(super) fn save(
    connection: &Connection,
    books: &Books,
    parked: &BTreeMap<NoticeKey, ParkedId>,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    for (key, row) in &books.notices {
        match &row.first {
            Some(first) if row.decided => {
                let parked = parked.get(key).copied().or(first.parked);
                decided(connection, key, (row.seen, first), parked, at)?;
            }
            Some(_) | None => count(connection, key, row.seen, at)?,
        }
    }
    Ok(())
}

fn decided(
    connection: &Connection,
    key: &NoticeKey,
    (seen, first): (i64, &FirstSeen),
    parked: Option<ParkedId>,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    let (outcome, reason) = first.outcome.as_words();
    execute(
        connection,
        "INSERT INTO notices (project, kind, ref, seen, message_id, fingerprint, outcome, reason,
                              parked_id, order_id, transaction_id, player, trace_id, first_at, last_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14)
         ON CONFLICT (project, kind, ref) DO UPDATE
         SET seen = seen + excluded.seen, last_at = excluded.last_at,
             message_id = excluded.message_id, fingerprint = excluded.fingerprint,
             outcome = excluded.outcome, reason = excluded.reason,
             parked_id = excluded.parked_id, order_id = excluded.order_id,
             transaction_id = excluded.transaction_id, player = excluded.player,
             trace_id = excluded.trace_id",
        params![
            key.project.get(),
            key.kind.as_str(),
            key.reference.as_str(),
            seen,
            first.message.as_bytes(),
            first.fingerprint,
            outcome,
            reason,
            parked.map(|id| id.0),
            first.ids.order.map(OrderId::get),
            first.ids.transaction.map(TransactionId::get),
            first.ids.player.as_ref().map(PlayerId::as_str),
            first.trace_id,
            Instant(at),
        ],
    )?;
    Ok(())
}

fn count(
    connection: &Connection,
    key: &NoticeKey,
    seen: i64,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    execute(
        connection,
        "UPDATE notices SET seen = seen + ?4, last_at = ?5
         WHERE project = ?1 AND kind = ?2 AND ref = ?3",
        params![
            key.project.get(),
            key.kind.as_str(),
            key.reference.as_str(),
            seen,
            Instant(at),
        ],
    )?;
    Ok(())
}

fn shown(row: &Row<'_>) -> rusqlite::Result<Shown> {
    Ok(Shown {
        kind: row.get("kind")?,
        reference: row.get("ref")?,
        message_id: row.get("message_id")?,
        seen: row.get("seen")?,
        first_at: row.get::<_, Instant>("first_at")?.0,
        last_at: row.get::<_, Instant>("last_at")?.0,
        outcome: row.get("outcome")?,
        reason: row.get("reason")?,
        parked_id: row.get("parked_id")?,
        trace_id: row.get("trace_id")?,
    })
}

/// Why the indexes are named: see `plans.rs`.
pub(super) const ABOUT: &str = "
    SELECT * FROM (
        SELECT * FROM notices INDEXED BY notices_by_order
        WHERE project = ?1 AND order_id = ?2
        UNION
        SELECT * FROM notices INDEXED BY notices_by_transaction
        WHERE project = ?1 AND transaction_id = ?3)
    ORDER BY first_at, kind, ref LIMIT 1000";

/// Why the index is named: see `plans.rs`.
pub(super) const OF_PLAYER: &str = "
    SELECT * FROM notices INDEXED BY notices_by_player
    WHERE project = ?1 AND player = ?2
    ORDER BY first_at DESC, kind, ref LIMIT ?3";

/// The notices about an order or a transaction, oldest first.
pub(super) fn about(
    connection: &Connection,
    project: ProjectId,
    order: Option<OrderId>,
    transaction: Option<TransactionId>,
) -> Result<Vec<NoticeView>, LedgerError> {
    let shown: Vec<Shown> = all(
        connection,
        ABOUT,
        params![
            project.get(),
            order.map(OrderId::get),
            transaction.map(TransactionId::get)
        ],
        shown,
    )?;
    shown.into_iter().map(Shown::view).collect()
}

impl Ledger {
    pub(crate) async fn notices_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        limit: u32,
    ) -> Result<Vec<NoticeView>, LedgerError> {
        let player = player.clone();
        let read = move |connection: &Connection| {
            all(
                connection,
                OF_PLAYER,
                params![project.get(), player.as_str(), limit.min(200)],
                shown,
            )
        };
        let shown: Vec<Shown> = self.file.read(read).await?;
        shown.into_iter().map(Shown::view).collect()
    }
}
