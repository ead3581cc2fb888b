use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn flat(orders_per_second: f64, seconds: u32) -> Rate {
    Rate {
        orders_per_second,
        duration: SECOND * seconds,
        ramp: Duration::ZERO,
        spikes: Vec::new(),
    }
}

fn between(rate: &Rate, from: u32, to: u32) -> usize {
    let within = SECOND * from..SECOND * to;
    let arrivals = rate.arrivals(1);
    arrivals.filter(|at| within.contains(at)).count()
}

#[test]
fn a_steady_rate_is_kept_in_every_part() {
    let rate = flat(1_000.0, 20);
    for second in 0..20 {
        let came = between(&rate, second, second + 1);
        // Five standard deviations around a thousand.
        assert!((842..1_158).contains(&came), "{came} in second {second}");
    }
}

#[test]
fn a_ramp_rises_from_nothing_to_its_height() {
    let mut rate = flat(1_000.0, 20);
    rate.ramp = SECOND * 10;
    assert!((rate.expected() - 15_000.0).abs() < 1e-6);
    for (from, expected) in [(0, 50), (4, 450), (9, 950), (10, 1_000), (19, 1_000)] {
        let came = between(&rate, from, from + 1);
        assert!(
            came.abs_diff(expected) < 160,
            "{came} in second {from}, expected {expected}"
        );
    }
}

#[test]
fn a_spike_multiplies_the_rate_while_it_lasts() {
    let mut rate = flat(100.0, 60);
    rate.spikes = vec!["10x@30s".parse().unwrap(), "0x@40s+10s".parse().unwrap()];
    assert!((rate.expected() - (45.0 * 100.0 + 5.0 * 1_000.0)).abs() < 1e-6);
    assert!(between(&rate, 29, 30).abs_diff(100) < 50);
    assert!(between(&rate, 30, 35).abs_diff(5_000) < 350);
    assert_eq!(between(&rate, 40, 50), 0);
    assert!(between(&rate, 50, 60).abs_diff(1_000) < 160);
}

#[test]
fn a_spike_is_read_with_or_without_its_length() {
    let spike = |text: &str| text.parse::<Spike>();
    let read = spike("10x@30s").unwrap();
    assert_eq!((read.at, read.lasts), (SECOND * 30, SPIKE));
    let read = spike("2.5x@1m+500ms").unwrap();
    assert_eq!((read.at, read.lasts), (SECOND * 60, SECOND / 2));
    for wrong in [
        "10@30s",
        "x@30s",
        "-1x@3s",
        "10x@30",
        "10x@",
        "10x@3s+0s",
        "NaNx@1s",
        "2x@1d",
    ] {
        assert_eq!(spike(wrong), Err(SpikeError), "{wrong}");
    }
}

proptest! {
    #[test]
    fn arrivals_ascend_within_the_time_and_as_many_as_expected(
        seed: u64,
        height in 1.0..400.0_f64,
        seconds in 1..30_u32,
        ramp in 0..40_u32,
        spikes in proptest::collection::vec((0.0..12.0_f64, 0..40_u64, 1..15_u64), 0..4),
    ) {
        let mut rate = flat(height, seconds);
        rate.ramp = SECOND * ramp;
        rate.spikes = spikes.into_iter().map(|(factor, at, lasts)| Spike {
            factor,
            at: Duration::from_secs(at),
            lasts: Duration::from_secs(lasts),
        }).collect();
        let arrivals: Vec<_> = rate.arrivals(seed).collect();
        prop_assert!(arrivals.is_sorted());
        // The end itself is within the rounding of seconds to nanoseconds.
        prop_assert!(arrivals.last().is_none_or(|last| *last <= rate.duration));
        let expected = rate.expected();
        let came = f64::from(u32::try_from(arrivals.len()).unwrap());
        prop_assert!((came - expected).abs() <= 8.0 * expected.sqrt() + 12.0, "{came} of {expected}");
        let again: Vec<_> = rate.arrivals(seed).collect();
        prop_assert_eq!(arrivals, again);
    }
}
