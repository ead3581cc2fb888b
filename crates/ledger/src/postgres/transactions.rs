//! `transactions`: real-money payments, and which order each one paid.

use std::collections::{BTreeMap, BTreeSet};

use order::{OrderId, PlayerId, ProjectId, TransactionId};
use sqlx::PgConnection;

use super::pool::Lent;
use super::{Ledger, notices};
use crate::books::{Books, TransactionKey, TransactionRow};
use crate::rows::transactions::Found;
use crate::{LedgerError, TransactionView};

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
    connection: &mut PgConnection,
    project: ProjectId,
    transaction: TransactionId,
) -> Result<Option<TransactionView>, LedgerError> {
    let found: Option<Found> = sqlx::query_as(
        "SELECT project, transaction_id, order_id, player, payment, refund, refund_code, sandbox
         FROM transactions WHERE project = $1 AND transaction_id = $2",
    )
    .bind(project.get())
    .bind(transaction.get())
    .fetch_optional(&mut *connection)
    .await?;
    let row = found.map(Found::row).transpose()?.map(|(_, row)| row);
    let order = row.as_ref().and_then(|row| row.order);
    let notices = notices::about(&mut *connection, project, order, Some(transaction)).await?;
    Ok(TransactionView::of(transaction, row, notices))
}

impl Ledger {
    pub(crate) async fn transaction(
        &self,
        project: ProjectId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionView>, LedgerError> {
        let read =
            |mut connection: Lent| async move { view(&mut connection, project, transaction).await };
        self.pool.within(read).await
    }
}
