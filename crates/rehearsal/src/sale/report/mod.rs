//! What a person reads when a rehearsal is over: a table, a JSON object, a page.
//!
//! All three say the same numbers, those of a [`Summary`].

mod html;
mod json;
mod summary;
mod table;
#[cfg(test)]
mod tests;

pub use summary::{Answers, Quantiles, Summary};

use super::findings::Findings;
use super::journal::Journal;
use super::verdict::Verdict;

/// A rehearsal that was judged.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    journal: &'a Journal,
    findings: &'a Findings,
    verdict: &'a Verdict,
}

impl<'a> Report<'a> {
    /// What there is to tell. The verdict must be that of this journal and these findings.
    #[must_use]
    pub const fn new(journal: &'a Journal, findings: &'a Findings, verdict: &'a Verdict) -> Self {
        Self {
            journal,
            findings,
            verdict,
        }
    }

    /// The numbers.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(self.journal, self.findings)
    }

    /// For a terminal: the verdict, the numbers, every invariant, and the first violations
    /// with their histories. Ends with a line feed.
    #[must_use]
    pub fn table(&self) -> String {
        table::write(&self.summary(), self.verdict)
    }

    /// One object. Its members stay; new ones may be added. Times are in milliseconds,
    /// moments counted from the beginning of the rehearsal.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        json::write(&self.summary(), self.journal, self.verdict)
    }

    /// A page in one file: no script, nothing loaded from anywhere.
    #[must_use]
    pub fn html(&self) -> String {
        html::write(&self.summary(), self.journal, self.verdict)
    }
}

/// The verdict in one sentence.
fn sentence(summary: &Summary, verdict: &Verdict) -> String {
    let orders = counted(summary.orders, "order");
    if verdict.is_clean() {
        return format!("{orders}: nothing lost, nothing doubled, nothing told wrong.");
    }
    let broken = verdict.checks.iter().filter(|check| check.broken > 0);
    let broken: Vec<String> = broken
        .map(|check| format!("{} ({})", check.invariant.name(), thousands(check.broken)))
        .collect();
    format!(
        "{} of {} promises broken in {orders}: {}.",
        broken.len(),
        verdict.checks.len(),
        broken.join(", ")
    )
}

/// `1,234 orders`.
fn counted(count: usize, of_what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {of_what}{plural}", thousands(count))
}

/// Digits in groups of three.
fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut written = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            written.push(',');
        }
        written.push(digit);
    }
    written
}

/// A time as a person says it: `0.84 ms`, `12 ms`, `1.2 s`, `2 min 5 s`.
fn spoken(time: std::time::Duration) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        ..0.000_95 => format!("{:.0} µs", seconds * 1e6),
        ..0.009_95 => format!("{:.1} ms", seconds * 1e3),
        ..0.999_5 => format!("{:.0} ms", seconds * 1e3),
        ..9.95 => format!("{seconds:.1} s"),
        ..119.5 => format!("{seconds:.0} s"),
        _ => format!("{} min {} s", time.as_secs() / 60, time.as_secs() % 60),
    }
}
