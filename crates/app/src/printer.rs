//! Shows a play as it goes on: for people, or one JSON object a line for programs.

use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use rehearsal::{Report, Script, Target, Verdict};
use serde_json::json;

/// Tells of a play.
pub(crate) struct Printer<W> {
    out: W,
    style: Style,
    steps: usize,
}

/// How it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people, with colours or without.
    Text {
        /// Whether the reader shows colours.
        coloured: bool,
    },
    /// One object a line.
    Json,
}

const GREEN: &str = "\x1b[32m";
const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const PLAIN: &str = "\x1b[0m";

impl Style {
    /// For people at standard output: coloured on a terminal whose user has not asked for
    /// none (`NO_COLOR`).
    #[expect(
        clippy::disallowed_methods,
        reason = "these two are an agreement among programs, and no configuration"
    )]
    pub(crate) fn of_standard_output() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        Self::Text {
            coloured: io::stdout().is_terminal() && !unwanted && !dumb,
        }
    }
}

impl<W: Write> Printer<W> {
    pub(crate) fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            steps: 0,
        }
    }

    /// What is about to be played, and against whom.
    pub(crate) fn begin(&mut self, script: &Script, target: &Target) -> io::Result<()> {
        let (purchase, url) = (&script.purchase, &target.webhook.url);
        if self.style == Style::Json {
            let line = json!({
                "step": "begin", "play": script.name, "webhook_url": url,
                "project": purchase.project, "player": purchase.player,
                "order": purchase.order, "transaction": purchase.transaction
            });
            return writeln!(self.out, "{line}");
        }
        writeln!(self.out, "{} → {url}", script.name)?;
        if !script.is_of_notices() {
            let line = format!(
                "order {}, transaction {}, player {}",
                purchase.order, purchase.transaction, purchase.player
            );
            writeln!(self.out, "{}", self.painted(DIM, &line))?;
            let views = target.views();
            for (seen, unseen) in [
                (
                    views.client,
                    "the game client is not watched: no --client-url",
                ),
                (views.api, "the inventory is not looked at: no --api-url"),
            ] {
                if !seen {
                    writeln!(self.out, "{}", self.painted(DIM, unseen))?;
                }
            }
        }
        writeln!(self.out)
    }

    /// One step, as it has ended.
    pub(crate) fn step(&mut self, report: &Report) -> io::Result<()> {
        self.steps += 1;
        if self.style == Style::Json {
            return writeln!(self.out, "{}", report.to_json());
        }
        let took = format!("{:>9.1} ms", millis(report.took));
        let mark = match report.verdict {
            Verdict::Met => self.painted(GREEN, "✓"),
            Verdict::Unmet(_) => self.painted(RED, "✗"),
        };
        let line = format!(
            "  {mark} {:<44} {}   {}",
            report.what,
            self.painted(DIM, &took),
            report.result
        );
        writeln!(self.out, "{}", line.trim_end())?;
        if let Verdict::Unmet(mismatch) = &report.verdict {
            for (name, text) in [
                ("expected", &mismatch.expected),
                ("came", &mismatch.came),
                ("look at", &mismatch.look_at),
            ] {
                let name = self.painted(RED, &format!("{name:<8}"));
                writeln!(self.out, "      {name}  {text}")?;
            }
        }
        Ok(())
    }

    /// How the whole of it went.
    pub(crate) fn end(&mut self, all_met: bool, took: Duration) -> io::Result<()> {
        let steps = self.steps;
        if self.style == Style::Json {
            let verdict = if all_met { "met" } else { "unmet" };
            let line = json!({
                "step": "end", "verdict": verdict, "steps": steps, "took_ms": millis(took).round()
            });
            return writeln!(self.out, "{line}");
        }
        let verdict = if all_met {
            self.painted(GREEN, "Everything came as expected")
        } else {
            self.painted(RED, "Not as expected")
        };
        let seconds = took.as_secs_f64();
        writeln!(self.out, "\n{verdict}: {steps} step(s) in {seconds:.1} s.")
    }

    fn painted(&self, colour: &str, text: &str) -> String {
        match self.style {
            Style::Text { coloured: true } => format!("{colour}{text}{PLAIN}"),
            Style::Text { coloured: false } | Style::Json => text.to_owned(),
        }
    }
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}

#[cfg(test)]
mod tests {
    use rehearsal::Mismatch;

    use super::*;

    fn report(verdict: Verdict) -> Report {
        Report {
            step: "send",
            what: "Xsolla tells: order_paid".to_owned(),
            result: String::new(),
            took: Duration::from_micros(1_234),
            answers: vec![503],
            verdict,
        }
    }

    fn unmet() -> Report {
        report(Verdict::Unmet(Mismatch {
            expected: "204".to_owned(),
            came: "503 SERVER_ERROR".to_owned(),
            look_at: "the log".to_owned(),
        }))
    }

    fn printed(style: Style, report: &Report) -> String {
        let mut out = Vec::new();
        let mut printer = Printer::new(&mut out, style);
        printer.step(report).unwrap();
        printer
            .end(report.is_met(), Duration::from_millis(20))
            .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_mismatch_tells_what_was_expected_what_came_and_where_to_look() {
        let text = printed(Style::Text { coloured: false }, &unmet());
        for said in [
            "✗ Xsolla tells: order_paid",
            "1.2 ms",
            "expected  204\n",
            "came      503 SERVER_ERROR\n",
            "look at   the log\n",
            "Not as expected: 1 step(s)",
        ] {
            assert!(text.contains(said), "{said:?} in {text}");
        }
        assert!(!text.contains('\x1b'), "{text}");
    }

    #[test]
    fn colours_are_there_where_they_are_wanted() {
        let text = printed(Style::Text { coloured: true }, &report(Verdict::Met));
        assert!(text.contains("\x1b[32m✓\x1b[0m"), "{text:?}");
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = printed(Style::Json, &unmet());
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["verdict"], "unmet");
        assert_eq!(lines[0]["answers"], json!([503]));
        assert_eq!(lines[0]["took_ms"], 1.234);
        assert_eq!(
            lines[1],
            json!({"step": "end", "verdict": "unmet", "steps": 1, "took_ms": 20.0})
        );
    }
}
