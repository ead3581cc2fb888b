//! What a running process tells of itself: the same by OTLP and on `/metrics`, as the table in
//! `deploy/metrics.md` has it, and never more series than there are things to tell of.
//!
//! The table is compared with the source in `table`, with processes at work here.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod collector;
mod process;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use hyper::{Method, StatusCode};
use serde_json::json;
use testkit::{Postgres, RabbitMq, Redis};
use tests::Http;
use xsolla::signature::authorization_header;

use crate::collector::{Collector, Instrument};
use crate::process::{PROJECT, Process, SECRET, TOLD, Target};
use crate::table::Row;

/// Requests of somebody who wants to fill the metrics.
const HOSTILE: u32 = 10_000;

/// Series that a flood may add: answers that were not given before. Far below its requests.
const SERIES_MORE: usize = 250;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_rehearsed_line_tells_is_the_same_both_ways_and_stands_in_the_table() {
    let collector = Collector::start();
    let mut demo = Process::demo(&collector.endpoint).await;
    demo.rehearse().await;
    // Whatever a scrape has shown is in the next push, and the other way round.
    let before = demo.families().await;
    let told = collector.next_of("grantline.role", "serve").await;
    let after = demo.families().await;
    let names = told.values().map(Instrument::prometheus_name);
    let names: BTreeSet<_> = names.collect();
    let (scraped_only, pushed_only): (Vec<_>, Vec<_>) = (
        before.difference(&names).collect(),
        names.difference(&after).collect(),
    );
    assert!(scraped_only.is_empty(), "not by OTLP: {scraped_only:?}");
    assert!(pushed_only.is_empty(), "not on /metrics: {pushed_only:?}");

    let cluster = Collector::start();
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    let keys = Redis::key_space();
    let mut served = Process::cluster(&cluster.endpoint, &database, &vhost, &keys).await;
    // Those that were taken before there was a connection to Redis were not claimed.
    let mut order = 0;
    while !served.text().await.contains("grantline_claim_claims_total") {
        order += 1;
        served.takes_an_order(order).await;
    }
    served.tells(&["grantline_ledger_paid_not_granted"]).await;
    let mut all = told;
    all.extend(cluster.next_of("grantline.role", "serve").await);
    compare(&all);
    served.stop().await;
    demo.stop().await;
}

/// Every instrument has its row, and every row without a condition its instrument.
fn compare(told: &BTreeMap<String, Instrument>) {
    let rows = table::rows();
    let mut faults = Vec::new();
    for (name, instrument) in told {
        let found = rows.iter().find(|row| row.name == *name);
        let expected = Row::of(name, instrument);
        match found {
            Some(row) if row.fits(&expected) => {}
            Some(_) | None => faults.push(format!("expected {expected}")),
        }
        if instrument.unit.is_empty() && !table::WITHOUT_UNIT.contains(&name.as_str()) {
            faults.push(format!("{name} has no unit"));
        }
        if instrument.about.is_empty() {
            faults.push(format!("{name} has no description"));
        }
        if instrument.kind == "histogram" && !["s", "{notice}"].contains(&&*instrument.unit) {
            faults.push(format!("{name} measures in {}", instrument.unit));
        }
    }
    let missing = rows
        .iter()
        .filter(|row| !row.is_conditional && !told.contains_key(&row.name));
    faults.extend(missing.map(|row| format!("nobody tells {}", row.name)));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_hostile_requests_add_no_series_of_their_own_choosing() {
    let collector = Collector::start();
    let mut demo = Process::demo(&collector.endpoint).await;
    let before = demo.series().await.len();
    let (http, target) = (Http::new(), demo.target());
    let mut answered = BTreeSet::new();
    for number in 0..HOSTILE {
        let (method, url, header, body) = hostile(number, &target);
        let header = [("authorization", header.as_str())];
        let answer = http.ask(method, &url, &header, &body).await.unwrap();
        answered.insert((number % 5, answer.status));
    }
    assert!(
        answered.contains(&(0, StatusCode::NO_CONTENT)),
        "{answered:?}"
    );
    assert!(answered.len() >= 5, "{answered:?}");
    // The workers count them, too.
    let booked = "grantline_worker_notices_total{";
    let all = async || {
        let text = demo.text().await;
        let other = text
            .lines()
            .filter(|line| line.starts_with(booked) && line.contains("type=\"other\""));
        let count = other.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        count.sum::<f64>() >= f64::from(HOSTILE / 5)
    };
    process::eventually("every notice is booked", TOLD, all).await;
    let series = demo.series().await;
    let chosen: Vec<_> = series.iter().filter(|it| it.contains("hostile")).collect();
    assert!(chosen.is_empty(), "{chosen:?}");
    let more = series.len().saturating_sub(before);
    assert!(
        more <= SERIES_MORE,
        "{more} series more, of {}",
        series.len()
    );
    demo.stop().await;
}

/// One of five ways to bring a word of one's own: a signed type, a path below the webhooks, a
/// key and a path of the api, an order and a token of the poll, an unsigned body.
fn hostile(number: u32, target: &Target) -> (Method, String, String, String) {
    let word = format!("hostile-{number}");
    let Target {
        webhook,
        secret,
        client,
        api,
    } = target;
    let bearer = format!("Bearer {word}");
    match number % 5 {
        0 => {
            let body = json!({
                "notification_type": word,
                "user": {"id": word},
                "transaction": {"id": number + 1},
                "purchase": {"total": {"currency": word, "amount": 1}},
            });
            let body = body.to_string();
            let signature = authorization_header(body.as_bytes(), secret);
            (Method::POST, webhook.clone(), signature, body)
        }
        1 => (
            Method::POST,
            format!("{webhook}/{word}"),
            word,
            String::new(),
        ),
        2 => (
            Method::GET,
            format!("{api}/v1/{word}"),
            bearer,
            String::new(),
        ),
        3 => {
            let url = format!("{client}/{word}/order/{number}");
            (Method::GET, url, bearer, String::new())
        }
        _ => {
            let signature = format!("Signature {number:040x}");
            (Method::POST, webhook.clone(), signature, word)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_series_names_a_player_an_order_or_a_transaction() {
    let collector = Collector::start();
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    let keys = Redis::key_space();
    let mut served = Process::cluster(&collector.endpoint, &database, &vhost, &keys).await;
    let orders = [700_000_001, 700_000_002];
    for order in orders {
        served.takes_an_order(order).await;
    }
    served
        .tells(&["grantline_worker_received_to_booked_seconds_count{type=\"order_paid\"} 2"])
        .await;
    let series = served
        .series()
        .await
        .into_iter()
        .collect::<Vec<_>>()
        .join("\n");
    for word in [process::PLAYER, "700000001", "800000001", SECRET] {
        assert!(!series.contains(word), "{word} in\n{series}");
    }
    assert!(
        series.contains(&format!("project=\"{PROJECT}\"")),
        "{series}"
    );
    served.stop().await;
}
