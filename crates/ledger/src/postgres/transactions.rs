//! `transactions`: real-money payments, and which order each one paid.

use std::collections::{BTreeMap, BTreeSet};

use order::{OrderId, PlayerId, ProjectId, TransactionId};
use sqlx::{PgConnection, PgPool};

use super::rows::{number, numbers, texts};
use super::{Ledger, notices};
use crate::books::{Books, TransactionKey, TransactionRow};
use crate::{LedgerError, TransactionView};

#[derive(sqlx::FromRow)]
struct Found {
    project: i64,
    transaction_id: i64,
    order_id: Option<i64>,
    player: Option<String>,
    payment: bool,
    refund: bool,
    refund_code: Option<i64>,
    sandbox: Option<bool>,
}

impl Found {
    fn row(self) -> Result<(TransactionKey, TransactionRow), LedgerError> {
        let project = number("transactions.project", self.project)?;
        let key = (
            project,
            number("transactions.transaction_id", self.transaction_id)?,
        );
        let row = TransactionRow {
            order: numbers("transactions.order_id", self.order_id)?,
            player: texts("transactions.player", self.player.as_deref())?,
            payment: self.payment,
            refund: self.refund,
            refund_code: self.refund_code,
            sandbox: self.sandbox,
        };
        Ok((key, row))
    }
}

/// Inserts the missing ones, locks and reads all.
pub(super) async fn lock(
    connection: &mut PgConnection,
    keys: &BTreeSet<TransactionKey>,
) -> Result<BTreeMap<TransactionKey, TransactionRow>, LedgerError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let (projects, ids): (Vec<_>, Vec<_>) =
        keys.iter().map(|key| (key.0.get(), key.1.get())).unzip();
    sqlx::query(
        "INSERT INTO transactions (project, transaction_id)
         SELECT * FROM unnest($1::bigint[], $2::bigint[])
         ON CONFLICT DO NOTHING",
    )
    .bind(&projects)
    .bind(&ids)
    .execute(&mut *connection)
    .await?;
    let found: Vec<Found> = sqlx::query_as(
        "SELECT t.project, t.transaction_id, t.order_id, t.player, t.payment, t.refund, t.refund_code, t.sandbox
         FROM transactions t
         JOIN unnest($1::bigint[], $2::bigint[]) AS k (project, transaction_id)
           USING (project, transaction_id)
         ORDER BY t.project, t.transaction_id
         FOR UPDATE OF t",
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
) -> Result<(), LedgerError> {
    let changed = books
        .transactions
        .iter()
        .filter(|(key, row)| loaded.transactions.get(key) != Some(row));
    let changed: Vec<_> = changed.collect();
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE transactions t
         SET order_id = b.order_id, player = b.player, payment = b.payment, refund = b.refund,
             refund_code = b.refund_code, sandbox = b.sandbox
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::boolean[], $6::boolean[],
                     $7::bigint[], $8::boolean[])
              AS b (project, transaction_id, order_id, player, payment, refund, refund_code, sandbox)
         WHERE (t.project, t.transaction_id) = (b.project, b.transaction_id)",
    )
    .bind(changed.iter().map(|(key, _)| key.0.get()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(key, _)| key.1.get()).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.order.map(OrderId::get)).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.player.as_ref().map(PlayerId::as_str)).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.payment).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.refund).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.refund_code).collect::<Vec<_>>())
    .bind(changed.iter().map(|(_, row)| row.sandbox).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

async fn view(
    pool: &PgPool,
    project: ProjectId,
    transaction: TransactionId,
) -> Result<Option<TransactionView>, LedgerError> {
    let found: Option<Found> = sqlx::query_as(
        "SELECT project, transaction_id, order_id, player, payment, refund, refund_code, sandbox
         FROM transactions WHERE project = $1 AND transaction_id = $2",
    )
    .bind(project.get())
    .bind(transaction.get())
    .fetch_optional(pool)
    .await?;
    let row = found.map(Found::row).transpose()?.map(|(_, row)| row);
    let order = row.as_ref().and_then(|row| row.order);
    let notices = notices::about(pool, project, order, Some(transaction)).await?;
    // A notice that is only recorded, or parked, may be all there is.
    let known = row.is_some() || !notices.is_empty();
    let row = row.unwrap_or_default();
    Ok(known.then_some(TransactionView {
        transaction,
        order: row.order,
        player: row.player,
        payment: row.payment,
        refund: row.refund,
        refund_code: row.refund_code,
        notices,
    }))
}

impl Ledger {
    /// A transaction with its notices. `None` when no notice has named it.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn transaction(
        &self,
        project: ProjectId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionView>, LedgerError> {
        let read = |pool| async move { view(&pool, project, transaction).await };
        self.pool.within(read).await
    }
}
