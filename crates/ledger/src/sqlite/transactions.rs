//! `transactions`: real-money payments, and which order each one paid.

use std::collections::{BTreeMap, BTreeSet};

use order::{OrderId, PlayerId, ProjectId, TransactionId};
use rusqlite::{Connection, Row, params};

use super::statement::{execute, first};
use super::{Ledger, notices};
use crate::books::{Books, TransactionKey, TransactionRow};
use crate::rows::transactions::Found;
use crate::{LedgerError, TransactionView};

fn found(row: &Row<'_>) -> rusqlite::Result<Found> {
    Ok(Found {
        project: row.get("project")?,
        transaction_id: row.get("transaction_id")?,
        order_id: row.get("order_id")?,
        player: row.get("player")?,
        payment: row.get("payment")?,
        refund: row.get("refund")?,
        refund_code: row.get("refund_code")?,
        sandbox: row.get("sandbox")?,
    })
}

fn read(
    connection: &Connection,
    (project, transaction): TransactionKey,
) -> Result<Option<TransactionRow>, LedgerError> {
    let sql = "SELECT * FROM transactions WHERE project = ?1 AND transaction_id = ?2";
    let found = first(connection, sql, [project.get(), transaction.get()], found)?;
    found.map(|found| Ok(found.row()?.1)).transpose()
}

/// Reads those that are there.
pub(super) fn load(
    connection: &Connection,
    keys: &BTreeSet<TransactionKey>,
) -> Result<BTreeMap<TransactionKey, TransactionRow>, LedgerError> {
    let row = |key: &TransactionKey| Ok(read(connection, *key)?.map(|row| (*key, row)));
    keys.iter().filter_map(|key| row(key).transpose()).collect()
}

pub(super) fn save(
    connection: &Connection,
    loaded: &Books,
    books: &Books,
) -> Result<(), LedgerError> {
    let is_changed =
        |(key, row): &(&TransactionKey, &TransactionRow)| loaded.transactions.get(key) != Some(row);
    for ((project, transaction), row) in books.transactions.iter().filter(is_changed) {
        execute(
            connection,
            "INSERT INTO transactions (project, transaction_id, order_id, player, payment, refund,
                                       refund_code, sandbox)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
             ON CONFLICT (project, transaction_id) DO UPDATE
             SET order_id = excluded.order_id, player = excluded.player,
                 payment = excluded.payment, refund = excluded.refund,
                 refund_code = excluded.refund_code, sandbox = excluded.sandbox",
            params![
                project.get(),
                transaction.get(),
                row.order.map(OrderId::get),
                row.player.as_ref().map(PlayerId::as_str),
                row.payment,
                row.refund,
                row.refund_code,
                row.sandbox,
            ],
        )?;
    }
    Ok(())
}

impl Ledger {
    pub(crate) async fn transaction(
        &self,
        project: ProjectId,
        transaction: TransactionId,
    ) -> Result<Option<TransactionView>, LedgerError> {
        let view = move |connection: &Connection| {
            let row = read(connection, (project, transaction))?;
            let order = row.as_ref().and_then(|row| row.order);
            let notices = notices::about(connection, project, order, Some(transaction))?;
            Ok(TransactionView::of(transaction, row, notices))
        };
        self.file.read(view).await
    }
}
