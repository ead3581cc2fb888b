//! `grantline parked`: what was accepted and waits for a person, the newest first.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use api::ParkedPage;
use ledger::{ParkedFilter, ParkedView};

use super::reading::Reading;
use crate::cli::Parked;
use crate::table::{Table, instant, or_dash};

pub(crate) async fn run(parked: &Parked, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let reading = Reading::open(&parked.data, config).await?;
    let filter = ParkedFilter {
        project: parked.project,
        order: parked.order,
        transaction: parked.transaction,
        player: parked.player.clone(),
        settled: parked.settled,
        newest_first: true,
        after: parked.after,
        limit: parked.limit,
    };
    let found = reading.ledger.parked(&filter).await;
    reading.close().await;
    let found = found?;
    let mut out = io::stdout().lock();
    if parked.json {
        let page = ParkedPage::new(&found, parked.limit);
        writeln!(out, "{}", serde_json::to_string(&page)?)?;
    } else {
        write!(out, "{}", text(&found, parked.limit))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(found: &[ParkedView], limit: u32) -> String {
    let Some(last) = found.last() else {
        return "Nothing is parked.\n".to_owned();
    };
    let head = [
        "NUMBER",
        "PARKED",
        "PROJECT",
        "KIND",
        "ORDER",
        "TRANSACTION",
        "PLAYER",
        "TRIED",
        "STATE",
        "REASON",
    ];
    let mut table = Table::with_head(&head);
    for view in found {
        table.push([
            view.id.to_string(),
            instant(view.parked_at),
            or_dash(view.project),
            view.kind.to_string(),
            or_dash(view.order),
            or_dash(view.transaction),
            or_dash(view.player.as_ref()),
            view.attempts.to_string(),
            state(view).to_owned(),
            reason(view),
        ]);
    }
    let is_full = found.len() >= limit as usize;
    let more = is_full.then(|| format!("\nThere may be older ones: --after {}\n", last.id));
    format!("{table}{}", more.unwrap_or_default())
}

fn state(view: &ParkedView) -> &'static str {
    match (view.settled_at, view.replayed_at) {
        (Some(_), _) => "settled",
        (None, Some(_)) => "replayed",
        (None, None) => "waits",
    }
}

fn reason(view: &ParkedView) -> String {
    let (reason, detail) = (&view.reason, view.detail.trim());
    if detail.is_empty() || detail == reason {
        reason.clone()
    } else {
        format!("{reason}: {detail}")
    }
}
