//! How many messages of each queue this process holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use task::Lane;

use crate::names;

/// One count for each queue that can be consumed.
#[derive(Debug)]
pub(super) struct Holding(BTreeMap<&'static str, Arc<AtomicU64>>);

impl Default for Holding {
    fn default() -> Self {
        let waiting = [names::PARKED, names::UNROUTED];
        let queues = Lane::ALL.map(names::work).into_iter().chain(waiting);
        Self(queues.map(|queue| (queue, Arc::default())).collect())
    }
}

impl Holding {
    /// The count of a queue, for its consumers to keep.
    pub(super) fn of(&self, queue: &str) -> Arc<AtomicU64> {
        self.0.get(queue).map(Arc::clone).unwrap_or_default()
    }

    pub(super) fn counts(&self) -> Vec<(&'static str, u64)> {
        let count = |(queue, held): (&&'static str, &Arc<AtomicU64>)| {
            (*queue, held.load(Ordering::Relaxed))
        };
        self.0.iter().map(count).collect()
    }
}
