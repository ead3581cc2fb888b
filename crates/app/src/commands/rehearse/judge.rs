//! The end of a rehearsal: what the instance says, the verdict, and the report of both.

use std::fs;
use std::io::{self, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use rehearsal::findings::{Deadline, Findings};
use rehearsal::journal::Journal;
use rehearsal::report::Report;
use rehearsal::verdict::{Limits, Verdict};
use rehearsal::{Http, Run, Target};

use crate::cli::Rehearse;

/// How long a question to the instance is asked again until it counts as unanswered.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// Judges and reports. Returns whether everything held.
pub(super) async fn judge(
    args: &Rehearse,
    target: &Target,
    journal: &Journal,
    run: Run,
) -> anyhow::Result<bool> {
    if !args.json {
        writeln!(
            io::stderr(),
            "Everything is sent. Waiting until all of it has ended, at most {:?}, then asking \
             the instance about every order …",
            args.drain
        )?;
    }
    let client = target.client.as_ref().map(|client| client.url.as_str());
    let server = target.server.as_ref().map(|server| server.url.as_str());
    let http = Http::new(client.into_iter().chain(server), ANSWER_LIMIT)?;
    let deadline = Deadline {
        drain: args.drain,
        answer: ANSWER_LIMIT,
    };
    let unix_now = task::now().unix_timestamp();
    let findings = Findings::read(journal, target, &http, deadline, unix_now).await?;
    let limits = Limits {
        answer_p99: args.p99,
        ..Limits::default()
    };
    let verdict = Verdict::judge(journal, &findings, &limits);
    let report = Report::new(journal, &findings, &verdict);
    if let Some(path) = &args.html {
        fs::write(path, report.html())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = io::stdout();
    if args.json {
        let mut json = report.json();
        json["run"] = run.to_string().into();
        writeln!(out, "{json}")?;
    } else {
        write!(out, "{}", report.table())?;
        if let Some(path) = &args.html {
            writeln!(out, "\nThe same as a page: {}", path.display())?;
        }
    }
    Ok(verdict.is_clean())
}
