//! The report as one JSON object.

use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::sale::journal::Journal;
use crate::sale::verdict::{Check, Verdict, Violation};

use super::{Answers, Quantiles, Summary, sentence};

pub(super) fn write(summary: &Summary, journal: &Journal, verdict: &Verdict) -> Value {
    let answers: Map<String, Value> = summary
        .answers
        .iter()
        .map(|(name, answers)| (name.clone(), answers.json()))
        .collect();
    let faults = journal.faults.iter().map(
        |fault| json!({"what": fault.what, "from_ms": ms(fault.from), "to_ms": fault.to.map(ms)}),
    );
    json!({
        "verdict": if verdict.is_clean() { "clean" } else { "broken" },
        "sentence": sentence(summary, verdict),
        "seed": summary.seed,
        "lasted_ms": ms(summary.lasted),
        "played": {
            "orders": summary.orders,
            "players": summary.players,
            "registered": summary.registered,
            "sandbox": summary.sandbox,
            "sockets": summary.sockets,
            "polling": summary.polling,
            "requests": summary.requests,
            "repeats": summary.repeats,
        },
        "answers": answers,
        "acknowledged": summary.acknowledged.json(),
        "questions": summary.questions.json(),
        "pushed_done": summary.pushed_done.json(),
        "polled_done": summary.polled_done.json(),
        "ended": {
            "granted": summary.granted,
            "revoked": summary.revoked,
            "no_op": summary.no_op,
            "parked": summary.parked,
            "given_up": verdict.given_up,
            "conflicts": summary.conflicts,
        },
        "drain": {"took_ms": ms(summary.drain), "waiting_orders": summary.undrained},
        "faults": faults.collect::<Vec<_>>(),
        "checks": verdict.checks.iter().map(Check::json).collect::<Vec<_>>(),
        "violations": verdict.violations.iter().map(Violation::json).collect::<Vec<_>>(),
    })
}

/// In milliseconds, to the microsecond.
fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

impl Answers {
    fn json(&self) -> Value {
        let codes = self.codes.iter();
        let codes: Map<String, Value> = codes
            .map(|(code, count)| (code.to_string(), json!(count)))
            .collect();
        json!({"codes": codes, "no_connection": self.unsent, "no_answer": self.unknown})
    }
}

impl Quantiles {
    fn json(&self) -> Value {
        json!({
            "count": self.count,
            "p50_ms": ms(self.p50),
            "p90_ms": ms(self.p90),
            "p99_ms": ms(self.p99),
            "max_ms": ms(self.max),
        })
    }
}

impl Check {
    fn json(&self) -> Value {
        json!({
            "invariant": self.invariant.name(),
            "sentence": self.invariant.sentence(),
            "examined": self.examined,
            "broken": self.broken,
        })
    }
}

impl Violation {
    fn json(&self) -> Value {
        let history = self.history.iter();
        let history = history.map(|moment| json!({"at_ms": ms(moment.at), "what": moment.what}));
        json!({
            "invariant": self.invariant.name(),
            "order": self.order,
            "player": self.player,
            "what": self.what,
            "history": history.collect::<Vec<_>>(),
            "instance": self.instance,
        })
    }
}
