//! What a `HorizontalPodAutoscaler` makes of a measure; KEDA hands its own to one as well.
//! The rules are those of `autoscaling/v2`: as many pods as bring the measure of one down to its
//! target, nothing for a tenth more or less, the highest of a window before one is taken away,
//! and so many percent in a period.

use super::chart::Behavior;

/// In percent of what is there: closer than this to the target nothing changes.
const TOLERANCE: u64 = 10;

/// How many copies there are, and what was decided before. Times are seconds of any clock that
/// only goes on.
#[derive(Debug)]
pub(super) struct Scaler {
    pub(super) replicas: u64,
    min: u64,
    max: u64,
    behavior: Behavior,
    /// What the measure alone asked for, and when.
    wanted: Vec<(u64, u64)>,
    /// How many were there before each change, how many after, and when.
    changes: Vec<(u64, u64, u64)>,
}

impl Scaler {
    pub(super) fn new(replicas: u64, (min, max): (u64, u64), behavior: Behavior) -> Self {
        Self {
            replicas,
            min,
            max,
            behavior,
            wanted: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Looks at the measure of all copies together, of which each is to have `target`. Gives
    /// how many there should be from now on.
    pub(super) fn step(&mut self, now: u64, measure: u64, target: u64) -> u64 {
        let fits = self.replicas * target;
        let is_close = measure.abs_diff(fits) * 100 <= fits * TOLERANCE;
        let wanted = if is_close {
            self.replicas
        } else {
            measure.div_ceil(target)
        };
        self.wanted.push((now, wanted));
        let next = if wanted > self.replicas {
            wanted.min(self.most(now)).min(self.max)
        } else {
            let since = now.saturating_sub(self.behavior.down_window);
            let recent = self.wanted.iter().filter(|(at, _)| *at >= since);
            let highest = recent.map(|(_, wanted)| *wanted).max().unwrap_or(wanted);
            let stays = highest.min(self.replicas);
            stays.max(self.least(now)).max(self.min)
        };
        if next != self.replicas {
            self.changes.push((now, self.replicas, next));
            self.replicas = next;
        }
        next
    }

    /// Of those at the beginning of the period, so many percent more.
    fn most(&self, now: u64) -> u64 {
        let (percent, period) = self.behavior.up;
        (self.at_begin_of(period, now) * (100 + percent)).div_ceil(100)
    }

    /// Of those at the beginning of the period, so many percent less.
    fn least(&self, now: u64) -> u64 {
        let (percent, period) = self.behavior.down;
        self.at_begin_of(period, now) * (100 - percent) / 100
    }

    fn at_begin_of(&self, period: u64, now: u64) -> u64 {
        let changes = self.changes.iter();
        let mut in_it = changes.filter(|(at, ..)| at + period > now);
        in_it.next().map_or(self.replicas, |(_, before, _)| *before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEHAVIOR: Behavior = Behavior {
        up: (100, 15),
        down: (10, 60),
        down_window: 300,
    };

    fn of(replicas: u64) -> Scaler {
        Scaler::new(replicas, (1, 12), BEHAVIOR)
    }

    #[test]
    fn as_many_are_wanted_as_bring_each_down_to_its_target() {
        assert_eq!(of(4).step(0, 100, 20), 5);
        assert_eq!(of(4).step(0, 101, 20), 6);
        assert_eq!(of(4).step(0, 9_999, 20), 8, "at most twice as many at once");
        assert_eq!(of(8).step(0, 9_999, 20), 12, "and never beyond the maximum");
    }

    #[test]
    fn a_tenth_beside_the_target_changes_nothing() {
        assert_eq!(of(10).step(0, 220, 20), 10);
        assert_eq!(of(10).step(0, 221, 20), 12);
        assert_eq!(of(1).step(0, 23, 20), 2);
    }

    #[test]
    fn within_a_period_they_only_double() {
        let mut scaler = of(1);
        assert_eq!(scaler.step(0, 400, 20), 2);
        assert_eq!(scaler.step(10, 400, 20), 2);
        assert_eq!(scaler.step(15, 400, 20), 4);
    }

    #[test]
    fn they_leave_after_the_window_a_tenth_at_a_time() {
        let mut scaler = of(10);
        assert_eq!(scaler.step(0, 200, 20), 10);
        assert_eq!(scaler.step(300, 0, 20), 10, "ten were wanted in the window");
        assert_eq!(scaler.step(301, 0, 20), 9);
        assert_eq!(scaler.step(331, 0, 20), 9);
        assert_eq!(scaler.step(361, 0, 20), 8);
        let last = (2..100).map(|minute| scaler.step(301 + minute * 60, 0, 20));
        assert_eq!(last.last(), Some(1));
    }
}
