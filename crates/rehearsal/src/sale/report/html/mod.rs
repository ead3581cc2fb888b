//! The report as a page: one file, no script, nothing loaded from anywhere, for a phone and
//! for a wall, by day and by night.

mod chart;
mod charts;
mod page;
mod scale;

use crate::sale::journal::Journal;
use crate::sale::verdict::{Check, Verdict, Violation};

use super::{Summary, sentence, spoken, thousands};
use page::Page;

const STYLE: &str = include_str!("style.css");
/// Violations that are shown with their histories, and how many of them at once.
const MAX_SHOWN: usize = 50;
const MAX_FIRST: usize = 5;
/// Faults that are listed.
const MAX_FAULTS: usize = 200;

pub(super) fn write(summary: &Summary, journal: &Journal, verdict: &Verdict) -> String {
    let mut page = Page::default();
    // The policy keeps the promise of the file: nothing is loaded.
    page.raw(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'\"><title>",
    );
    let word = if verdict.is_clean() {
        "Clean"
    } else {
        "Broken"
    };
    page.text(word)
        .raw(": a rehearsed sale</title><style>")
        .raw(STYLE)
        .raw("</style></head>");
    page.raw("<body>");
    head(&mut page, summary, verdict);
    page.raw("<main>");
    figures(&mut page, summary);
    if !verdict.is_clean() {
        violations(&mut page, verdict);
    }
    page.raw("<section class=\"charts\">");
    for chart in charts::all(journal, &verdict.limits) {
        chart.write(&mut page);
    }
    page.raw("</section>");
    faults(&mut page, journal);
    checks(&mut page, verdict);
    answers(&mut page, summary);
    played(&mut page, summary);
    page.raw("</main></body></html>\n");
    page.finish()
}

fn head(page: &mut Page, summary: &Summary, verdict: &Verdict) {
    let (class, mark, word) = if verdict.is_clean() {
        ("clean", "✓", "Clean")
    } else {
        ("broken", "✗", "Broken")
    };
    page.raw("<header class=\"")
        .text(class)
        .raw("\"><p class=\"mark\" aria-hidden=\"true\">");
    page.text(mark)
        .raw("</p><div><h1>")
        .text(word)
        .raw("</h1><p>");
    page.text(sentence(summary, verdict))
        .raw("</p></div></header>");
}

/// The numbers one looks for first.
fn figures(page: &mut Page, summary: &Summary) {
    let times = |count: usize, time: std::time::Duration| {
        if count == 0 {
            "–".to_owned()
        } else {
            spoken(time)
        }
    };
    let acknowledged = &summary.acknowledged;
    page.raw("<dl class=\"figures\">");
    for (name, value, more) in [
        (
            "Orders",
            thousands(summary.orders),
            format!("in {}", spoken(summary.lasted)),
        ),
        (
            "Requests",
            thousands(summary.requests),
            format!("{} of them repeats", thousands(summary.repeats)),
        ),
        (
            "Acknowledged",
            times(acknowledged.count, acknowledged.p50),
            format!(
                "p99 {}, at most {}",
                times(acknowledged.count, acknowledged.p99),
                times(acknowledged.count, acknowledged.max)
            ),
        ),
        (
            "Webhook to “done”",
            times(summary.pushed_done.count, summary.pushed_done.p50),
            format!(
                "p99 {}",
                times(summary.pushed_done.count, summary.pushed_done.p99)
            ),
        ),
        (
            "Granted",
            thousands(summary.granted),
            format!("{} taken back", thousands(summary.revoked)),
        ),
        (
            "Drained within",
            spoken(summary.drain),
            match summary.undrained {
                0 => "everything had ended".to_owned(),
                waiting => format!("{} orders had not", thousands(waiting)),
            },
        ),
    ] {
        page.raw("<div><dt>")
            .text(name)
            .raw("</dt><dd>")
            .text(value)
            .raw("</dd><dd>");
        page.text(more).raw("</dd></div>");
    }
    page.raw("</dl>");
}

fn violations(page: &mut Page, verdict: &Verdict) {
    let shown = verdict.violations.get(..MAX_SHOWN);
    let shown = shown.unwrap_or(&verdict.violations);
    let (first, more) = shown.split_at(shown.len().min(MAX_FIRST));
    page.raw("<section><h2>What is wrong</h2><div class=\"violations\">");
    for (place, violation) in first.iter().enumerate() {
        one_violation(page, violation, place == 0);
    }
    if !more.is_empty() {
        page.raw("<details class=\"more\"><summary>");
        page.text(thousands(verdict.violations.len() - first.len()));
        page.raw(" more</summary>");
        for violation in more {
            one_violation(page, violation, false);
        }
        let unshown = verdict.violations.len() - shown.len();
        if unshown > 0 {
            page.raw("<p>And ").text(thousands(unshown));
            page.raw(" that only the JSON report has.</p>");
        }
        page.raw("</details>");
    }
    page.raw("</div></section>");
}

fn one_violation(page: &mut Page, violation: &Violation, is_open: bool) {
    page.raw(if is_open {
        "<details open>"
    } else {
        "<details>"
    });
    page.raw("<summary><b>")
        .text(violation.invariant.name())
        .raw("</b> <span class=\"about\">");
    if let Some(order) = violation.order {
        page.raw("order ").text(order);
    }
    if let Some(player) = violation
        .player
        .as_deref()
        .filter(|player| !player.is_empty())
    {
        page.raw(" <span class=\"player\">")
            .text(player)
            .raw("</span>");
    }
    page.raw("</span> <span class=\"what\">")
        .text(&violation.what)
        .raw("</span></summary>");
    page.raw("<div class=\"story\"><div><h4>What happened</h4><ol>");
    for moment in &violation.history {
        page.raw("<li><time>")
            .text(format_args!("{:.3} s", moment.at.as_secs_f64()));
        page.raw("</time> ").text(&moment.what).raw("</li>");
    }
    page.raw("</ol></div><div><h4>What the instance says</h4><ul>");
    for said in &violation.instance {
        page.raw("<li>").text(said).raw("</li>");
    }
    page.raw("</ul></div></div></details>");
}

fn faults(page: &mut Page, journal: &Journal) {
    if journal.faults.is_empty() {
        return;
    }
    page.raw("<section><h2>Broken on purpose</h2><table><thead><tr><th>No.</th><th>From</th>");
    page.raw("<th class=\"number\">For</th><th>What</th></tr></thead><tbody>");
    for (number, fault) in (1_u32..).zip(journal.faults.iter().take(MAX_FAULTS)) {
        let lasted = fault.to.map(|to| spoken(to.saturating_sub(fault.from)));
        page.raw("<tr><td>").text(number).raw("</td><td>");
        page.text(scale::moment_words(fault.from.as_secs_f64().round()));
        page.raw("</td><td class=\"number\">")
            .text(lasted.unwrap_or_else(|| "–".to_owned()));
        page.raw("</td><td>").text(&fault.what).raw("</td></tr>");
    }
    page.raw("</tbody></table>");
    let more = journal.faults.len().saturating_sub(MAX_FAULTS);
    if more > 0 {
        page.raw("<p>And ").text(thousands(more)).raw(" more.</p>");
    }
    page.raw("</section>");
}

fn checks(page: &mut Page, verdict: &Verdict) {
    page.raw("<section><h2>What must hold</h2><table class=\"checks\"><tbody>");
    for Check {
        invariant,
        examined,
        broken,
    } in &verdict.checks
    {
        let (class, mark) = match (*broken, *examined) {
            (0, 0) => ("untested", "–"),
            (0, _) => ("holds", "✓"),
            _ => ("breaks", "✗"),
        };
        page.raw("<tr class=\"")
            .text(class)
            .raw("\"><td class=\"mark\">")
            .text(mark);
        page.raw("</td><th scope=\"row\">")
            .text(invariant.name())
            .raw("</th><td>");
        page.text(invariant.sentence())
            .raw("</td><td class=\"number\">");
        match (*broken, *examined) {
            (0, 0) => page.raw("nothing put it to the test"),
            (0, examined) => page.text(thousands(examined)).raw(" looked at"),
            (broken, examined) => page
                .text(thousands(broken))
                .raw(" broken of ")
                .text(thousands(examined)),
        };
        page.raw("</td></tr>");
    }
    page.raw("</tbody></table></section>");
}

fn answers(page: &mut Page, summary: &Summary) {
    page.raw("<section><h2>Answers</h2><div class=\"wide\"><table><thead><tr><th>Notice</th>");
    for head in ["2xx", "4xx", "5xx", "other", "no answer"] {
        page.raw("<th class=\"number\">").text(head).raw("</th>");
    }
    page.raw("</tr></thead><tbody>");
    for (name, answers) in &summary.answers {
        let known = [2, 4, 5].map(|hundred| answers.hundred(hundred));
        let all: usize = answers.codes.values().sum();
        let other = all - known.iter().sum::<usize>();
        page.raw("<tr><th scope=\"row\">").text(name).raw("</th>");
        for count in known
            .into_iter()
            .chain([other, answers.unsent + answers.unknown])
        {
            page.raw("<td class=\"number\">");
            if count == 0 {
                page.raw("·");
            } else {
                page.text(thousands(count));
            }
            page.raw("</td>");
        }
        page.raw("</tr>");
    }
    page.raw("</tbody></table></div></section>");
}

fn played(page: &mut Page, summary: &Summary) {
    page.raw("<section><h2>What was played</h2><table><tbody>");
    for (name, count) in [
        ("players", summary.players),
        (
            "orders registered before they were paid",
            summary.registered,
        ),
        ("test purchases", summary.sandbox),
        ("orders followed over a WebSocket", summary.sockets),
        ("orders followed by polling", summary.polling),
        ("notices that moved nothing", summary.no_op),
        ("notices that wait for a person", summary.parked),
        ("conflicts written down", summary.conflicts),
    ] {
        page.raw("<tr><th scope=\"row\">")
            .text(name)
            .raw("</th><td class=\"number\">");
        page.text(thousands(count)).raw("</td></tr>");
    }
    page.raw("<tr><th scope=\"row\">seed</th><td class=\"number\">")
        .text(summary.seed);
    page.raw("</td></tr></tbody></table></section>");
}
