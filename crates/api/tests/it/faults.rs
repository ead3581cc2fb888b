//! Requests that cannot be served.

use std::time::Duration;

use hyper::Method;
use ledger::{Config, Ledger};
use secret::Secret;

use crate::bench::Bench;

#[tokio::test]
async fn what_the_api_does_not_know_is_refused_with_advice() {
    let bench = Bench::new().await;
    let answer = bench.get("game", "/v1/projects/44056/orders").await;
    assert_eq!(answer.fault(), (404, "no_route"));
    let answer = bench.post("game", "/v1/projects/44056/orders/7").await;
    assert_eq!(answer.fault(), (405, "wrong_method"));
    assert_eq!(answer.headers["allow"], "GET, HEAD, PUT");
    let answer = bench.get("game", "/v1/projects/44056/orders/seven").await;
    assert_eq!(answer.fault(), (400, "invalid"));
    assert!(answer.message().contains("`order`"), "{}", answer.message());
    let answer = bench.get("game", "/v1/parked?oder=7").await;
    assert_eq!(answer.fault(), (400, "invalid"));
    assert!(
        answer.message().contains("project, order,"),
        "{}",
        answer.message()
    );
}

#[tokio::test]
async fn a_body_above_the_limit_is_refused() {
    let bench = Bench::new().await;
    let path = "/v1/projects/44056/orders/7";
    let body = format!("{{\"player\":\"{}\"}}", "x".repeat(5_000));
    let answer = bench
        .call(Some("Bearer game-key"), Method::PUT, path, body)
        .await;
    assert_eq!(answer.fault(), (413, "body_too_large"));
}

#[tokio::test]
async fn a_ledger_that_is_away_is_a_503_to_be_tried_again() {
    let nowhere = Secret::inline("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let away = Config {
        acquire_timeout: Duration::from_millis(200),
        ..Config::at(nowhere)
    };
    let bench = Bench::with_ledger(Ledger::open(&away).unwrap()).await;
    let reading = bench.get("game", "/v1/projects/44056/orders/7").await;
    let writing = bench
        .put(
            "game",
            "/v1/projects/44056/orders/7",
            r#"{"player":"mira"}"#,
        )
        .await;
    for answer in [reading, writing] {
        assert_eq!(answer.fault(), (503, "ledger_unavailable"));
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(
            !answer.message().contains("127.0.0.1"),
            "{}",
            answer.message()
        );
    }
}
