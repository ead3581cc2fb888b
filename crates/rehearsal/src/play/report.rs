//! What became of a step.

use std::time::Duration;

use serde_json::{Value, json};

/// One step that was done.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The step's name for programs, such as `send`.
    pub step: &'static str,
    /// Who does what, for people.
    pub what: String,
    /// What came of it, in a few words; empty where it did not end as expected.
    pub result: String,
    /// How long it took. Of a status: since that was sent of which it tells.
    pub took: Duration,
    /// The HTTP status codes of the answers to a notice, one for each copy.
    pub answers: Vec<u16>,
    /// Whether it ended as expected.
    pub verdict: Verdict,
}

/// Whether a step ended as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did.
    Met,
    /// It did not.
    Unmet(Mismatch),
}

/// What was expected, what came, and where to look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// What should have come.
    pub expected: String,
    /// What came.
    pub came: String,
    /// What a person can look at or do.
    pub look_at: String,
}

impl Report {
    /// Whether the step ended as expected.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.verdict == Verdict::Met
    }

    /// The report as one JSON object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut line = json!({
            "step": self.step,
            "what": self.what,
            "took_ms": (self.took.as_secs_f64() * 1e6).round() / 1e3,
        });
        if !self.answers.is_empty() {
            line["answers"] = json!(self.answers);
        }
        match &self.verdict {
            Verdict::Met => {
                line["verdict"] = "met".into();
                line["result"] = json!(self.result);
            }
            Verdict::Unmet(mismatch) => {
                line["verdict"] = "unmet".into();
                line["expected"] = json!(mismatch.expected);
                line["came"] = json!(mismatch.came);
                line["look_at"] = json!(mismatch.look_at);
            }
        }
        line
    }
}
