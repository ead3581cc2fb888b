//! How fast a client may talk.

use std::time::Instant;

use super::Settings;

/// A token bucket, kept as the single instant at which it would be full again.
#[derive(Debug)]
pub(super) struct Budget {
    full_at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Pays for one command; `false` when the client has spent more than its burst.
    pub(super) fn spend(&mut self, settings: &Settings, now: Instant) -> bool {
        let cost = std::time::Duration::from_secs(1) / settings.commands_per_second.get();
        let full_at = self.full_at.max(now) + cost;
        let within = full_at - now <= cost * settings.commands_burst.get();
        if within {
            self.full_at = full_at;
        }
        within
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_allowed_and_then_the_rate() {
        let (settings, start) = (Settings::default(), Instant::now());
        let mut budget = Budget::new(start);
        assert!((0..20).all(|_| budget.spend(&settings, start)));
        assert!(!budget.spend(&settings, start));
        assert!(!budget.spend(&settings, start + Duration::from_millis(99)));
        assert!(budget.spend(&settings, start + Duration::from_millis(100)));
        assert!(!budget.spend(&settings, start + Duration::from_millis(100)));
    }

    #[test]
    fn a_long_rest_saves_up_no_more_than_the_burst() {
        let (settings, start) = (Settings::default(), Instant::now());
        let mut budget = Budget::new(start);
        let later = start + Duration::from_hours(1);
        assert_eq!(
            (0..100).filter(|_| budget.spend(&settings, later)).count(),
            20
        );
    }
}
