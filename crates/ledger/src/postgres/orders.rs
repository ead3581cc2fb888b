//! `orders`: what was seen of each order, and where it stands.

use std::collections::{BTreeMap, BTreeSet};

use order::{Facts, OrderId, PlayerId, ProjectId, Status, TransactionId};
use serde_json::Value;
use sqlx::{PgConnection, PgPool};
use time::OffsetDateTime;

use super::rows::{named, number, numbers, texts};
use super::{Ledger, bookings, conflicts, notices};
use crate::books::{Books, OrderKey, OrderRow};
use crate::{LedgerError, NoticeView, OrderStatus, OrderView, content};

#[derive(sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "one column per fact")]
struct Found {
    project: i64,
    order_id: i64,
    player: Option<String>,
    transaction_id: Option<i64>,
    sandbox: bool,
    created: bool,
    paid: bool,
    payment: bool,
    canceled: bool,
    refunded: bool,
    status: String,
    shown: Option<String>,
    content: Option<Value>,
    first_at: OffsetDateTime,
    last_at: OffsetDateTime,
}

impl Found {
    const fn facts(&self) -> Facts {
        Facts {
            created: self.created,
            paid: self.paid,
            payment: self.payment,
            canceled: self.canceled,
            refunded: self.refunded,
        }
    }

    fn row(self) -> Result<(OrderKey, OrderRow), LedgerError> {
        let project = number("orders.project", self.project)?;
        let key = (project, number("orders.order_id", self.order_id)?);
        let shown = self
            .shown
            .as_deref()
            .map(|shown| named("orders.shown", shown, Status::from_name));
        let row = OrderRow {
            facts: self.facts(),
            player: texts("orders.player", self.player.as_deref())?,
            transaction: numbers("orders.transaction_id", self.transaction_id)?,
            sandbox: self.sandbox,
            shown: shown.transpose()?,
            content: self.content.map(content::from_json).transpose()?,
        };
        Ok((key, row))
    }

    fn view(self) -> Result<OrderView, LedgerError> {
        Ok(OrderView {
            order: number("orders.order_id", self.order_id)?,
            player: texts("orders.player", self.player.as_deref())?,
            status: named("orders.status", &self.status, Status::from_name)?,
            facts: self.facts(),
            sandbox: self.sandbox,
            transaction: numbers("orders.transaction_id", self.transaction_id)?,
            content: self.content.map(content::from_json).transpose()?,
            first_at: self.first_at,
            last_at: self.last_at,
            bookings: Vec::new(),
            notices: Vec::new(),
            conflicts: Vec::new(),
        })
    }
}

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

/// An order of which nothing is known but notices that were parked or only recorded.
fn view_of_notices(order: OrderId, notices: &[NoticeView]) -> Option<OrderView> {
    Some(OrderView {
        order,
        player: None,
        status: Status::New,
        facts: Facts::default(),
        sandbox: false,
        transaction: None,
        content: None,
        first_at: notices.iter().map(|notice| notice.first_at).min()?,
        last_at: notices.iter().map(|notice| notice.last_at).max()?,
        bookings: Vec::new(),
        notices: Vec::new(),
        conflicts: Vec::new(),
    })
}

async fn view(
    pool: &PgPool,
    project: ProjectId,
    order: OrderId,
) -> Result<Option<OrderView>, LedgerError> {
    let found: Option<Found> =
        sqlx::query_as("SELECT * FROM orders WHERE project = $1 AND order_id = $2")
            .bind(project.get())
            .bind(order.get())
            .fetch_optional(pool)
            .await?;
    let found = found.map(Found::view).transpose()?;
    let transaction = found.as_ref().and_then(|view| view.transaction);
    let notices = notices::about(pool, project, Some(order), transaction).await?;
    let Some(mut view) = found.or_else(|| view_of_notices(order, &notices)) else {
        return Ok(None);
    };
    view.notices = notices;
    view.bookings = bookings::of_order(pool, project, order).await?;
    view.conflicts = conflicts::about(pool, project, order).await?;
    Ok(Some(view))
}

impl Ledger {
    /// What a client may know of its own order. Another player's order is as unknown as
    /// one that does not exist.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn order_status(
        &self,
        project: ProjectId,
        order: OrderId,
        player: &PlayerId,
    ) -> Result<Option<OrderStatus>, LedgerError> {
        let read = |pool: PgPool| async move {
            Ok(sqlx::query_as(
            "SELECT status, content FROM orders WHERE project = $1 AND order_id = $2 AND player = $3",
        )
        .bind(project.get())
        .bind(order.get())
        .bind(player.as_str())
        .fetch_optional(&pool)
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

    /// An order with its bookings, notices and conflicts.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn order(
        &self,
        project: ProjectId,
        order: OrderId,
    ) -> Result<Option<OrderView>, LedgerError> {
        let read = |pool| async move { view(&pool, project, order).await };
        self.pool.within(read).await
    }

    /// A player's orders, newest id first, older than `before`; at most 200.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn orders_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        before: Option<OrderId>,
        limit: u32,
    ) -> Result<Vec<OrderView>, LedgerError> {
        let read = |pool: PgPool| async move {
            Ok(sqlx::query_as(
            "SELECT * FROM orders WHERE project = $1 AND player = $2 AND order_id < coalesce($3, 9223372036854775807)
             ORDER BY order_id DESC LIMIT $4",
        )
        .bind(project.get())
        .bind(player.as_str())
        .bind(before.map(OrderId::get))
        .bind(i64::from(limit.min(200)))
        .fetch_all(&pool)
        .await?)
        };
        let found: Vec<Found> = self.pool.within(read).await?;
        found.into_iter().map(Found::view).collect()
    }
}
