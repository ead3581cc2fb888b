//! Every sample goes through the line, and a second time changes nothing.

use std::collections::BTreeSet;

use hyper::{Method, StatusCode};
use order::Kind;
use serde_json::Value;
use task::MessageId;
use xsolla::{Glance, Notice, fixtures};

use crate::harness::{Line, Stack, eventually, on_both_stacks, project};

on_both_stacks!(
    every_sample_ends_in_the_ledger_and_a_repeat_changes_nothing,
    a_registered_player_is_confirmed_and_others_are_not,
);

/// Questions are answered on the spot, with what is known of an empty players table and
/// without a studio's service.
fn answer_expected(name: &str, kind: &Kind) -> StatusCode {
    match (name, kind.as_str()) {
        // It has no type; what it asks for is not known.
        ("web_shop_user_validation", _) => StatusCode::NOT_FOUND,
        (_, "user_validation" | "user_search") => StatusCode::BAD_REQUEST,
        (_, "partner_side_catalog" | "get_pincode") => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::NO_CONTENT,
    }
}

/// What the ledger says of everything that could have changed.
async fn books(line: &Line) -> Vec<Vec<String>> {
    let mut books = Vec::new();
    for table in [
        "bookings",
        "booking_lines",
        "balances",
        "stream_rows",
        "parked",
    ] {
        books.push(line.servers.rows(table).await);
    }
    books
}

async fn every_sample_ends_in_the_ledger_and_a_repeat_changes_nothing(stack: Stack) {
    let line = Line::start(stack).await;
    let mut expected = BTreeSet::new();
    for fixture in fixtures::ALL {
        let kind = Glance::of(fixture.body).kind;
        let answer = line.webhook_bytes(fixture.body).await;
        assert_eq!(
            answer.status,
            answer_expected(fixture.name, &kind),
            "{}: {answer:?}",
            fixture.name
        );
        if answer.status != StatusCode::NO_CONTENT {
            continue;
        }
        let digest = MessageId::of(fixture.body).to_string();
        let notice = Notice::read_for(project(), fixture.body);
        let reference = notice.map_or(digest.clone(), |notice| {
            notice.reference(&digest).to_string()
        });
        expected.insert((kind.to_string(), reference));
    }
    eventually("every sample has ended", async || {
        line.servers
            .ended()
            .await
            .into_iter()
            .collect::<BTreeSet<_>>()
            == expected
    })
    .await;
    line.queues_are_empty().await;
    let before = books(&line).await;
    assert!(!before[2].is_empty(), "{before:?}");

    for fixture in fixtures::ALL {
        line.webhook_bytes(fixture.body).await;
    }
    line.queues_are_empty().await;
    assert_eq!(books(&line).await, before);
    line.stop().await;
}

async fn a_registered_player_is_confirmed_and_others_are_not(stack: Stack) {
    let line = Line::start(stack).await;
    let path = format!("/v1/projects/{}/players/player-7f31c9", project());
    assert!(
        line.api(Method::PUT, &path, &Value::Null)
            .await
            .status
            .is_success()
    );
    let validation = |player: &str| {
        serde_json::json!({"notification_type": "user_validation", "user": {"id": player}})
            .to_string()
    };
    assert_eq!(
        line.webhook_bytes(validation("player-7f31c9")).await.status,
        StatusCode::NO_CONTENT
    );
    // Xsolla's own test asks for a player that must not exist.
    let refused = line.webhook_bytes(validation("test_xsolla_1")).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"]["code"], "INVALID_USER");
    line.stop().await;
}
