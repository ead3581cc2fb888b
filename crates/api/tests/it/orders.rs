//! Registering created orders, and what is known of them.

use std::time::Duration;

use broker::{Broker, HintEvent};
use order::{Assertion, Kind, Reference, Status};
use serde_json::{Value, json};

use crate::bench::{Bench, PROJECT, id, notice, paid};

const ORDER: &str = "/v1/projects/44056/orders/7";

#[tokio::test]
async fn a_created_order_is_new_and_its_player_keeps_it() {
    let bench = Bench::new().await;
    let content = json!({
        "price": {"amount": "9.99", "currency": "USD"},
        "items": [{"sku": "sword", "quantity": 2}],
    });
    let body = json!({"player": "mira", "content": content}).to_string();
    let first = bench.put("game", ORDER, &body).await;
    assert_eq!(
        (first.status.as_u16(), first.json),
        (201, json!({"order": 7, "player": "mira", "status": "new"}))
    );
    assert_eq!(bench.put("game", ORDER, &body).await.status.as_u16(), 200);
    let other = bench.put("game", ORDER, r#"{"player":"oleg"}"#).await;
    assert_eq!(other.fault(), (409, "other_player"));

    let order = bench.get("game", ORDER).await.json;
    assert_eq!(
        (
            &order["player"],
            &order["status"],
            &order["facts"]["created"]
        ),
        (&json!("mira"), &json!("new"), &json!(true))
    );
    assert_eq!(
        order["content"],
        json!({
            "price": {"amount": "9.99", "currency": "USD"}, "is_virtual": false, "is_free": false,
            "items": [{"sku": "sword", "quantity": 2, "is_free": false, "price": null}],
        })
    );
}

#[tokio::test]
async fn a_registered_order_is_hinted_to_the_publishers() {
    let bench = Bench::new().await;
    let meter = bench.telemetry.meter("test");
    let publisher = Broker::connect(bench.vhost.config(), "publisher", &meter);
    let mut hints = publisher.hints();
    // The first word of a connection that hears.
    let limit = Duration::from_secs(20);
    let first = tokio::time::timeout(limit, hints.next()).await;
    assert_eq!(first, Ok(Some(HintEvent::Gap)));
    bench.connected().await;
    bench.put("game", ORDER, r#"{"player":"mira"}"#).await;
    let heard = tokio::time::timeout(limit, hints.next());
    let Some(HintEvent::Hints(heard)) = heard.await.unwrap() else {
        panic!("no hints");
    };
    let rows: Vec<_> = heard
        .rows
        .iter()
        .map(|hint| (hint.order.get(), hint.offset, hint.status))
        .collect();
    assert_eq!(rows, [(7, 1, Status::New)]);
    assert_eq!(heard.epoch, bench.ledger.epoch().await.unwrap());
    publisher.close().await;
}

#[tokio::test]
async fn an_order_is_read_with_its_bookings_notices_and_conflicts() {
    let bench = Bench::new().await;
    bench.book(paid(7, "mira", 900)).await;
    let mut repeat = paid(7, "mira", 900);
    repeat.notice.as_mut().unwrap().fingerprint = [1; 32];
    bench.book(repeat).await;

    let order = bench.get("game", ORDER).await.json;
    let noon = json!("2027-01-15T08:00:00Z");
    assert_eq!(
        (&order["status"], &order["transaction"], &order["first_at"]),
        (&json!("done"), &json!(900), &noon)
    );
    assert_eq!(
        order["bookings"],
        json!([{
            "source": "order:7", "direction": "grant", "player": "mira", "kind": "order_paid",
            "state": "held", "booked_at": noon, "lines": [{"sku": "sword", "quantity": 2}],
        }])
    );
    let [notice] = order["notices"].as_array().unwrap().as_slice() else {
        panic!("{order}");
    };
    assert_eq!(
        (
            &notice["kind"],
            &notice["reference"],
            &notice["seen"],
            &notice["outcome"]
        ),
        (
            &json!("order_paid"),
            &json!("7"),
            &json!(2),
            &json!("booked")
        )
    );
    assert_eq!(notice["trace_id"], "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(notice["message_id"].as_str().unwrap().len(), 64);
    assert_eq!(
        order["conflicts"],
        json!([{"kind": "order_paid", "what": "repeat_differs", "at": noon}])
    );
}

#[tokio::test]
async fn a_transaction_leads_to_its_order() {
    let bench = Bench::new().await;
    bench.book(paid(7, "mira", 900)).await;
    let refund = Assertion::Refund {
        transaction: id(900),
        player: None,
        code: Some(1),
    };
    let reference = Reference::transaction(id(900));
    bench.book(notice(Kind::Refund, reference, refund)).await;
    let path = "/v1/projects/44056/transactions/900";
    let transaction = bench.get("game", path).await.json;
    assert_eq!(
        (
            &transaction["order"],
            &transaction["refund"],
            &transaction["refund_code"]
        ),
        (&json!(7), &json!(true), &json!(1))
    );
    assert_eq!(transaction["notices"].as_array().map(Vec::len), Some(2));
    let unknown = bench.get("game", "/v1/projects/44056/transactions/1").await;
    assert_eq!(unknown.fault(), (404, "not_found"));
}

#[tokio::test]
async fn what_is_not_known_or_of_another_project_is_not_found() {
    let bench = Bench::new().await;
    bench.book(paid(8, "mira", 900)).await;
    assert_eq!(bench.get("game", ORDER).await.fault(), (404, "not_found"));
    let elsewhere = bench.get("game", "/v1/projects/7/orders/8").await;
    assert_eq!(elsewhere.fault(), (404, "not_found"));
}

#[tokio::test]
async fn a_whole_number_may_be_written_with_a_point() {
    let bench = Bench::new().await;
    let body = r#"{"player": "mira", "content": {"items": [{"sku": "sword", "quantity": 2.0}]}}"#;
    assert_eq!(bench.put("game", ORDER, body).await.status.as_u16(), 201);
    let order = bench.get("game", ORDER).await;
    assert_eq!(order.json["content"]["items"][0]["quantity"], 2);
}

#[tokio::test]
async fn a_registration_that_cannot_be_read_says_which_field_is_wrong() {
    let bench = Bench::new().await;
    let item = |item: Value| json!({"player": "mira", "content": {"items": [item]}}).to_string();
    let money = |amount: &str, currency: &str| {
        let price = json!({"amount": amount, "currency": currency});
        json!({"player": "mira", "content": {"price": price}}).to_string()
    };
    let long = "x".repeat(300);
    for (body, field) in [
        (String::new(), "the body"),
        ("[]".into(), "the body"),
        ("{}".into(), "`player`"),
        (json!({"player": ""}).to_string(), "`player`"),
        (json!({"player": "a\u{0}"}).to_string(), "`player`"),
        (
            json!({"player": "mira", "colour": 1}).to_string(),
            "`colour`",
        ),
        (item(json!({"sku": "sword", "quantity": 0})), "quantity"),
        (item(json!({"sku": "sword", "quantity": 1.5})), "`quantity`"),
        (
            item(json!({"sku": "sword", "quantity": 1e19})),
            "`quantity`",
        ),
        (item(json!({"sku": "sword", "quantity": "1"})), "number"),
        (item(json!({"sku": "", "quantity": 1})), "sku"),
        (money("9,99", "USD"), "amount"),
        (money("9.99", "US\u{0}"), "currency"),
        (money("9.99", &long), "currency"),
    ] {
        let answer = bench.put("game", ORDER, &body).await;
        assert_eq!(answer.fault(), (400, "invalid"), "{body}");
        assert!(
            answer.message().contains(field),
            "{body}: {}",
            answer.message()
        );
    }
    let order = bench.ledger.order(id(PROJECT), id(7)).await.unwrap();
    assert_eq!(order, None);
}
