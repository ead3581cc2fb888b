//! Where traces of orders began.

use order::{OrderId, ProjectId};
use task::MessageId;

use super::{Ledger, Store};
use crate::LedgerError;

/// The first notice of an order whose trace is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstTrace {
    /// 32 hex digits.
    pub trace_id: String,
    /// The notice's message.
    pub message: MessageId,
}

impl Ledger {
    /// What `db.system.name` is in traces.
    #[must_use]
    pub const fn system(&self) -> &'static str {
        match &self.store {
            Store::Postgres(_) => "postgresql",
            Store::Sqlite(_) => "sqlite",
        }
    }

    /// Where the trace of each of these orders began; in their order.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn first_traces(
        &self,
        orders: &[(ProjectId, OrderId)],
    ) -> Result<Vec<Option<FirstTrace>>, LedgerError> {
        either!(self.first_traces(orders))
    }
}
