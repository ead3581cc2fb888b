//! What the log says of a connection that comes and goes.
//!
//! A Redis that is too slow is lost and found once a second. The log hears of the first loss
//! at once, and of a kind of loss every ten seconds at most; of a connection only where its
//! last word was a loss. So its last word is never wrong for longer than that.

use telemetry::Repeats;
use tokio::time::Instant;

/// A kind of loss.
type Loss = &'static str;

#[derive(Debug)]
pub(crate) struct Diary {
    /// Nothing was said yet, or that Redis answers, or how it was lost.
    last_word: Option<Result<(), Loss>>,
    losses: Repeats<Loss>,
}

impl Diary {
    pub(crate) fn new() -> Self {
        Self {
            last_word: None,
            losses: Repeats::default(),
        }
    }

    /// Whether to say that Redis answers.
    pub(crate) fn found(&mut self) -> bool {
        self.last_word.replace(Ok(())) != Some(Ok(()))
    }

    /// Whether to say that Redis is lost, and how often it was not said before.
    pub(crate) fn lost(&mut self, loss: Loss, now: Instant) -> Option<u64> {
        if self.last_word == Some(Err(loss)) {
            return None;
        }
        let held_back = self.losses.admit(&loss, now)?;
        self.last_word = Some(Err(loss));
        Some(held_back)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_redis_that_flaps_every_second_fills_two_lines_in_ten_seconds() {
        let (mut diary, start) = (Diary::new(), Instant::now());
        let (mut found, mut lost, mut held_back) = (0, 0, 0);
        for second in 0..60 {
            found += u64::from(diary.found());
            if let Some(count) = diary.lost("timed_out", start + second * SECOND) {
                lost += 1;
                held_back += count;
            }
        }
        // Nothing of the last nine seconds yet.
        assert_eq!((found, lost, held_back), (7, 6, 45));
    }

    #[test]
    fn an_outage_is_one_line_for_each_of_its_kinds_and_its_end_one_more() {
        let (mut diary, start) = (Diary::new(), Instant::now());
        assert!(diary.found());
        assert_eq!(diary.lost("call", start), Some(0));
        assert_eq!(diary.lost("other", start + SECOND), Some(0));
        for second in 2..600 {
            assert_eq!(diary.lost("other", start + second * SECOND), None);
        }
        assert!(diary.found());
        assert!(!diary.found());
    }

    #[test]
    fn a_loss_that_was_held_back_is_said_while_it_lasts() {
        let (mut diary, start) = (Diary::new(), Instant::now());
        assert_eq!(diary.lost("other", start), Some(0));
        assert!(diary.found());
        let mut said =
            (1..=10).filter(|second| diary.lost("other", start + *second * SECOND).is_some());
        assert_eq!(said.next(), Some(10));
    }
}
