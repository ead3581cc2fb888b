//! A connection's place in its one stream, and what may be sent from it.
//!
//! Invariants: pushes ascend by one from the position of the connect reply. While
//! a read is under way nothing is pushed, so the rows it returns contain all that
//! was pushed before; they are pushed first and the history replies written after,
//! in one step. Hence no client sees a row in a history reply after a later row
//! was pushed.

use std::{collections::VecDeque, time::Instant};

use super::{LoadRequest, Loaded};
use crate::{
    code::{Close, ErrorCode},
    json,
    message::{History, Publication, Reply},
};

/// History commands that may wait for the next read; one more is told to come back.
pub(super) const WAITING_MAX: usize = 8;

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) channel: String,
    pub(super) epoch: String,
    /// The offset of the last row the client has been given.
    pub(super) position: u64,
    load: Option<Load>,
    /// The highest offset heard of since the current read began.
    heard: u64,
    waiting: VecDeque<Query>,
}

/// A read under way, and the history commands it will answer.
#[derive(Debug)]
struct Load {
    request: LoadRequest,
    until: Instant,
    /// The read has failed and is due again.
    again_at: Option<Instant>,
    queries: VecDeque<Query>,
}

/// A history command that has been checked.
#[derive(Clone, Copy, Debug)]
struct Query {
    id: u32,
    since: Option<u64>,
    limit: usize,
    reverse: bool,
}

impl Stream {
    pub(super) fn new(channel: String, epoch: String, position: u64) -> Self {
        Self {
            channel,
            epoch,
            position,
            load: None,
            heard: 0,
            waiting: VecDeque::new(),
        }
    }

    pub(super) fn load_until(&self) -> Option<Instant> {
        self.load.as_ref().map(|load| load.until)
    }

    /// When the read that failed is due again.
    pub(super) fn load_again_at(&self) -> Option<Instant> {
        self.load.as_ref().and_then(|load| load.again_at)
    }

    /// The read under way has failed.
    pub(super) fn load_failed(&mut self, again_at: Instant) {
        if let Some(load) = &mut self.load {
            load.again_at = Some(again_at);
        }
    }

    /// Starts the read that failed once more, if it is due.
    pub(super) fn load_again(&mut self, now: Instant) -> Option<LoadRequest> {
        let load = self.load.as_mut()?;
        load.again_at.take_if(|at| *at <= now)?;
        Some(load.request)
    }

    /// Takes a history command for this channel; it is answered by the next read.
    pub(super) fn ask(
        &mut self,
        id: u32,
        history: &History,
        rows_max: u32,
    ) -> Result<(), ErrorCode> {
        if history
            .since
            .as_ref()
            .is_some_and(|since| !since.fits(&self.epoch))
        {
            return Err(ErrorCode::UnrecoverablePosition);
        }
        let since = history.since.as_ref().map(|since| since.offset);
        if history.reverse && since == Some(0) {
            return Err(ErrorCode::BadRequest);
        }
        if self.waiting.len() == WAITING_MAX {
            return Err(ErrorCode::TooManyRequests);
        }
        // Negative asks for everything.
        let limit = u32::try_from(history.limit)
            .unwrap_or(u32::MAX)
            .min(rows_max);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        self.waiting.push_back(Query {
            id,
            since,
            limit,
            reverse: history.reverse,
        });
        Ok(())
    }

    /// Pushes the rows that come next and notes the ones that come later.
    pub(super) fn advance(
        &mut self,
        epoch: &str,
        rows: &[Publication],
        send: &mut impl FnMut(String),
    ) -> Result<(), Close> {
        if epoch != self.epoch {
            return Err(Close::InsufficientState);
        }
        for row in rows {
            if self.load.is_none() && self.position.checked_add(1) == Some(row.offset) {
                self.push(row, send);
            } else {
                self.heard = self.heard.max(row.offset);
            }
        }
        Ok(())
    }

    /// Compares the position with a top read elsewhere.
    pub(super) fn top(&mut self, epoch: &str, top: u64) -> Result<Recheck, Close> {
        if epoch != self.epoch {
            return Err(Close::InsufficientState);
        }
        self.heard = self.heard.max(top);
        // The top may have been read before the rows that were pushed meanwhile; only
        // a read of our own, during which nothing is pushed, can tell a loss from that.
        Ok(if top < self.position {
            Recheck::Needed
        } else {
            Recheck::AsHeard
        })
    }

    /// Starts a read if something waits for one and none is under way.
    pub(super) fn next_load(
        &mut self,
        recheck: Recheck,
        rows_max: u32,
        until: Instant,
    ) -> Option<LoadRequest> {
        let behind = self.heard > self.position || recheck == Recheck::Needed;
        let wanted = behind || !self.waiting.is_empty();
        if self.load.is_some() || !wanted {
            return None;
        }
        let queries = std::mem::take(&mut self.waiting);
        let after = queries
            .iter()
            .filter_map(Query::reads_after)
            .fold(self.position, u64::min);
        // The read sees whatever was heard of, as a hint follows its commit. What it
        // does not show is not there, and asking again would never end.
        self.heard = 0;
        let request = LoadRequest {
            after: Some(after),
            rows_max,
        };
        self.load = Some(Load {
            request,
            until,
            again_at: None,
            queries,
        });
        Some(request)
    }

    /// Sends what a read has shown: first the rows the client lacks, then the
    /// history replies, which therefore contain everything pushed so far.
    pub(super) fn loaded(
        &mut self,
        loaded: &Loaded,
        send: &mut impl FnMut(String),
    ) -> Result<(), Close> {
        let Some(load) = self.load.take() else {
            return Ok(());
        };
        if loaded.epoch != self.epoch {
            return Err(Close::InsufficientState);
        }
        if !loaded.in_order() {
            return Err(Close::Internal);
        }
        let Some(missing) = loaded.all_after(self.position) else {
            return Err(Close::InsufficientState);
        };
        for row in missing {
            self.push(row, send);
        }
        for query in &load.queries {
            send(json::encode(&Reply::History {
                id: query.id,
                publications: query.select(&loaded.rows),
                epoch: &self.epoch,
                top: loaded.top,
            }));
        }
        Ok(())
    }

    fn push(&mut self, publication: &Publication, send: &mut impl FnMut(String)) {
        self.position = publication.offset;
        send(json::encode(&Reply::Publication {
            channel: &self.channel,
            publication,
        }));
    }
}

/// Whether the position has to be compared with the store itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recheck {
    Needed,
    /// Only if an offset beyond the position was heard of.
    AsHeard,
}

impl Query {
    /// After which offset the rows of the answer begin; `None` when it has none.
    fn reads_after(&self) -> Option<u64> {
        match (self.limit, self.reverse, self.since) {
            (0, _, _) => None,
            (_, false, Some(since)) => Some(since),
            (_, true, _) | (_, false, None) => Some(0),
        }
    }

    /// The rows of the answer, in its direction, out of ascending rows.
    fn select<'a>(&self, rows: &'a [Publication]) -> Vec<&'a Publication> {
        if self.reverse {
            let below = self.since.unwrap_or(u64::MAX);
            rows.iter()
                .rev()
                .filter(|row| row.offset < below)
                .take(self.limit)
                .collect()
        } else {
            let after = self.since.unwrap_or(0);
            rows.iter()
                .filter(|row| row.offset > after)
                .take(self.limit)
                .collect()
        }
    }
}
