//! Claim, book, hint, mark, acknowledge: every state that two workers can reach.
//!
//! A model of the protocol, small enough to be looked at to its last state. Its steps are
//! the effects of `worker::batch`, under their names; what a status is comes from `order`.
//! The simulator runs the machines themselves, but only as far as its seeds lead.
//!
//! Each mutant leaves out one rule, and has to break exactly the promises that rest on it:
//! a property that no mutant breaks would prove nothing.

mod line;
mod mutants;

use std::time::Instant;

use line::{Line, PROMISES, REACHED};
use mutants::Mutant;
use stateright::{Checker as _, Model as _};

/// What an exhaustive search of a model has found.
struct Found {
    broken: Vec<&'static str>,
    reached: Vec<&'static str>,
    example: String,
}

fn explore(mutant: Option<Mutant>) -> Found {
    let began = Instant::now();
    let line = Line { mutant }.checker().threads(2);
    let checker = line.spawn_bfs().join();
    let found = checker.discoveries();
    let among = |names: &[&'static str]| {
        let found = |name: &&&'static str| found.contains_key(**name);
        names.iter().filter(found).copied().collect::<Vec<_>>()
    };
    let broken = among(&PROMISES);
    let example = broken.first().and_then(|name| found.get(name));
    let example = example.map(|path| format!("{:#?}", path.clone().into_actions()));
    let (states, seconds) = (checker.unique_state_count(), began.elapsed().as_secs_f32());
    tell(&format!(
        "{mutant:?}: {states} states in {seconds:.1} s, broken: {broken:?}"
    ));
    Found {
        reached: among(&REACHED),
        broken,
        example: example.unwrap_or_default(),
    }
}

#[expect(
    clippy::print_stdout,
    reason = "how far the search went is part of its result"
)]
fn tell(what: &str) {
    println!("{what}");
}

#[test]
fn no_crash_repeat_or_lost_answer_breaks_a_promise_and_the_end_can_be_reached() {
    let Found {
        broken,
        reached,
        example,
    } = explore(None);
    assert!(broken.is_empty(), "{broken:?} after {example}");
    assert_eq!(reached, REACHED);
}

#[test]
fn each_mutant_breaks_the_promises_that_rest_on_its_rule() {
    for mutant in Mutant::ALL {
        let found = explore(Some(mutant));
        assert_eq!(
            found.broken,
            mutant.breaks(),
            "{mutant:?}: {}",
            found.example
        );
    }
}
