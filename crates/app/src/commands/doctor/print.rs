//! What was found, for people or as one JSON object.

use std::io::{self, Write};

use serde_json::json;

use super::finding::{Finding, Grade};

/// For people: the worst comes last, where they look first.
pub(super) fn text(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let width = findings.iter().map(|it| it.check.len()).max().unwrap_or(0);
    for grade in Grade::ALL {
        let of_it: Vec<_> = findings.iter().filter(|it| it.grade == grade).collect();
        if of_it.is_empty() {
            continue;
        }
        let (head, mark) = match grade {
            Grade::Ok => ("As it should be", '✓'),
            Grade::Warn => ("Warnings", '!'),
            Grade::Fail => ("Failures", '✗'),
        };
        writeln!(out, "{head}")?;
        for Finding { check, text, .. } in of_it {
            // Servers have a say in it, and a terminal obeys.
            let text = text.replace(char::is_control, " ");
            writeln!(out, "  {mark} {check:<width$}  {text}")?;
        }
        writeln!(out)?;
    }
    let [fine, warnings, failures] = counts(findings);
    writeln!(
        out,
        "{failures} failure(s), {warnings} warning(s), {fine} as it should be."
    )
}

/// For programs. Keys may be added to it; none goes, and none changes its meaning.
pub(super) fn json(out: &mut impl Write, findings: &[Finding]) -> io::Result<()> {
    let [ok, warn, fail] = counts(findings);
    let each = findings
        .iter()
        .map(|it| json!({"check": it.check, "grade": it.grade.as_str(), "text": it.text}));
    let all = json!({
        "verdict": verdict(findings).as_str(),
        "counts": {"ok": ok, "warn": warn, "fail": fail},
        "findings": each.collect::<Vec<_>>(),
    });
    writeln!(out, "{all}")
}

/// The worst of all grades.
pub(super) fn verdict(findings: &[Finding]) -> Grade {
    let grades = findings.iter().map(|it| it.grade);
    grades.max().unwrap_or(Grade::Ok)
}

fn counts(findings: &[Finding]) -> [usize; 3] {
    Grade::ALL.map(|grade| findings.iter().filter(|it| it.grade == grade).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        vec![
            Finding::fail("ledger.schema", "old: run `grantline migrate`"),
            Finding::ok("claim.clock", "agrees"),
            Finding::warn("broker.nodes", "one\x1b[2J node"),
        ]
    }

    #[test]
    fn people_read_the_worst_last() {
        let mut out = Vec::new();
        text(&mut out, &findings()).unwrap();
        let expected = "\
As it should be
  ✓ claim.clock    agrees

Warnings
  ! broker.nodes   one [2J node

Failures
  ✗ ledger.schema  old: run `grantline migrate`

1 failure(s), 1 warning(s), 1 as it should be.
";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn programs_read_one_object() {
        let mut out = Vec::new();
        json(&mut out, &findings()).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let finding = |check: &str, grade: &str, text: &str| json!({"check": check, "grade": grade, "text": text});
        let expected = json!({
            "verdict": "fail",
            "counts": {"ok": 1, "warn": 1, "fail": 1},
            "findings": [
                finding("ledger.schema", "fail", "old: run `grantline migrate`"),
                finding("claim.clock", "ok", "agrees"),
                finding("broker.nodes", "warn", "one\u{1b}[2J node"),
            ],
        });
        assert_eq!(read, expected);
        assert_eq!(verdict(&[]), Grade::Ok);
    }
}
