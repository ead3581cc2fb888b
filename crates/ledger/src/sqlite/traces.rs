//! Where traces of orders began, in `notices`.

use order::{OrderId, ProjectId};
use rusqlite::{Connection, Row, params};

use super::Ledger;
use super::statement::first;
use crate::rows::message;
use crate::{FirstTrace, LedgerError};

/// Why the index is named: see `plans.rs`.
pub(super) const FIRST: &str = "
    SELECT trace_id, message_id FROM notices INDEXED BY notices_by_order
    WHERE project = ?1 AND order_id = ?2 AND trace_id IS NOT NULL
    ORDER BY first_at, kind, ref LIMIT 1";

impl Ledger {
    pub(crate) async fn first_traces(
        &self,
        orders: &[(ProjectId, OrderId)],
    ) -> Result<Vec<Option<FirstTrace>>, LedgerError> {
        let orders = orders.to_vec();
        let read = move |connection: &Connection| {
            orders
                .iter()
                .map(|(project, order)| of_order(connection, *project, *order))
                .collect()
        };
        self.file.read(read).await
    }
}

fn of_order(
    connection: &Connection,
    project: ProjectId,
    order: OrderId,
) -> Result<Option<FirstTrace>, LedgerError> {
    let read = |row: &Row<'_>| Ok((row.get("trace_id")?, row.get("message_id")?));
    let found = first(connection, FIRST, params![project.get(), order.get()], read)?;
    let trace = |(trace_id, digest): (String, Vec<u8>)| {
        Ok(FirstTrace {
            trace_id,
            message: message(&digest)?,
        })
    };
    found.map(trace).transpose()
}
