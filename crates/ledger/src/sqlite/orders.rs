//! `orders`: what was seen of each order, and where it stands.

use std::collections::{BTreeMap, BTreeSet};

use order::{OrderId, PlayerId, ProjectId, Status, TransactionId};
use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;

use super::columns::{Instant, Json};
use super::statement::{all, execute, first};
use super::{Ledger, bookings, conflicts, notices, streams};
use crate::books::{Books, OrderKey, OrderRow};
use crate::rows::named;
use crate::rows::orders::Found;
use crate::{LedgerError, OrderStatus, OrderView, content};

const ONE: &str = "SELECT * FROM orders WHERE project = ?1 AND order_id = ?2";

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    let content: Option<Json> = row.get("content")?;
    let instant = |column| Ok::<_, rusqlite::Error>(row.get::<_, Instant>(column)?.0);
    Ok(Found {
        project: row.get("project")?,
        order_id: row.get("order_id")?,
        player: row.get("player")?,
        transaction_id: row.get("transaction_id")?,
        sandbox: row.get("sandbox")?,
        created: row.get("created")?,
        paid: row.get("paid")?,
        payment: row.get("payment")?,
        canceled: row.get("canceled")?,
        refunded: row.get("refunded")?,
        status: row.get("status")?,
        shown: row.get("shown")?,
        content: content.map(|content| content.0),
        first_at: instant("first_at")?,
        last_at: instant("last_at")?,
    })
}

/// Reads those that are there.
pub(super) fn load(
    connection: &Connection,
    keys: &BTreeSet<OrderKey>,
) -> Result<BTreeMap<OrderKey, OrderRow>, LedgerError> {
    let row = |(project, order): &OrderKey| {
        let found = first(connection, ONE, [project.get(), order.get()], found)?;
        found.map(Found::row).transpose()
    };
    keys.iter().filter_map(|key| row(key).transpose()).collect()
}

pub(super) fn save(
    connection: &Connection,
    loaded: &Books,
    books: &Books,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    let is_changed = |(key, row): &(&OrderKey, &OrderRow)| loaded.orders.get(key) != Some(row);
    for (key, row) in books.orders.iter().filter(is_changed) {
        execute(
            connection,
            "INSERT INTO orders (project, order_id, player, transaction_id, sandbox, created, paid,
                                 payment, canceled, refunded, status, shown, content, first_at, last_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14)
             ON CONFLICT (project, order_id) DO UPDATE
             SET player = excluded.player, transaction_id = excluded.transaction_id,
                 sandbox = excluded.sandbox, created = excluded.created, paid = excluded.paid,
                 payment = excluded.payment, canceled = excluded.canceled,
                 refunded = excluded.refunded, status = excluded.status, shown = excluded.shown,
                 content = excluded.content, last_at = excluded.last_at",
            params![
                key.0.get(),
                key.1.get(),
                row.player.as_ref().map(PlayerId::as_str),
                row.transaction.map(TransactionId::get),
                row.sandbox,
                row.facts.created,
                row.facts.paid,
                row.facts.payment,
                row.facts.canceled,
                row.facts.refunded,
                books.status(*key).as_str(),
                row.shown.map(Status::as_str),
                row.content.as_ref().map(|content| Json(content::to_json(content))),
                Instant(at),
            ],
        )?;
    }
    Ok(())
}

fn view(
    connection: &Connection,
    (project, order): OrderKey,
    history_rows: i64,
) -> Result<Option<OrderView>, LedgerError> {
    let found = first(connection, ONE, [project.get(), order.get()], found)?;
    let found = found.map(Found::view).transpose()?;
    let transaction = found.as_ref().and_then(|view| view.transaction);
    let notices = notices::about(connection, project, Some(order), transaction)?;
    let Some(mut view) = found.or_else(|| OrderView::of_notices(order, &notices)) else {
        return Ok(None);
    };
    if let Some(player) = &view.player {
        let key = (project, order);
        view.statuses = streams::of_order(connection, key, player, history_rows)?;
    }
    view.notices = notices;
    view.bookings = bookings::of_order(connection, project, order)?;
    view.conflicts = conflicts::about(connection, project, order)?;
    Ok(Some(view))
}

/// Why the index is named: see `plans.rs`.
pub(super) const OF_PLAYER: &str = "
    SELECT * FROM orders INDEXED BY orders_by_player
    WHERE project = ?1 AND player = ?2 AND order_id < ?3
    ORDER BY order_id DESC LIMIT ?4";

impl Ledger {
    pub(crate) async fn order_status(
        &self,
        project: ProjectId,
        order: OrderId,
        player: &PlayerId,
    ) -> Result<Option<OrderStatus>, LedgerError> {
        let player = player.clone();
        let read = move |connection: &Connection| {
            first(
                connection,
                "SELECT status, content FROM orders
                 WHERE project = ?1 AND order_id = ?2 AND player = ?3",
                params![project.get(), order.get(), player.as_str()],
                |row| Ok((row.get::<_, String>(0)?, row.get::<_, Option<Json>>(1)?)),
            )
        };
        let Some((status, stored)) = self.file.read(read).await? else {
            return Ok(None);
        };
        let content = stored.map(|Json(stored)| content::from_json(stored));
        Ok(Some(OrderStatus {
            order,
            status: named("orders.status", &status, Status::from_name)?,
            content: content.transpose()?,
        }))
    }

    pub(crate) async fn order(
        &self,
        project: ProjectId,
        order: OrderId,
    ) -> Result<Option<OrderView>, LedgerError> {
        let history_rows = self.history_rows;
        let read = move |connection: &Connection| view(connection, (project, order), history_rows);
        self.file.read(read).await
    }

    pub(crate) async fn orders_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderView>, LedgerError> {
        let player = player.clone();
        let read = move |connection: &Connection| {
            all(
                connection,
                OF_PLAYER,
                params![
                    project.get(),
                    player.as_str(),
                    before.map_or(i64::MAX, OrderId::get),
                    limit.min(200)
                ],
                found,
            )
        };
        let found: Vec<Found> = self.file.read(read).await?;
        found.into_iter().map(Found::view).collect()
    }
}
