//! From values to places in a plot, and where an axis has its marks.

use std::time::Duration;

/// Every plot is so wide and so high, in units of its own.
pub(super) const SIZE: f64 = 1_000.0;

/// An axis that begins at 0.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linear {
    top: f64,
    step: f64,
}

/// An axis of times whose marks are ten times apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decades {
    /// Powers of ten of a second.
    from: i32,
    to: i32,
}

impl Linear {
    /// Up to this value, in about so many steps of 1, 2 or 5.
    pub(super) fn up_to(value: f64, marks: f64) -> Self {
        let rough = value.max(1e-9) / marks;
        let power = 10_f64.powf(rough.log10().floor());
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * power);
        let step = steps.into_iter().find(|step| *step >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        Self {
            top: (value / step).ceil().max(1.0) * step,
            step,
        }
    }

    /// An axis of counts: no marks between whole numbers.
    pub(super) fn counts(value: f64) -> Self {
        let axis = Self::up_to(value.max(1.0), 4.0);
        if axis.step >= 1.0 {
            return axis;
        }
        Self {
            top: value.max(1.0).ceil(),
            step: 1.0,
        }
    }

    /// Times from 0 to the end of the rehearsal; it ends where that does.
    pub(super) fn time(end: Duration) -> Self {
        let end = end.as_secs_f64().max(0.001);
        let steps = [
            0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0,
            1_800.0, 3_600.0, 7_200.0, 14_400.0, 43_200.0, 86_400.0,
        ];
        let step = steps.into_iter().find(|step| end / step <= 8.0);
        Self {
            top: end,
            step: step.unwrap_or(end / 8.0),
        }
    }

    pub(super) fn at(self, value: f64) -> f64 {
        (value / self.top).clamp(0.0, 1.0) * SIZE
    }

    pub(super) fn marks(self) -> Vec<f64> {
        let mut marks = Vec::new();
        let mut mark = 0.0;
        while mark <= self.top * 1.000_001 {
            marks.push(mark);
            mark += self.step;
        }
        marks
    }
}

impl Decades {
    /// Whole powers of ten around these times, between a microsecond and some hours.
    pub(super) fn around(times: impl Iterator<Item = Duration>) -> Self {
        let mut powers = (i32::MAX, i32::MIN);
        for time in times {
            let power = power_of(time);
            powers = (powers.0.min(power), powers.1.max(power));
        }
        if powers.0 > powers.1 {
            return Self { from: -3, to: 0 };
        }
        Self {
            from: powers.0,
            to: powers.1 + 1,
        }
    }

    pub(super) fn at(self, time: Duration) -> f64 {
        let power = time.as_secs_f64().max(1e-9).log10();
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        ((power - from) / (to - from)).clamp(0.0, 1.0) * SIZE
    }

    /// Each mark with what is written at it.
    pub(super) fn marks(self) -> Vec<(f64, String)> {
        let (from, to) = (f64::from(self.from), f64::from(self.to));
        let mark = |power: i32| {
            let at = (f64::from(power) - from) / (to - from) * SIZE;
            (at, power_words(power))
        };
        (self.from..=self.to).map(mark).collect()
    }

    pub(super) fn contains(self, time: Duration) -> bool {
        (self.from..self.to).contains(&power_of(time))
    }

    /// Powers of ten from end to end.
    pub(super) fn span(self) -> u32 {
        self.to.abs_diff(self.from)
    }

    /// The places of the bins when each power of ten has so many, and the times between
    /// which each of them lies.
    pub(super) fn bins(self, in_each: u32) -> Vec<(Duration, Duration)> {
        let edge = |place: u32| {
            let power = f64::from(self.from) + f64::from(place) / f64::from(in_each);
            Duration::from_secs_f64(10_f64.powf(power))
        };
        let bins = self.span() * in_each;
        (0..bins)
            .map(|place| (edge(place), edge(place + 1)))
            .collect()
    }
}

/// The power of ten of a second at or below the time.
fn power_of(time: Duration) -> i32 {
    let mut power = -6;
    let mut next = Duration::from_micros(10);
    while next <= time && power < 5 {
        power += 1;
        next *= 10;
    }
    power
}

fn power_words(power: i32) -> String {
    match power {
        ..=-4 => format!("{} µs", 10_i64.pow(power.saturating_add(6).unsigned_abs())),
        -3..=-1 => format!("{} ms", 10_i64.pow((power + 3).unsigned_abs())),
        0.. => format!("{} s", 10_i64.pow(power.unsigned_abs())),
    }
}

/// A moment of the rehearsal: `40 s`, `2:30 min`.
pub(super) fn moment_words(seconds: f64) -> String {
    if seconds < 119.5 {
        let digits = usize::from(seconds.fract().abs() > 0.001);
        return format!("{seconds:.digits$} s");
    }
    let whole = Duration::from_secs_f64(seconds.round()).as_secs();
    let (hours, minutes, rest) = (whole / 3_600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        return format!("{hours}:{minutes:02} h");
    }
    format!("{minutes}:{rest:02} min")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_round_numbers() {
        let marks = |value| Linear::up_to(value, 4.0).marks();
        assert_eq!(marks(87.0), [0.0, 50.0, 100.0]);
        assert_eq!(marks(100.0), [0.0, 50.0, 100.0]);
        assert_eq!(marks(3.9), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(Linear::counts(0.0).marks(), [0.0, 1.0]);
        assert_eq!(Linear::counts(3.0).marks(), [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn a_time_axis_ends_with_the_rehearsal() {
        let axis = Linear::time(Duration::from_secs(62));
        assert_eq!(axis.marks(), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert!((axis.at(62.0) - SIZE).abs() < 1e-6);
        assert_eq!(Linear::time(Duration::ZERO).marks().first(), Some(&0.0));
    }

    #[test]
    fn decades_go_around_what_was_measured() {
        let ms = Duration::from_millis;
        let axis = Decades::around([ms(2), ms(1_500)].into_iter());
        let words: Vec<String> = axis.marks().into_iter().map(|(_, words)| words).collect();
        assert_eq!(words, ["1 ms", "10 ms", "100 ms", "1 s", "10 s"]);
        assert!((axis.at(ms(10)) - SIZE / 4.0).abs() < 1e-6);
        assert!(axis.contains(ms(1)) && !axis.contains(ms(10_000)));
        assert_eq!(axis.bins(5).len(), 20);
        let exact = Decades::around([ms(10), ms(10)].into_iter());
        assert_eq!(exact.marks()[0].1, "10 ms");
        let short = Decades::around([Duration::from_nanos(3)].into_iter());
        assert_eq!(short.marks()[0].1, "1 µs");
        assert_eq!(Decades::around(std::iter::empty()).marks().len(), 4);
    }

    #[test]
    fn moments_are_said_in_fitting_units() {
        for (seconds, words) in [
            (0.0, "0 s"),
            (0.5, "0.5 s"),
            (90.0, "90 s"),
            (150.0, "2:30 min"),
            (5_400.0, "1:30 h"),
        ] {
            assert_eq!(moment_words(seconds), words);
        }
    }
}
