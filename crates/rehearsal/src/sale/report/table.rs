//! The report for a terminal.

use std::fmt::Write as _;

use crate::sale::verdict::{Verdict, Violation};

use super::{Quantiles, Summary, counted, sentence, spoken, thousands};

/// Violations that are shown with their histories.
const MAX_SHOWN: usize = 10;
/// The columns of names and of numbers.
const NAME: usize = 34;
const NUMBER: usize = 10;

pub(super) fn write(summary: &Summary, verdict: &Verdict) -> String {
    let mut table = Table(String::new());
    let word = if verdict.is_clean() {
        "CLEAN"
    } else {
        "BROKEN"
    };
    table.line(format_args!("\n{word}  {}\n", sentence(summary, verdict)));
    table.played(summary);
    table.answers(summary);
    table.times(summary);
    table.ended(summary, verdict);
    table.checks(verdict);
    table.violations(verdict);
    table.0
}

struct Table(String);

impl Table {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a text cannot fail.
        let _ = writeln!(self.0, "{text}");
    }

    fn row(&mut self, name: &str, count: usize, more: &str) {
        let count = thousands(count);
        let more = if more.is_empty() {
            String::new()
        } else {
            format!("   {more}")
        };
        self.line(format_args!("  {name:<NAME$}{count:>NUMBER$}{more}"));
    }

    fn played(&mut self, summary: &Summary) {
        let rate = per_second(summary.orders, summary);
        self.line(format_args!("Played (seed {})", summary.seed));
        let lasted = spoken(summary.lasted);
        self.row(
            "orders",
            summary.orders,
            &format!("in {lasted}, {rate} a second"),
        );
        self.row("  registered before", summary.registered, "");
        self.row("  test purchases", summary.sandbox, "");
        self.row("  followed over a WebSocket", summary.sockets, "");
        self.row("  followed by polling", summary.polling, "");
        self.row("players", summary.players, "");
        let rate = per_second(summary.requests, summary);
        self.row("requests", summary.requests, &format!("{rate} a second"));
        self.row("  that repeated a notice", summary.repeats, "");
        self.row("faults on purpose", summary.faults, "");
    }

    fn answers(&mut self, summary: &Summary) {
        let heads = ["2xx", "4xx", "5xx", "other", "no answer"];
        let mut line = format!("\n{:<width$}", "Answers", width = NAME + 2);
        for head in heads {
            let _ = write!(line, "{head:>NUMBER$}");
        }
        self.line(format_args!("{line}"));
        for (name, answers) in &summary.answers {
            let known = [2, 4, 5].map(|hundred| answers.hundred(hundred));
            let all: usize = answers.codes.values().sum();
            let other = all - known.iter().sum::<usize>();
            let counts = known
                .into_iter()
                .chain([other, answers.unsent + answers.unknown]);
            let mut line = format!("  {name:<NAME$}");
            for count in counts {
                let count = if count == 0 {
                    "·".to_owned()
                } else {
                    thousands(count)
                };
                let _ = write!(line, "{count:>NUMBER$}");
            }
            self.line(format_args!("{line}"));
        }
    }

    fn times(&mut self, summary: &Summary) {
        let mut line = format!("\n{:<width$}", "Times", width = NAME + 2);
        for head in ["p50", "p90", "p99", "max", "of"] {
            let _ = write!(line, "{head:>NUMBER$}");
        }
        self.line(format_args!("{line}"));
        for (name, times) in [
            ("until acknowledged", &summary.acknowledged),
            ("until a question was answered", &summary.questions),
            ("webhook → done, over a WebSocket", &summary.pushed_done),
            ("webhook → done, by polling", &summary.polled_done),
        ] {
            self.quantiles(name, times);
        }
    }

    fn quantiles(&mut self, name: &str, times: &Quantiles) {
        let mut line = format!("  {name:<NAME$}");
        for time in [times.p50, times.p90, times.p99, times.max] {
            let time = if times.count == 0 {
                "·".to_owned()
            } else {
                spoken(time)
            };
            let _ = write!(line, "{time:>NUMBER$}");
        }
        let of = thousands(times.count);
        self.line(format_args!("{line}{of:>NUMBER$}"));
    }

    fn ended(&mut self, summary: &Summary, verdict: &Verdict) {
        self.line(format_args!("\nIn the end"));
        self.row("orders granted", summary.granted, "");
        self.row("orders taken back", summary.revoked, "");
        self.row("notices that moved nothing", summary.no_op, "");
        self.row("notices that wait for a person", summary.parked, "");
        if summary.faults > 0 {
            self.row("  given up under faults, excused", verdict.given_up, "");
        }
        self.row("conflicts written down", summary.conflicts, "");
        let drain = spoken(summary.drain);
        let drained = if summary.undrained == 0 {
            format!("everything had ended within {drain}")
        } else {
            format!("given up after {drain}")
        };
        self.row("orders not drained", summary.undrained, &drained);
    }

    fn checks(&mut self, verdict: &Verdict) {
        self.line(format_args!("\nWhat must hold"));
        for check in &verdict.checks {
            let mark = match (check.broken, check.examined) {
                (0, 0) => "–",
                (0, _) => "✓",
                _ => "✗",
            };
            let examined = match check.examined {
                0 => "nothing put it to the test".to_owned(),
                examined => format!("{} looked at", thousands(examined)),
            };
            let broken = match check.broken {
                0 => String::new(),
                broken => format!("{} broken, ", thousands(broken)),
            };
            let (name, sentence) = (check.invariant.name(), check.invariant.sentence());
            self.line(format_args!(
                "  {mark} {name:<4}{sentence} ({broken}{examined})"
            ));
        }
    }

    fn violations(&mut self, verdict: &Verdict) {
        for violation in verdict.violations.iter().take(MAX_SHOWN) {
            self.violation(violation);
        }
        let more = verdict.violations.len().saturating_sub(MAX_SHOWN);
        if more > 0 {
            let more = counted(more, "violation");
            self.line(format_args!(
                "\n  and {more} more: `--json` has all of them"
            ));
        }
    }

    fn violation(&mut self, violation: &Violation) {
        let name = violation.invariant.name();
        let about = about(violation);
        self.line(format_args!(
            "\n✗ {name} {about}\n  {}",
            printable(&violation.what)
        ));
        for moment in &violation.history {
            let at = moment.at.as_secs_f64();
            self.line(format_args!("    {at:>9.3} s  {}", printable(&moment.what)));
        }
        for said in &violation.instance {
            self.line(format_args!("      instance  {}", printable(said)));
        }
    }
}

fn about(violation: &Violation) -> String {
    let order = violation.order.map(|order| format!("order {order}"));
    let player = violation
        .player
        .as_deref()
        .filter(|player| !player.is_empty());
    let player = player.map(|player| format!("player {}", printable(player)));
    let about: Vec<String> = order.into_iter().chain(player).collect();
    about.join(", ")
}

/// What a stranger wrote goes to a terminal.
fn printable(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn per_second(count: usize, summary: &Summary) -> String {
    let seconds = summary.lasted.as_secs_f64();
    if seconds <= 0.0 {
        return "0".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit")]
    let rate = count as f64 / seconds;
    format!("{rate:.1}")
}
