//! `grantline order`: everything the ledger knows of one order.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Context as _;
use api::OrderDetail;
use ledger::{BookingView, ConflictView, LineView, NoticeView, OrderView, StreamRow};
use order::{Content, Facts, ProjectId};

use super::reading::Reading;
use crate::cli::Order;
use crate::table::{Table, instant, or_dash};

pub(crate) async fn run(args: &Order, config: Option<&Path>) -> anyhow::Result<ExitCode> {
    let reading = Reading::open(&args.data, config).await?;
    let project = reading.project(args.project)?;
    let found = reading.ledger.order(project, args.id).await;
    reading.close().await;
    let view = found?.with_context(|| {
        format!(
            "no order {} is known in project {project}; it may not have arrived yet",
            args.id
        )
    })?;
    let mut out = io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&OrderDetail::from(&view))?)?;
    } else {
        write!(out, "{}", text(project, &view))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn text(project: ProjectId, view: &OrderView) -> String {
    let mut parts = vec![
        format!(
            "Order {} of project {project}: {}\n",
            view.order,
            view.status.as_str()
        ),
        about(view),
    ];
    parts.extend(view.content.as_ref().map(bought));
    let lists = [
        ("Told to the player", statuses(&view.statuses)),
        ("Booked", bookings(&view.bookings)),
        ("Notices", notices(&view.notices)),
        ("Disagreements", conflicts(&view.conflicts)),
    ];
    let lists = lists
        .into_iter()
        .filter_map(|(name, list)| Some(format!("{name}\n{}", list?)));
    parts.extend(lists);
    parts.join("\n")
}

fn about(view: &OrderView) -> String {
    let mut table = Table::plain();
    let mut say = |name: &str, value: String| table.push([name.to_owned(), value]);
    say("player", or_dash(view.player.as_ref()));
    say("transaction", or_dash(view.transaction));
    say("seen", facts(view.facts));
    if view.sandbox {
        say("mode", "sandbox".to_owned());
    }
    say("first heard of", instant(view.first_at));
    say("last changed", instant(view.last_at));
    table.to_string()
}

fn facts(facts: Facts) -> String {
    let Facts {
        created,
        paid,
        payment,
        canceled,
        refunded,
    } = facts;
    let all = [
        (created, "created"),
        (paid, "paid"),
        (payment, "payment"),
        (canceled, "canceled"),
        (refunded, "refunded"),
    ];
    let seen: Vec<_> = all.into_iter().filter(|(seen, _)| *seen).collect();
    if seen.is_empty() {
        return "-".to_owned();
    }
    seen.iter()
        .map(|(_, name)| *name)
        .collect::<Vec<_>>()
        .join(", ")
}

fn bought(content: &Content) -> String {
    let money = |money: &order::Money| format!("{} {}", money.amount, money.currency);
    let price = content.price.as_ref().map(money);
    let how = match (content.is_free, content.is_virtual) {
        (true, _) => ", free",
        (false, true) => ", for a virtual currency",
        (false, false) => "",
    };
    let mut table = Table::with_head(&["ITEM", "QUANTITY", "PRICE"]);
    for item in &content.items {
        let price = item.price.as_ref().map(money);
        let price = price.or_else(|| item.is_free.then(|| "free".to_owned()));
        table.push([
            item.sku.to_string(),
            item.quantity.to_string(),
            or_dash(price),
        ]);
    }
    let mut text = "Bought".to_owned();
    if let Some(price) = price {
        // Writing to a text cannot fail. A currency is somebody's text.
        let _ = write!(text, " for {}", price.replace(char::is_control, " "));
    }
    format!("{text}{how}\n{table}")
}

/// A table of what there is; nothing where there is nothing.
fn listed<T>(head: &[&str], rows: &[T], cells: impl Fn(&T) -> Vec<String>) -> Option<String> {
    let mut table = Table::with_head(head);
    for row in rows {
        table.push(cells(row));
    }
    (!rows.is_empty()).then(|| table.to_string())
}

fn statuses(rows: &[StreamRow]) -> Option<String> {
    listed(&["AT", "STATUS", "OFFSET"], rows, |row| {
        vec![
            instant(row.at),
            row.status.as_str().to_owned(),
            row.offset.to_string(),
        ]
    })
}

fn bookings(rows: &[BookingView]) -> Option<String> {
    let line = |line: &LineView| format!("{} × {}", line.quantity, line.sku);
    let head = ["AT", "WHAT", "STATE", "PLAYER", "NOTICE", "ITEMS"];
    listed(&head, rows, |row| {
        vec![
            instant(row.booked_at),
            row.direction.clone(),
            row.state.clone(),
            row.player.to_string(),
            row.kind.to_string(),
            row.lines.iter().map(line).collect::<Vec<_>>().join(", "),
        ]
    })
}

fn notices(rows: &[NoticeView]) -> Option<String> {
    let head = ["FIRST", "LAST", "TIMES", "NOTICE", "OUTCOME", "TRACE"];
    listed(&head, rows, |row| {
        vec![
            instant(row.first_at),
            instant(row.last_at),
            row.seen.to_string(),
            row.kind.to_string(),
            outcome(row),
            or_dash(row.trace_id.as_ref()),
        ]
    })
}

fn outcome(notice: &NoticeView) -> String {
    let mut text = notice.outcome.clone();
    if let Some(reason) = &notice.reason {
        let _ = write!(text, ": {reason}");
    }
    if let Some(parked) = notice.parked {
        let _ = write!(text, " (entry {parked})");
    }
    text
}

fn conflicts(rows: &[ConflictView]) -> Option<String> {
    listed(&["AT", "NOTICE", "ABOUT"], rows, |row| {
        vec![instant(row.at), row.kind.to_string(), row.what.clone()]
    })
}
