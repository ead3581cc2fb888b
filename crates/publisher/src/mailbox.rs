//! What waits for one connection's task.
//!
//! Bounded by giving up detail, never by waiting: rows beyond the bound become the offset
//! of the newest one, which makes the connection read the ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use centrifuge::{Close, Publication};
use tokio::sync::Notify;

use crate::publication::Booked;
use crate::spans::Push;

/// Rows that wait as such.
const ROWS_MAX: usize = 64;

/// News for one connection.
#[derive(Debug, Default)]
pub struct Mailbox {
    news: Mutex<News>,
    arrived: Notify,
}

/// What came since the last look. To be told in the order of the fields.
#[derive(Debug, Default)]
pub struct News {
    /// Rows with the epoch they belong to.
    pub rows: Vec<(Arc<str>, Publication)>,
    /// Those of them whose trace is told, by offset.
    pub(crate) pushes: Vec<(u64, Push)>,
    /// Those of them by offset whose time is told, for the metrics.
    pub(crate) booked: Vec<(u64, Booked)>,
    /// How far the stream is, in place of rows that did not fit.
    pub top: Option<(Arc<str>, u64)>,
    /// The connection has to end.
    pub close: Option<Close>,
}

impl Mailbox {
    pub(crate) fn put_row(
        &self,
        epoch: &Arc<str>,
        row: &Publication,
        push: Option<&Push>,
        booked: Option<Booked>,
    ) {
        let mut news = self.lock();
        if news.top.is_some() || news.rows.len() == ROWS_MAX {
            news.rows.clear();
            news.pushes.clear();
            news.booked.clear();
            news.raise(epoch, row.offset);
        } else {
            news.rows.push((Arc::clone(epoch), row.clone()));
            let push = push.map(|push| (row.offset, push.clone()));
            news.pushes.extend(push);
            news.booked
                .extend(booked.map(|booked| (row.offset, booked)));
        }
        drop(news);
        self.arrived.notify_one();
    }

    pub(crate) fn put_top(&self, epoch: &Arc<str>, top: u64) {
        // As it is, not raised: it may tell that the stream was shortened.
        self.lock().top = Some((Arc::clone(epoch), top));
        self.arrived.notify_one();
    }

    pub(crate) fn close(&self, close: Close) {
        self.lock().close = Some(close);
        self.arrived.notify_one();
    }

    /// Waits until something was put in since the last [`Mailbox::take`].
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// What came since the last call.
    #[must_use]
    pub fn take(&self) -> News {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl News {
    fn raise(&mut self, epoch: &Arc<str>, offset: u64) {
        let offset = match &self.top {
            Some((known, top)) if known == epoch => offset.max(*top),
            _ => offset,
        };
        self.top = Some((Arc::clone(epoch), offset));
    }
}

#[cfg(test)]
mod tests {
    use centrifuge::Payload;

    use super::*;

    fn row(offset: u64) -> Publication {
        Publication {
            offset,
            data: Payload::parse("{}").unwrap(),
        }
    }

    #[test]
    fn rows_beyond_the_bound_become_the_newest_offset() {
        let (mailbox, epoch) = (Mailbox::default(), Arc::from("e1"));
        for offset in 1..=10_000 {
            mailbox.put_row(&epoch, &row(offset), None, None);
        }
        let news = mailbox.take();
        assert!(news.rows.is_empty());
        assert_eq!(news.top, Some((epoch, 10_000)));
        assert!(mailbox.take().top.is_none());
    }

    #[test]
    fn a_row_after_a_top_is_part_of_it() {
        let (mailbox, epoch) = (Mailbox::default(), Arc::from("e1"));
        mailbox.put_top(&epoch, 3);
        mailbox.put_row(&epoch, &row(2), None, None);
        assert_eq!(mailbox.take().top, Some((Arc::clone(&epoch), 3)));
        mailbox.put_row(&epoch, &row(4), None, None);
        assert_eq!(mailbox.take().rows.len(), 1);
    }
}
