//! Where traces of orders began, in `notices`.

use order::{OrderId, ProjectId};
use sqlx::PgPool;

use super::Ledger;
use crate::rows::{message, unreadable};
use crate::{FirstTrace, LedgerError};

impl Ledger {
    pub(crate) async fn first_traces(
        &self,
        orders: &[(ProjectId, OrderId)],
    ) -> Result<Vec<Option<FirstTrace>>, LedgerError> {
        let mut traces = vec![None; orders.len()];
        let (projects, ids): (Vec<i64>, Vec<i64>) = orders
            .iter()
            .map(|(project, order)| (project.get(), order.get()))
            .unzip();
        let read = |pool: PgPool| async move {
            Ok(sqlx::query_as(
                "SELECT k.place, n.trace_id, n.message_id
                 FROM unnest($1::bigint[], $2::bigint[])
                      WITH ORDINALITY AS k (project, order_id, place)
                 CROSS JOIN LATERAL (
                     SELECT trace_id, message_id FROM notices
                     WHERE project = k.project AND order_id = k.order_id AND trace_id IS NOT NULL
                     ORDER BY first_at, kind COLLATE \"C\", ref COLLATE \"C\" LIMIT 1) n",
            )
            .bind(&projects)
            .bind(&ids)
            .fetch_all(&pool)
            .await?)
        };
        let found: Vec<(i64, String, Vec<u8>)> = self.pool.within(read).await?;
        for (place, trace_id, digest) in found {
            let index = usize::try_from(place - 1).map_err(|_| unreadable("place", place))?;
            if let Some(trace) = traces.get_mut(index) {
                *trace = Some(FirstTrace {
                    trace_id,
                    message: message(&digest)?,
                });
            }
        }
        Ok(traces)
    }
}
