//! Lines that would say the same again and again.
//!
//! In an outage every request fails alike, and a line for each one buries the line that
//! matters. The first line of a kind is written at once; the rest are counted, and every ten
//! seconds the count is written.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a kind of line is held back after it was written, and how often what was held
/// back is to be summed up.
pub const QUIET: Duration = Duration::from_secs(10);

/// What was written lately, by kind. Every kind is kept until [`Repeats::sum_up`] finds it
/// quiet, so there have to be few of them: `K` holds no text that others choose.
#[derive(Debug)]
pub struct Repeats<K> {
    kinds: Mutex<HashMap<K, Written>>,
}

#[derive(Debug)]
struct Written {
    at: Instant,
    held_back: u64,
}

impl<K> Default for Repeats<K> {
    fn default() -> Self {
        Self {
            kinds: Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash> Repeats<K> {
    /// Whether a line of this kind is to be written now, and if so how many were held back
    /// before it. `None` holds it back and counts it.
    pub fn admit(&self, kind: &K, now: Instant) -> Option<u64> {
        let mut kinds = self.kinds();
        let Some(written) = kinds.get_mut(kind) else {
            let first = Written {
                at: now,
                held_back: 0,
            };
            kinds.insert(kind.clone(), first);
            return Some(0);
        };
        if now.duration_since(written.at) < QUIET {
            written.held_back += 1;
            return None;
        }
        written.at = now;
        Some(std::mem::take(&mut written.held_back))
    }

    /// How many lines of which kinds were held back since the last one was written, or summed
    /// up. To be written, and asked for every [`QUIET`] and at the end.
    pub fn sum_up(&self, now: Instant) -> Vec<(K, u64)> {
        let mut sums = Vec::new();
        self.kinds().retain(|kind, written| {
            let held_back = std::mem::take(&mut written.held_back);
            if held_back > 0 {
                sums.push((kind.clone(), held_back));
                written.at = now;
            }
            now.duration_since(written.at) < QUIET
        });
        sums
    }

    fn kinds(&self) -> MutexGuard<'_, HashMap<K, Written>> {
        // Nothing is left half done under the lock.
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_first_of_each_kind_is_written_and_the_rest_are_counted() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        assert_eq!(repeats.admit(&"queue", start), Some(0));
        for _ in 0..99 {
            assert_eq!(repeats.admit(&"queue", start + SECOND), None);
        }
        assert_eq!(repeats.admit(&"player", start + SECOND), Some(0));
        assert_eq!(repeats.sum_up(start + 9 * SECOND), [("queue", 99)]);
        assert_eq!(repeats.sum_up(start + 9 * SECOND), []);
    }

    #[test]
    fn an_outage_without_end_writes_one_line_in_ten_seconds() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let mut lines = 0;
        for number in 0..10_000_u32 {
            let now = start + number * SECOND / 100;
            lines += usize::from(repeats.admit(&(), now).is_some());
            if number % 1_000 == 999 {
                lines += repeats.sum_up(now).len();
            }
        }
        assert!((10..=12).contains(&lines), "{lines} lines");
    }

    #[test]
    fn whoever_never_sums_up_hears_the_count_with_the_next_line() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        let admitted = |after| repeats.admit(&(), start + after);
        assert_eq!(admitted(Duration::ZERO), Some(0));
        assert_eq!(admitted(SECOND), None);
        assert_eq!(admitted(QUIET), Some(1));
        assert_eq!(admitted(QUIET + SECOND), None);
        assert_eq!(admitted(QUIET * 3), Some(1));
    }

    #[test]
    fn what_was_quiet_is_new_again() {
        let (repeats, start) = (Repeats::default(), Instant::now());
        repeats.admit(&(), start);
        assert_eq!(repeats.sum_up(start + QUIET), []);
        assert!(repeats.kinds().is_empty());
        assert_eq!(repeats.admit(&(), start + QUIET), Some(0));
    }
}
