//! How many requests a second are looked at.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket that holds one second's worth, kept as the instant at which it would be
/// full again.
#[derive(Debug)]
pub(crate) struct Rate {
    cost: Duration,
    full_at: Mutex<Instant>,
}

/// The worth of a full bucket.
const BURST: Duration = Duration::from_secs(1);

impl Rate {
    pub(crate) fn new(per_second: NonZeroU32) -> Self {
        Self {
            cost: Duration::from_secs(1) / per_second.get(),
            full_at: Mutex::new(Instant::now()),
        }
    }

    /// Pays for one request; `false` when more have come than there is room for.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        // Nothing is left half done under the lock.
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let after = (*full_at).max(now) + self.cost;
        let within = after - now <= BURST;
        if within {
            *full_at = after;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_seconds_worth_comes_at_once_and_then_the_rate() {
        let rate = Rate::new(10.try_into().unwrap());
        let admitted = || (0..100).filter(|_| rate.admits(Instant::now())).count();
        assert_eq!(admitted(), 10);
        tokio::time::advance(Duration::from_millis(99)).await;
        assert_eq!(admitted(), 0);
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(admitted(), 1);
        tokio::time::advance(Duration::from_hours(1)).await;
        assert_eq!(admitted(), 10);
    }
}
