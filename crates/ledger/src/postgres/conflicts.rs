//! `conflicts`: where two notices disagreed and the first one won.

use order::{OrderId, ProjectId, TransactionId};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

use crate::books::Books;
use crate::{ConflictView, LedgerError};

pub(super) async fn save(
    connection: &mut PgConnection,
    books: &Books,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    let new = &books.conflicts;
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO conflicts (project, kind, ref, order_id, transaction_id, what, message_id, at)
         SELECT b.*, $8 FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                                    $6::text[], $7::bytea[]) AS b",
    )
    .bind(new.iter().map(|c| c.notice.project.get()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.notice.kind.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.notice.reference.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.ids.order.map(OrderId::get)).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.ids.transaction.map(TransactionId::get)).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.what.as_str()).collect::<Vec<_>>())
    .bind(new.iter().map(|c| c.message.as_bytes().as_slice()).collect::<Vec<_>>())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

/// The conflicts about an order, oldest first.
pub(super) async fn about(
    executor: impl PgExecutor<'_>,
    project: ProjectId,
    order: OrderId,
) -> Result<Vec<ConflictView>, LedgerError> {
    let found: Vec<(String, String, OffsetDateTime)> = sqlx::query_as(
        "SELECT kind, what, at FROM conflicts WHERE project = $1 AND order_id = $2 ORDER BY id LIMIT 1000",
    )
    .bind(project.get())
    .bind(order.get())
    .fetch_all(executor)
    .await?;
    let view = |(kind, what, at): (String, _, _)| ConflictView {
        kind: kind.as_str().into(),
        what,
        at,
    };
    Ok(found.into_iter().map(view).collect())
}
