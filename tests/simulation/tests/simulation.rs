//! Ten thousand runs, and drivers that have to be found out.

use std::env;

use simulation::{Broken, Mutant, events, play};

const RUNS: u64 = 10_000;
/// Within so many runs each mutant breaks a promise.
const RUNS_OF_A_MUTANT: u64 = 2_000;

/// The seeds to play: all of `make test`, or the one that is asked for.
fn seeds() -> std::ops::Range<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test is asked to play one seed by the environment"
    )]
    let asked = env::var("GRANTLINE_SIMULATION_SEED");
    match asked.ok() {
        Some(seed) => {
            let seed = seed.parse().expect("GRANTLINE_SIMULATION_SEED is a number");
            seed..seed + 1
        }
        None => 0..RUNS,
    }
}

fn story(broken: &Broken) -> String {
    let Broken { seed, what, events } = broken;
    format!(
        "seed {seed}: {what}\n{}\nGRANTLINE_SIMULATION_SEED={seed} plays it again",
        events.join("\n")
    )
}

#[test]
fn ten_thousand_runs_break_no_promise() {
    if let Some(broken) = seeds().find_map(|seed| play(seed, None).err()) {
        panic!("{}", story(&broken));
    }
}

#[test]
fn each_mutant_is_found_by_the_promise_it_breaks() {
    for mutant in Mutant::ALL {
        let broken = (0..RUNS_OF_A_MUTANT).find_map(|seed| play(seed, Some(mutant)).err());
        let broken = broken.unwrap_or_else(|| panic!("{mutant:?} is not found"));
        assert!(
            broken.what.starts_with(mutant.breaks()),
            "{mutant:?} breaks {}, and is found otherwise: {}",
            mutant.breaks(),
            story(&broken)
        );
    }
}

/// Promises are worth nothing where nothing happens.
#[test]
fn the_runs_come_by_every_fault_and_every_way_out() {
    const PLACES: [&str; 22] = [
        "dies",
        "is asked to stop",
        "loses its connection",
        ": claim",
        "are done",
        ": hint",
        ": mark",
        ": release",
        ": retry",
        ": park",
        ": rest",
        "  away",
        "  rejected",
        "  unknown",
        "repeat: true",
        "DeliveryLimit, true",
        "Rejected, false",
        "is restored",
        "Close(InsufficientState)",
        "\\\"recovered\\\":true",
        "\\\"history\\\"",
        "\\\"push\\\"",
    ];
    let mut missing = PLACES.to_vec();
    for seed in 0..RUNS_OF_A_MUTANT {
        let events = events(seed, None);
        missing.retain(|place| !events.iter().any(|event| event.contains(place)));
        if missing.is_empty() {
            return;
        }
    }
    panic!("no run comes by {missing:?}");
}

#[test]
fn a_seed_always_plays_the_same_run() {
    let broken = |seed| play(seed, Some(Mutant::AcknowledgeBeforeCommit)).err();
    let seed = (0..RUNS_OF_A_MUTANT).find(|seed| broken(*seed).is_some());
    let seed = seed.expect("a seed that is found");
    assert_eq!(broken(seed), broken(seed));
}
