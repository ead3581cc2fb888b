//! Players: the official JavaScript client with the snippet of Xsolla's page, and polling.

use std::process::Stdio;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::CuttingProxy;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::harness::{Line, PROJECT, Stack, on_both_stacks};
use crate::notices;

on_both_stacks!(
    the_snippet_of_xsollas_page_sees_an_order_from_new_to_done,
    a_client_that_was_away_recovers_every_status_once,
    a_bad_token_is_turned_away_for_good_with_a_reason,
    nobody_hears_of_another_players_order,
    polling_tells_status_and_content_and_spares_what_has_not_changed,
);

const PATIENCE: Duration = Duration::from_secs(30);

/// `tests/js/player.mjs` at work.
struct Player {
    events: Lines<BufReader<ChildStdout>>,
    _stdin: ChildStdin,
    _process: Child,
}

impl Player {
    fn connect(url: &str, token: &str, player: &str) -> Self {
        let data = json!({"auth": token, "project_id": PROJECT, "user_external_id": player});
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/js/player.mjs");
        let mut process = Command::new("node")
            .args([script, url, &data.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs: `make test` installs it");
        let events = BufReader::new(process.stdout.take().unwrap()).lines();
        Self {
            events,
            _stdin: process.stdin.take().unwrap(),
            _process: process,
        }
    }

    /// The next event of this name; others are passed over.
    async fn event(&mut self, name: &str) -> Value {
        let mut passed = Vec::new();
        let next = async {
            loop {
                let line = self
                    .events
                    .next_line()
                    .await
                    .unwrap()
                    .expect("the player is still there");
                let event: Value = serde_json::from_str(&line).unwrap();
                if event["event"] == name {
                    return event;
                }
                passed.push(event);
            }
        };
        let event = tokio::time::timeout(PATIENCE, next).await;
        event.unwrap_or_else(|_| panic!("no `{name}`, but {passed:?}"))
    }

    async fn status(&mut self) -> (i64, i64, String) {
        let event = self.event("publication").await;
        row(&event)
    }
}

fn row(publication: &Value) -> (i64, i64, String) {
    let data = &publication["data"];
    let status = data["status"].as_str().unwrap().to_owned();
    (
        publication["offset"].as_i64().unwrap(),
        data["order_id"].as_i64().unwrap(),
        status,
    )
}

fn rows(history: &Value) -> Vec<(i64, i64, String)> {
    history["publications"]
        .as_array()
        .unwrap()
        .iter()
        .map(row)
        .collect()
}

fn told(offset: i64, order: i64, status: &str) -> (i64, i64, String) {
    (offset, order, status.to_owned())
}

fn connection_url(at: impl std::fmt::Display) -> String {
    format!("ws://{at}/connection/websocket")
}

async fn the_snippet_of_xsollas_page_sees_an_order_from_new_to_done(stack: Stack) {
    let line = Line::start(stack).await;
    let created = format!("/v1/projects/{PROJECT}/orders/7");
    line.api(Method::PUT, &created, &json!({"player": "mira"}))
        .await;
    let mut player = Player::connect(
        &connection_url(line.publisher),
        &Line::token("mira"),
        "mira",
    );
    assert_eq!(rows(&player.event("history").await), [told(1, 7, "new")]);

    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    assert_eq!(player.status().await, told(2, 7, "paid"));
    assert_eq!(player.status().await, told(3, 7, "done"));
    line.accepted(&notices::order_canceled(7, 70, "mira")).await;
    assert_eq!(player.status().await, told(4, 7, "canceled"));
    line.stop().await;
}

async fn a_client_that_was_away_recovers_every_status_once(stack: Stack) {
    let line = Line::start(stack).await;
    let url = connection_url(line.publisher);
    let proxy = CuttingProxy::before(&url).await;
    let mut player = Player::connect(&proxy.url(&url), &Line::token("mira"), "mira");
    assert_eq!(rows(&player.event("history").await), []);
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    assert_eq!(player.status().await, told(1, 7, "paid"));
    assert_eq!(player.status().await, told(2, 7, "done"));

    proxy.cut();
    player.event("connecting").await;
    line.accepted(&notices::order_paid(8, 80, "mira")).await;
    line.ends(8, "order_paid", "booked").await;
    proxy.heal();
    let again = player.event("subscribed").await;
    assert_eq!(again["recovered"], true, "{again}");
    assert_eq!(player.status().await, told(3, 8, "paid"));
    assert_eq!(player.status().await, told(4, 8, "done"));
    line.stop().await;
}

async fn a_bad_token_is_turned_away_for_good_with_a_reason(stack: Stack) {
    let line = Line::start(stack).await;
    let url = connection_url(line.publisher);
    let mut player = Player::connect(&url, "not.a.token", "mira");
    let end = player.event("disconnected").await;
    assert_eq!(
        (&end["code"], &end["reason"]),
        (&json!(3500), &json!("invalid token"))
    );
    line.stop().await;
}

async fn nobody_hears_of_another_players_order(stack: Stack) {
    let line = Line::start(stack).await;
    let url = connection_url(line.publisher);
    let mut mira = Player::connect(&url, &Line::token("mira"), "mira");
    let mut nils = Player::connect(&url, &Line::token("nils"), "nils");
    mira.event("history").await;
    nils.event("history").await;
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    assert_eq!(mira.status().await.1, 7);
    line.accepted(&notices::order_paid(8, 80, "nils")).await;
    // The first thing nils hears is their own order.
    assert_eq!(nils.status().await, told(1, 8, "paid"));

    let poll = async |order: i64, player: &str| {
        let path = format!("/api/v2/project/{PROJECT}/order/{order}");
        let token = format!("Bearer {}", Line::token(player));
        line.send(
            Method::GET,
            line.publisher,
            &path,
            &[("authorization", &token)],
            "",
        )
        .await
    };
    assert_eq!(poll(7, "mira").await.status, StatusCode::OK);
    assert_eq!(poll(7, "nils").await.status, StatusCode::NOT_FOUND);
    assert_eq!(
        poll(999, "nils").await.body,
        poll(7, "nils").await.body.clone()
    );
    line.stop().await;
}

async fn polling_tells_status_and_content_and_spares_what_has_not_changed(stack: Stack) {
    let line = Line::start(stack).await;
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    line.ends(7, "order_paid", "booked").await;
    let path = format!("/api/v2/project/{PROJECT}/order/7");
    let token = format!("Bearer {}", Line::token("mira"));
    let first = line
        .send(
            Method::GET,
            line.publisher,
            &path,
            &[("authorization", &token)],
            "",
        )
        .await;
    let order = first.json();
    assert_eq!(
        (&order["order_id"], &order["status"]),
        (&json!(7), &json!("done"))
    );
    assert_eq!(order["content"]["items"][0]["sku"], "blade");
    let tag = first.headers["etag"].to_str().unwrap();
    let headers = [("authorization", token.as_str()), ("if-none-match", tag)];
    let again = line
        .send(Method::GET, line.publisher, &path, &headers, "")
        .await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    line.accepted(&notices::order_canceled(7, 70, "mira")).await;
    line.ends(7, "order_canceled", "booked").await;
    let changed = line
        .send(Method::GET, line.publisher, &path, &headers, "")
        .await;
    assert_eq!(changed.json()["status"], "canceled");
    line.stop().await;
}
