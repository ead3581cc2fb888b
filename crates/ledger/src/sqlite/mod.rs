//! The ledger in the embedded file: a file per table, `book` for the transaction over all
//! of them.
//!
//! The file has one writer, which runs one closure after the other. So what a batch loads
//! stays as it is until the batch is written, and nothing has to be locked.

mod book;
mod bookings;
mod columns;
mod conflicts;
mod moving;
mod notices;
mod orders;
mod parked;
#[cfg(test)]
mod plans;
mod players;
mod quarantine;
mod statement;
mod streams;
mod survey;
mod traces;
mod transactions;

use std::time::Duration;

use ::sqlite::File;
use telemetry::Meter;

pub(crate) use moving::{count, export, last_number};
pub(crate) use streams::draw_epoch;

use crate::LedgerError;
use crate::metrics::{PoolUse, tell_pool};

/// How long closing waits for what is under way.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// As the metrics name the connections that read.
const POOL: &str = "sqlite";

/// The ledger in a file. Clones share its writer.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    file: File,
    history_rows: i64,
}

impl Ledger {
    pub(crate) fn new(file: File, history_rows: u32) -> Self {
        Self {
            file,
            history_rows: history_rows.into(),
        }
    }

    pub(crate) const fn history_rows(&self) -> i64 {
        self.history_rows
    }

    pub(crate) fn measure(&self, meter: &Meter) {
        let file = self.file.clone();
        tell_pool(meter, POOL, move || {
            let readers = file.readers();
            PoolUse {
                idle: readers.idle,
                used: readers.used,
                max: readers.max,
            }
        });
    }

    pub(crate) async fn ping(&self) -> Result<(), LedgerError> {
        self.file
            .read(|connection| streams::epoch(connection).map(drop))
            .await
    }

    /// Writers are served in their order, so what was under way ends before an empty one.
    pub(crate) async fn close(&self) {
        let last = self.file.write(|_| Ok::<_, LedgerError>(()));
        if tokio::time::timeout(CLOSE_TIMEOUT, last).await.is_err() {
            tracing::warn!("The disk of the data file does not answer");
        }
    }
}
