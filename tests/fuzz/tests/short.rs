//! Every target over its seeds, and over a few thousand inputs made of them.
//!
//! The same inputs each time: a failure here is somebody's change and not chance. `make
//! fuzz` looks further.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use fuzz::{TARGETS, Target};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// What one input is made of another by.
#[derive(Clone, Debug)]
enum Change {
    Byte(Index, u8),
    Insert(Index, String),
    Cut(Index, usize),
    Double(Index, usize),
    /// From here on another seed goes on.
    Splice(Index, Index, Index),
}

fn change(tokens: Vec<String>) -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (at(), select(tokens)).prop_map(|(at, token)| Change::Insert(at, token)),
        (at(), 1..40_usize).prop_map(|(at, length)| Change::Cut(at, length)),
        (at(), 1..60_usize).prop_map(|(at, length)| Change::Double(at, length)),
        (at(), at(), at()).prop_map(|(at, seed, from)| Change::Splice(at, seed, from)),
    ]
}

fn changed(mut input: Vec<u8>, changes: &[Change], seeds: &[Vec<u8>]) -> Vec<u8> {
    for change in changes {
        let length = input.len();
        let place = |index: &Index| index.index(length + 1);
        match change {
            Change::Byte(at, byte) => {
                if let Some(old) = input.get_mut(place(at)) {
                    *old = *byte;
                }
            }
            Change::Insert(at, token) => {
                let at = place(at);
                input.splice(at..at, token.bytes());
            }
            Change::Cut(at, size) => {
                let at = place(at);
                input.drain(at..length.min(at + size));
            }
            Change::Double(at, size) => {
                let at = place(at);
                let part = input[at..length.min(at + size)].to_vec();
                input.splice(at..at, part);
            }
            Change::Splice(at, seed, from) => {
                let seed = seed.get(seeds);
                input.truncate(place(at));
                input.extend(&seed[from.index(seed.len() + 1)..]);
            }
        }
    }
    input
}

/// The words of the seeds: names, ids, keys, punctuation.
fn tokens(seeds: &[Vec<u8>]) -> Vec<String> {
    let mut tokens: Vec<String> = seeds
        .iter()
        .flat_map(|seed| seed.split(|byte| b" \n,:=[]".contains(byte)))
        .filter(|word| (1..=40).contains(&word.len()))
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect();
    tokens.sort();
    tokens.dedup();
    tokens
}

fn folders(target: Target) -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![here.join("seeds").join(target.name)];
    if target.name == "notice" {
        folders.push(here.join("../../crates/xsolla/fixtures"));
    }
    folders
}

fn seeds(target: Target) -> Vec<Vec<u8>> {
    let folders = folders(target).into_iter();
    let entries = folders.flat_map(|folder| fs::read_dir(folder).expect("a folder of seeds"));
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    paths.sort();
    let read = |path: &PathBuf| fs::read(path).expect("a seed");
    let seeds: Vec<_> = paths.iter().map(read).collect();
    assert!(!seeds.is_empty(), "{target:?} has nothing to begin with");
    seeds
}

/// Runs a target over its seeds and over `cases` inputs made of them.
fn run(name: &str, cases: u32) {
    let target = TARGETS.into_iter().find(|target| target.name == name);
    let target = target.expect("a target of this name");
    let seeds = seeds(target);
    for seed in &seeds {
        (target.check)(seed);
    }
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let same = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let changes = vec(change(tokens(&seeds)), 1..5);
    let outcome = TestRunner::new_with_rng(config, same).run(
        &(any::<Index>(), changes),
        |(seed, changes)| {
            let input = changed(seed.get(&seeds).clone(), &changes, &seeds);
            let outcome = catch_unwind(|| (target.check)(&input));
            prop_assert!(
                outcome.is_ok(),
                "this input breaks a promise of {name:?}:\n{}",
                String::from_utf8_lossy(&input)
            );
            Ok(())
        },
    );
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[test]
fn senders_and_networks_are_what_a_plain_reader_takes_them_for() {
    run("address", 4_000);
}

#[test]
fn any_configuration_is_sound_or_faulty_and_keeps_its_secrets() {
    run("configuration", 600);
}

#[test]
fn every_command_is_answered_once_whatever_stands_between() {
    run("frames", 4_000);
}

#[test]
fn a_notice_is_what_a_plain_reader_takes_it_for() {
    run("notice", 4_000);
}

#[test]
fn a_signature_proves_its_own_body_and_nothing_else() {
    run("signature", 4_000);
}
