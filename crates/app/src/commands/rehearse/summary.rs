//! What a rehearsal came to, in numbers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use rehearsal::Run;
use rehearsal::journal::{Answer, Journal};
use serde_json::{Value, json};

use super::progress::{millis, name};

/// For people.
pub(super) fn text(journal: &Journal) -> String {
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = writeln!(
        text,
        "\n{} shoppers, {} requests, {} statuses seen by clients",
        journal.shoppers.len(),
        journal.posts.len(),
        journal.sights.len()
    );
    for (answer, times) in answers(journal) {
        let _ = writeln!(text, "  {:<10} {times}", name(answer));
    }
    let took = latencies(journal);
    if !took.is_empty() {
        let at = |percent| millis(quantile(&took, percent));
        let _ = writeln!(
            text,
            "acknowledged within {} (half), {} (99 of 100), {} (all), from when each was due",
            at(50),
            at(99),
            at(100)
        );
    }
    text
}

/// For programs.
pub(super) fn json(journal: &Journal, run: Run) -> Value {
    let took = latencies(journal);
    let at = |percent| quantile(&took, percent).as_secs_f64() * 1_000.0;
    let answers: BTreeMap<_, _> = answers(journal)
        .into_iter()
        .map(|(answer, times)| (name(answer), times))
        .collect();
    json!({
        "seed": journal.seed, "run": run.to_string(), "shoppers": journal.shoppers.len(),
        "requests": journal.posts.len(), "answers": answers, "sights": journal.sights.len(),
        "acknowledged_ms": {"p50": at(50), "p99": at(99), "max": at(100)}
    })
}

fn answers(journal: &Journal) -> BTreeMap<Answer, usize> {
    let mut answers = BTreeMap::new();
    for post in &journal.posts {
        *answers.entry(post.answer).or_default() += 1;
    }
    answers
}

/// Of what was acknowledged, ascending, from when it was due.
fn latencies(journal: &Journal) -> Vec<Duration> {
    let taken = journal.posts.iter().filter(|post| post.is_acknowledged());
    let mut took: Vec<_> = taken
        .map(|post| post.ended.saturating_sub(post.due))
        .collect();
    took.sort_unstable();
    took
}

fn quantile(ascending: &[Duration], percent: usize) -> Duration {
    let place = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
    ascending.get(place).copied().unwrap_or_default()
}
