//! Looking at everything at once, for the metrics.

use std::time::Duration;

use telemetry::Meter;

use super::{Ledger, Store};
use crate::{LedgerError, QueueHead, Survey};

impl Ledger {
    /// Tells `meter` from now on how the connections to the store are used. To be called
    /// once.
    pub fn measure(&self, meter: &Meter) {
        match &self.store {
            Store::Postgres(ledger) => ledger.measure(meter),
            Store::Sqlite(ledger) => ledger.measure(meter),
        }
    }

    /// What is open. Three reads by index, of 100,000 rows each at most; beyond them the
    /// numbers are lower bounds, and the oldest are among those that were read.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn survey(&self) -> Result<Survey, LedgerError> {
        either!(self.survey())
    }

    /// Asks to be, or to stay, the one worker that looks at queues and ledger for all of
    /// them, until `lease` from now; and tells how far this worker's lanes have come. Gives
    /// how far all workers have come to the one that is; `None` while another one is. Whoever
    /// does not ask again in time is replaced by the next that asks.
    ///
    /// On the embedded file the one process always is, and its queues themselves tell how far
    /// they are.
    ///
    /// # Errors
    /// When the database is not available: then nobody knows.
    pub async fn keep_watch(
        &self,
        holder: &str,
        lease: Duration,
        heads: &[QueueHead],
    ) -> Result<Option<Vec<QueueHead>>, LedgerError> {
        either!(self.keep_watch(holder, lease, heads))
    }

    /// Lets the next worker that asks have the watch at once, where `holder` has it.
    ///
    /// # Errors
    /// When the database is not available: then it is free when its lease is over.
    pub async fn leave_watch(&self, holder: &str) -> Result<(), LedgerError> {
        either!(self.leave_watch(holder))
    }
}
