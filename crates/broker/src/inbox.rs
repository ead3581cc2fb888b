//! Deliveries on their way into batches.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::Delivery;

/// What has arrived for one consumer.
#[derive(Debug)]
pub(crate) struct Inbox {
    arrived: mpsc::Receiver<Delivery>,
    /// Taken from `arrived` by a batch that is not handed out yet.
    taken: Vec<Delivery>,
    last_was_full: bool,
}

impl Inbox {
    pub(crate) fn new(arrived: mpsc::Receiver<Delivery>) -> Self {
        Self {
            arrived,
            taken: Vec::new(),
            last_was_full: false,
        }
    }

    /// Waits for at least one delivery, then takes what has arrived, at most `max`. Only if
    /// the batch before was full it waits up to `linger` for this one to fill. What is no
    /// longer current is dropped.
    ///
    /// Keeps what it has in the inbox until it returns, so that dropping it loses nothing.
    pub(crate) async fn gather(
        &mut self,
        max: usize,
        linger: Duration,
        is_current: impl Fn(&Delivery) -> bool,
    ) -> Vec<Delivery> {
        let max = max.max(1);
        let patience = Instant::now() + linger;
        loop {
            while self.taken.len() < max {
                let Ok(delivery) = self.arrived.try_recv() else {
                    break;
                };
                self.taken.push(delivery);
            }
            self.taken.retain(&is_current);
            let next = if self.taken.is_empty() {
                self.arrived.recv().await
            } else if self.taken.len() < max && self.last_was_full {
                let next = timeout_at(patience, self.arrived.recv()).await;
                next.unwrap_or_default()
            } else {
                None
            };
            match next {
                Some(delivery) => self.taken.push(delivery),
                None => break,
            }
        }
        self.last_was_full = self.taken.len() >= max;
        std::mem::take(&mut self.taken)
    }
}
