//! What game servers and operators do over the api.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Line, PROJECT, Stack, eventually, on_both_stacks};
use crate::notices;

on_both_stacks!(
    an_order_is_followed_from_registration_to_cancellation,
    a_parked_order_is_found_replayed_and_granted_once,
    what_names_only_a_player_is_found_by_that_player,
);

async fn an_order_is_followed_from_registration_to_cancellation(stack: Stack) {
    let line = Line::start(stack).await;
    let order = format!("/v1/projects/{PROJECT}/orders/7");
    let created = line
        .api(Method::PUT, &order, &json!({"player": "mira"}))
        .await;
    assert!(created.status.is_success(), "{created:?}");
    assert_eq!(
        line.api(Method::GET, &order, &Value::Null).await.json()["status"],
        "new"
    );

    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    line.ends(7, "order_paid", "booked").await;
    line.accepted(&notices::order_canceled(7, 70, "mira")).await;
    line.ends(7, "order_canceled", "booked").await;

    let found = line.api(Method::GET, &order, &Value::Null).await.json();
    assert_eq!(found["status"], "canceled");
    let directions = |found: &Value| {
        let bookings = found["bookings"].as_array().unwrap().iter();
        bookings
            .map(|booking| booking["direction"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(directions(&found), ["grant", "revoke"]);
    let stream: Vec<_> = line.stream("mira").await.iter().map(|row| row.2).collect();
    assert_eq!(stream, ["new", "paid", "done", "canceled"]);

    let transaction = format!("/v1/projects/{PROJECT}/transactions/70");
    assert_eq!(
        line.api(Method::GET, &transaction, &Value::Null)
            .await
            .json()["order"],
        7
    );
    line.stop().await;
}

async fn a_parked_order_is_found_replayed_and_granted_once(stack: Stack) {
    let line = Line::start(stack).await;
    let on_postgres = "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
                       BEGIN RAISE EXCEPTION 'the catalogue is closed'; END $$;
                       CREATE TRIGGER reject BEFORE INSERT ON booking_lines
                       FOR EACH ROW EXECUTE FUNCTION reject()";
    let on_sqlite = "CREATE TRIGGER reject BEFORE INSERT ON booking_lines
                     BEGIN SELECT RAISE(ABORT, 'the catalogue is closed'); END";
    line.servers.run(on_postgres, on_sqlite).await;
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    eventually("parked", async || line.parked().await.len() == 1).await;
    let listed = line
        .api(Method::GET, "/v1/parked?order=7", &Value::Null)
        .await
        .json();
    let id = listed["parked"][0]["id"].as_i64().unwrap();
    assert_eq!(listed["parked"][0]["reason"], "rejected", "{listed}");

    line.servers
        .run(
            "DROP TRIGGER reject ON booking_lines",
            "DROP TRIGGER reject",
        )
        .await;
    for _ in 0..2 {
        let replayed = line
            .api(
                Method::POST,
                &format!("/v1/parked/{id}/replay"),
                &Value::Null,
            )
            .await;
        assert!(
            replayed.status.is_success() || replayed.status == StatusCode::CONFLICT,
            "{replayed:?}"
        );
    }
    eventually("granted", async || {
        line.inventory("mira").await == ["blade×2"]
    })
    .await;
    eventually("settled", async || line.parked().await.is_empty()).await;
    line.queues_are_empty().await;
    assert_eq!(line.inventory("mira").await, ["blade×2"]);
    line.stop().await;
}

async fn what_names_only_a_player_is_found_by_that_player(stack: Stack) {
    let line = Line::start(stack).await;
    line.accepted(&notices::payment(70, "mira")).await;
    let path = format!("/v1/projects/{PROJECT}/players/mira/notices");
    eventually("the payment is listed", async || {
        let listed = line.api(Method::GET, &path, &Value::Null).await.json();
        listed["notices"][0]["kind"] == "payment"
    })
    .await;
    line.stop().await;
}
