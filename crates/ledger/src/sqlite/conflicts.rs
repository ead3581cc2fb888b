//! `conflicts`: where two notices disagreed and the first one won.

use order::{OrderId, ProjectId, TransactionId};
use rusqlite::{Connection, params};
use time::OffsetDateTime;

use super::columns::Instant;
use super::statement::{all, execute};
use crate::books::Books;
use crate::{ConflictView, LedgerError};

pub(super) fn save(
    connection: &Connection,
    books: &Books,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    for new in &books.conflicts {
        execute(
            connection,
            "INSERT INTO conflicts (project, kind, ref, order_id, transaction_id, what, message_id, at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            params![
                new.notice.project.get(),
                new.notice.kind.as_str(),
                new.notice.reference.as_str(),
                new.ids.order.map(OrderId::get),
                new.ids.transaction.map(TransactionId::get),
                new.what.as_str(),
                new.message.as_bytes(),
                Instant(at),
            ],
        )?;
    }
    Ok(())
}

/// The conflicts about an order, oldest first.
pub(super) fn about(
    connection: &Connection,
    project: ProjectId,
    order: OrderId,
) -> Result<Vec<ConflictView>, LedgerError> {
    all(
        connection,
        "SELECT kind, what, at FROM conflicts WHERE project = ?1 AND order_id = ?2
         ORDER BY id LIMIT 1000",
        [project.get(), order.get()],
        |row| {
            Ok(ConflictView {
                kind: row.get::<_, String>("kind")?.as_str().into(),
                what: row.get("what")?,
                at: row.get::<_, Instant>("at")?.0,
            })
        },
    )
}
