//! The retry queues' clock.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::{Shared, now, table};
use crate::Tier;

impl Shared {
    fn due(&self) -> MutexGuard<'_, Option<i64>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a message is due at a time.
    pub(super) fn due_by(&self, at: i64) {
        let mut due = self.due();
        if due.is_none_or(|known| at < known) {
            *due = Some(at);
            drop(due);
            self.due_changed.notify_one();
        }
    }

    /// Moves what is due back to its lane, when it is due.
    pub(super) async fn keep_time(self: Arc<Self>) {
        loop {
            // Whatever is put there from now on says so.
            *self.due() = None;
            let shared = Arc::clone(&self);
            let moving = self.write(move |connection| {
                let rank = || shared.number();
                Ok(table::move_due(connection, now(), rank)?)
            });
            if let Ok(moved) = moving.await {
                for queue in moved.queues {
                    self.desk(queue).bell.notify_one();
                }
                if let Some(next) = moved.next {
                    self.due_by(next);
                }
            } else {
                self.due_by(now());
                if !self.recovered().await {
                    return;
                }
            }
            if self
                .stop
                .run_until_cancelled(self.until_due())
                .await
                .is_none()
            {
                return;
            }
        }
    }

    async fn until_due(&self) {
        loop {
            let due = *self.due();
            let Some(due) = due else {
                self.due_changed.notified().await;
                continue;
            };
            let wait = u64::try_from(due.saturating_sub(now())).unwrap_or(0);
            if wait == 0 {
                return;
            }
            // Never longer than a message may wait, whatever becomes of the clock.
            let wait = Duration::from_micros(wait).min(Tier::OneHour.delay());
            tokio::select! {
                () = self.due_changed.notified() => {}
                () = sleep(wait) => return,
            }
        }
    }
}
