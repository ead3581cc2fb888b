//! What a person reads: the kills as they happen, and a table in the end.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Duration;

use crate::nemesis::Damage;
use crate::sender::History;
use crate::verdict::Verdict;

/// Past the test harness, which keeps what passing tests print.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stdout(), "chaos: {line}");
}

/// The table.
pub(crate) fn table(damage: &Damage, history: &History, verdict: &Verdict) -> String {
    let mut table = String::from("\n");
    let mut row = |what: &str, value: String| {
        let _ = writeln!(table, "  {what:<44}{value}");
    };
    row("killed", "times   away s   nothing taken s".to_owned());
    for (victim, kills) in damage.by_victim() {
        let away: Duration = kills.iter().map(|kill| kill.back - kill.at).sum();
        let unavailable: Duration = kills
            .iter()
            .map(|kill| history.unavailable(kill.at, kill.until))
            .sum();
        let (away, unavailable) = (away.as_secs_f64(), unavailable.as_secs_f64());
        row(
            &format!("  {}", victim.name()),
            format!("{:>5}{away:>9.1}{unavailable:>18.1}", kills.len()),
        );
    }
    row("kills", damage.kills.len().to_string());
    row("Redis emptied", damage.flushes.to_string());
    row("notices", history.accepted.len().to_string());
    row(
        "copies of them sent until taken",
        history.copies.to_string(),
    );
    row("requests", history.requests.to_string());
    row("  answered 2xx", history.accepted_copies.to_string());
    row(
        "  repeats after a 503 or no answer",
        (history.requests - history.copies).to_string(),
    );
    row(
        "  answers by status (0: none)",
        format!("{:?}", history.answers),
    );
    let total: Duration = history.gaps.iter().map(|(begin, end)| *end - *begin).sum();
    row(
        "seconds in which nothing was taken",
        format!("{:.1}", total.as_secs_f64()),
    );
    row(
        "grants, revocations, status rows",
        format!(
            "{}, {}, {}",
            verdict.granted, verdict.revoked, verdict.stream_rows
        ),
    );
    row(
        "lost, of the notices answered 2xx",
        format!("{} of {}", verdict.lost.len(), history.accepted.len()),
    );
    row(
        "orders, balances below what is owed",
        verdict.short.len().to_string(),
    );
    row(
        "doubled: above what is owed",
        verdict.doubled.len().to_string(),
    );
    row("anything else wrong", verdict.other.len().to_string());
    table
}
