//! `orders`: what was seen of each order, and where it stands.

use std::collections::{BTreeMap, BTreeSet};

use order::{OrderId, PlayerId, ProjectId, Status, TransactionId};
use serde_json::Value;
use sqlx::PgConnection;
use time::OffsetDateTime;

use super::pool::Lent;
use super::{Ledger, bookings, conflicts, notices, streams};
use crate::books::{Books, OrderKey, OrderRow};
use crate::rows::named;
use crate::rows::orders::Found;
use crate::{LedgerError, OrderStatus, OrderView, content};

/// Inserts the missing ones, locks and reads all.
pub(super) async fn lock(
    connection: &mut PgConnection,
    keys: &BTreeSet<OrderKey>,
    at: OffsetDateTime,
) -> Result<BTreeMap<OrderKey, OrderRow>, LedgerError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (projects, ids): (Vec<_>, Vec<_>) =
        keys.iter().map(|key| (key.0.get(), key.1.get())).unzip();
    sqlx::query(
        "INSERT INTO orders (project, order_id, first_at, last_at)
         SELECT k.*, $3, $3 FROM unnest($1::bigint[], $2::bigint[]) AS k
         ON CONFLICT DO NOTHING",
    )
    .bind(&projects)
    .bind(&ids)
    .bind(at)
    .execute(&mut *connection)
    .await?;
    let found: Vec<Found> = sqlx::query_as(
        "SELECT o.* FROM orders o
         JOIN unnest($1::bigint[], $2::bigint[]) AS k (project, order_id) USING (project, order_id)
         ORDER BY o.project, o.order_id
         FOR UPDATE OF o",
    )
    .bind(&projects)
    .bind(&ids)
    .fetch_all(connection)
    .await?;
    found.into_iter().map(Found::row).collect()
}

pub(super) async fn save(
    connection: &mut PgConnection,
    loaded: &Books,
    books: &Books,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    let changed = books
        .orders
        .iter()
        .filter(|(key, row)| loaded.orders.get(key) != Some(row));
    let changed: Vec<_> = changed.collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE orders o
         SET player = b.player, transaction_id = b.transaction_id, sandbox = b.sandbox,
             created = b.created, paid = b.paid, payment = b.payment, canceled = b.canceled,
             refunded = b.refunded, status = b.status, shown = b.shown, content = b.content,
             last_at = $14
         FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::bigint[], $5::boolean[], $6::boolean[],
                     $7::boolean[], $8::boolean[], $9::boolean[], $10::boolean[], $11::text[],
                     $12::text[], $13::jsonb[])
              AS b (project, order_id, player, transaction_id, sandbox, created, paid, payment,
                    canceled, refunded, status, shown, content)
         WHERE (o.project, o.order_id) = (b.project, b.order_id)",
    )
    .bind(changed.iter().map(|(key, _)| key.0.get()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(key, _)| key.1.get()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.player.as_ref().map(PlayerId::as_str)).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.transaction.map(TransactionId::get)).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.sandbox).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.facts.created).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.facts.paid).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.facts.payment).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.facts.canceled).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.facts.refunded).collect::<Vec<_>>())
    .bind(changed.iter().map(|(key, _)| books.status(**key).as_str()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.shown.map(Status::as_str)).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.content.as_ref().map(content::to_json)).collect::<Vec<_>>())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

async fn view(
    connection: &mut PgConnection,
    (project, order): OrderKey,
    history_rows: i64,
) -> Result<Option<OrderView>, LedgerError> {
    let found: Option<Found> =
        sqlx::query_as("SELECT * FROM orders WHERE project = $1 AND order_id = $2")
            .bind(project.get())
            .bind(order.get())
            .fetch_optional(&mut *connection)
            .await?;
    let found = found.map(Found::view).transpose()?;
    let transaction = found.as_ref().and_then(|view| view.transaction);
    let notices = notices::about(&mut *connection, project, Some(order), transaction).await?;
    let Some(mut view) = found.or_else(|| OrderView::of_notices(order, &notices)) else {
        return Ok(None);
    };
    if let Some(player) = &view.player {
        let key = (project, order);
        view.statuses = streams::of_order(&mut *connection, key, player, history_rows).await?;
    }
    view.notices = notices;
    view.bookings = bookings::of_order(&mut *connection, project, order).await?;
    view.conflicts = conflicts::about(&mut *connection, project, order).await?;
    Ok(Some(view))
}

impl Ledger {
    pub(crate) async fn order_status(
        &self,
        project: ProjectId,
        order: OrderId,
        player: &PlayerId,
    ) -> Result<Option<OrderStatus>, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
            "SELECT status, content FROM orders WHERE project = $1 AND order_id = $2 AND player = $3",
        )
        .bind(project.get())
        .bind(order.get())
        .bind(player.as_str())
        .fetch_optional(&mut *connection)
        .await?)
        };
        let found: Option<(String, Option<Value>)> = self.pool.within(read).await?;
        let Some((status, stored)) = found else {
            return Ok(None);
        };
        let status = named("orders.status", &status, Status::from_name)?;
        Ok(Some(OrderStatus {
            order,
            status,
            content: stored.map(content::from_json).transpose()?,
        }))
    }

    pub(crate) async fn order(
        &self,
        project: ProjectId,
        order: OrderId,
    ) -> Result<Option<OrderView>, LedgerError> {
        let read = |mut connection: Lent| async move {
            view(&mut connection, (project, order), self.history_rows).await
        };
        self.pool.within(read).await
    }

    pub(crate) async fn orders_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderView>, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
            "SELECT * FROM orders WHERE project = $1 AND player = $2 AND order_id < coalesce($3, 9223372036854775807)
             ORDER BY order_id DESC LIMIT $4",
        )
        .bind(project.get())
        .bind(player.as_str())
        .bind(before.map(OrderId::get))
        .bind(i64::from(limit.min(200)))
        .fetch_all(&mut *connection)
        .await?)
        };
        let found: Vec<Found> = self.pool.within(read).await?;
        found.into_iter().map(Found::view).collect()
    }
}
