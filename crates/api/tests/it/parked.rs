//! Parked entries: found, read, replayed.

use bytes::Bytes;
use ledger::ParkedFilter;
use order::{Assertion, Kind, ParkReason, Reference};
use serde_json::{Value, json};
use task::{Lane, ParkedId};

use crate::bench::{Bench, id, noon, notice, paid, unclear};

/// Parks an unclear order 7 and a message without a project; gives their numbers.
async fn park_two(bench: &Bench) -> (i64, i64) {
    bench.book(unclear(7, "mira", 900)).await;
    let junk = Bytes::from_static(b"\xff junk");
    let parked = bench
        .ledger
        .park_raw(&junk, ParkReason::Unreadable, "no header", noon());
    parked.await.unwrap();
    let filter = ParkedFilter {
        limit: 10,
        ..ParkedFilter::default()
    };
    let views = bench.ledger.parked(&filter).await.unwrap();
    (views[0].id.0, views[1].id.0)
}

async fn found(bench: &Bench, key: &str, query: &str) -> Vec<i64> {
    let answer = bench.get(key, &format!("/v1/parked{query}")).await;
    let rows = answer.json["parked"].as_array().cloned();
    rows.unwrap_or_else(|| panic!("{}", answer.json))
        .iter()
        .map(|row| row["id"].as_i64().unwrap())
        .collect()
}

#[tokio::test]
async fn parked_entries_are_found_by_all_they_name() {
    let bench = Bench::new().await;
    let (order, junk) = park_two(&bench).await;
    assert_eq!(found(&bench, "desk", "").await, [order, junk]);
    for query in [
        "?project=44056",
        "?order=7",
        "?transaction=900",
        "?player=mira",
        "?order=7&player=mira&settled=true",
    ] {
        assert_eq!(found(&bench, "desk", query).await, [order], "{query}");
    }
    for query in ["?project=7", "?order=8", "?transaction=1", "?player=oleg"] {
        assert_eq!(found(&bench, "desk", query).await, [0; 0], "{query}");
    }
    let page = bench.get("desk", "/v1/parked?limit=1").await.json;
    assert_eq!(page["next_after"], order);
    assert_eq!(
        found(&bench, "desk", &format!("?after={order}")).await,
        [junk]
    );
}

#[tokio::test]
async fn a_key_with_projects_sees_only_their_entries() {
    let bench = Bench::new().await;
    let (order, junk) = park_two(&bench).await;
    assert_eq!(found(&bench, "shop", "").await, [0; 0]);
    let foreign = bench.get("shop", "/v1/parked?project=44056").await;
    assert_eq!(foreign.fault(), (403, "foreign_project"));
    for number in [order, junk] {
        let answer = bench.get("shop", &format!("/v1/parked/{number}")).await;
        assert_eq!(answer.fault(), (404, "not_found"), "{number}");
    }
}

#[tokio::test]
async fn a_body_is_shown_to_those_who_may_read_bodies() {
    let bench = Bench::new().await;
    let (order, junk) = park_two(&bench).await;
    let read = async |key, number: i64| -> Value {
        bench.get(key, &format!("/v1/parked/{number}")).await.json
    };
    let entry = read("desk", order).await;
    assert_eq!(
        (&entry["reason"], &entry["detail"], &entry["attempts"]),
        (
            &json!("nothing_to_grant"),
            &json!("the order lists nothing"),
            &json!(1)
        )
    );
    assert_eq!(
        (&entry["received_at"], &entry["settled_at"]),
        (&json!("2027-01-15T08:00:00Z"), &Value::Null)
    );
    assert_eq!(
        (entry.get("body"), &entry["body_bytes"]),
        (None, &json!(34))
    );
    let with_body = read("audit", order).await;
    assert_eq!(with_body["body"], r#"{"notification_type":"order_paid"}"#);
    assert_eq!(read("audit", junk).await["body_base64"], "/yBqdW5r");
    assert_eq!(read("desk", junk).await.get("body_base64"), None);
    let unknown = bench.get("audit", "/v1/parked/9999").await;
    assert_eq!(unknown.fault(), (404, "not_found"));
}

#[tokio::test]
async fn a_replay_puts_the_bytes_back_on_their_queue_as_they_came() {
    let bench = Bench::new().await;
    let (number, _) = park_two(&bench).await;
    bench.connected().await;
    let answer = bench
        .post("desk", &format!("/v1/parked/{number}/replay"))
        .await;
    assert_eq!(answer.status.as_u16(), 202, "{}", answer.json);

    let task = bench.taken(Lane::Grant).await;
    assert_eq!(task.body, r#"{"notification_type":"order_paid"}"#);
    assert_eq!((task.replay, task.attempt), (Some(ParkedId(number)), 0));
    assert_eq!((task.received_at, task.order), (noon(), Some(id(7))));
    assert_eq!(task.message, task::MessageId::of(&task.body));
    let entry = bench
        .get("desk", &format!("/v1/parked/{number}"))
        .await
        .json;
    assert_eq!(entry["replayed_at"], answer.json["replayed_at"]);
    assert_eq!(entry["settled_at"], Value::Null);
}

/// What an older version could not read stands under no type of use and without its ids.
#[tokio::test]
async fn a_replay_takes_the_queue_that_the_body_asks_for() {
    let bench = Bench::new().await;
    let assertion = Assertion::Unprocessable {
        reason: ParkReason::Unreadable,
        detail: "not understood".into(),
    };
    let mut entry = notice(Kind::Unreadable, Reference::message("m"), assertion);
    let stored = entry.notice.as_mut().unwrap();
    stored.body = Bytes::from_static(
        br#"{"notification_type":"order_paid","order":{"id":7},"user":{"external_id":"mira"}}"#,
    );
    stored.message = task::MessageId::of(&stored.body);
    bench.book(entry).await;
    let number = found(&bench, "desk", "").await[0];
    bench.connected().await;
    let path = format!("/v1/parked/{number}/replay");
    assert_eq!(bench.post("desk", &path).await.status.as_u16(), 202);
    let task = bench.taken(Lane::Grant).await;
    assert_eq!((task.kind, task.order), (Kind::OrderPaid, Some(id(7))));
    assert_eq!(task.player.unwrap().as_str(), "mira");
    assert_eq!(task.project, id(44_056));
}

#[tokio::test]
async fn what_is_settled_or_tells_no_project_is_not_replayed() {
    let bench = Bench::new().await;
    let (order, junk) = park_two(&bench).await;
    let answer = bench
        .post("desk", &format!("/v1/parked/{junk}/replay"))
        .await;
    assert_eq!(answer.fault(), (409, "not_replayable"));

    // The same notice with another body, which can be processed.
    let mut clear = paid(7, "mira", 900);
    clear.notice.as_mut().unwrap().message = task::MessageId::of(b"another");
    bench.book(clear).await;
    let answer = bench
        .post("desk", &format!("/v1/parked/{order}/replay"))
        .await;
    assert_eq!(answer.fault(), (409, "settled"));
    bench.vhost.wait_for_messages("grantline.grant.v1", 0).await;
}

#[tokio::test]
async fn a_replay_without_a_broker_is_a_503_and_not_noted() {
    let (bench, proxy) = Bench::with_proxy().await;
    let (number, _) = park_two(&bench).await;
    bench.connected().await;
    proxy.cut();
    let path = format!("/v1/parked/{number}/replay");
    let answer = bench.post("desk", &path).await;
    assert_eq!(answer.fault(), (503, "broker_unavailable"));
    assert_eq!(answer.headers["retry-after"], "1");
    let entry = bench
        .get("desk", &format!("/v1/parked/{number}"))
        .await
        .json;
    assert_eq!(entry["replayed_at"], Value::Null);
    // Reading and registering go on.
    let registered = bench
        .put(
            "game",
            "/v1/projects/44056/orders/8",
            r#"{"player":"mira"}"#,
        )
        .await;
    assert_eq!(registered.status.as_u16(), 201);
}
