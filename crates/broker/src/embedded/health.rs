//! How the file is doing.

use std::sync::{Arc, MutexGuard, PoisonError};

use rusqlite::Connection;
use sqlite::WriteError;
use telemetry::chain;
use tokio::time::sleep;

use super::fault::Fault;
use super::{PAUSE, Shared, table};
use crate::Link;

/// The way to the broker, as the metrics name it.
pub(super) const LINK: &str = "file";

impl Shared {
    /// Writes, and notes how that went.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        closure: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let outcome = self.file.write(closure).await;
        if let Err(Fault::File(error)) = &outcome {
            self.faulty(error);
        }
        outcome
    }

    /// Somebody consumes or listens.
    pub(super) fn in_use(&self) {
        self.state.send_if_modified(|state| {
            let is_new = state.consuming == Link::Unused;
            if is_new {
                state.consuming = state.publishing.clone();
            }
            is_new
        });
    }

    /// Said by the probe alone. On a disk that is nearly full small writes pass among those
    /// that fail, and the state would change with each.
    fn healthy(&self) {
        let mut failing = self.failing();
        *failing = false;
        tracing::info!("The file takes messages again");
        self.set(&Link::Connected);
    }

    fn faulty(self: &Arc<Self>, error: &WriteError) {
        let reason = chain(error);
        let mut failing = self.failing();
        let is_new = !std::mem::replace(&mut *failing, true);
        if is_new {
            tracing::error!(reason, "The file takes no messages");
            self.metrics.lost(LINK);
        }
        self.set(&match error {
            WriteError::Full(_) => Link::Blocked { reason },
            WriteError::Closed
            | WriteError::ReadOnly
            | WriteError::Panicked
            | WriteError::GivenUp
            | WriteError::Failed(_) => Link::Down { reason },
        });
        if is_new {
            self.tasks.spawn(Arc::clone(self).probe());
        }
    }

    /// Whether the file fails; the state is changed with it under one lock, so that they
    /// always agree.
    fn failing(&self) -> MutexGuard<'_, bool> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, link: &Link) {
        self.state.send_modify(|state| {
            state.publishing = link.clone();
            if state.consuming != Link::Unused {
                state.consuming = link.clone();
            }
        });
    }

    /// Tries for as long as the file fails: nobody tells us when a disk has room again.
    async fn probe(self: Arc<Self>) {
        loop {
            if self.stop.run_until_cancelled(sleep(PAUSE)).await.is_none() {
                return;
            }
            let tried = self
                .file
                .write(|connection| -> Result<(), Fault> { Ok(table::probe(connection)?) });
            if tried.await.is_ok() {
                return self.healthy();
            }
        }
    }

    /// Waits after a failure until the file is well, a moment at least. False once the
    /// broker is closed.
    pub(super) async fn recovered(&self) -> bool {
        let mut state = self.state.subscribe();
        let well = async {
            sleep(PAUSE).await;
            state
                .wait_for(|state| state.publishing.is_healthy())
                .await
                .is_ok()
        };
        self.stop.run_until_cancelled(well).await.unwrap_or(false)
    }
}
