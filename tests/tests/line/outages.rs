//! What Xsolla and the player see while a server is away, and afterwards.

use std::time::{Duration, Instant};

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Line, Stack, eventually, project};
use crate::notices;

#[tokio::test(flavor = "multi_thread")]
async fn broker_down_answers_503_and_leaves_no_trace_until_xsolla_repeats() {
    let line = Line::start(Stack::Cluster).await;
    line.cluster().to_broker.cut();
    let notice = notices::order_paid(7, 70, "mira").to_string();
    // The first may still be written to a connection that is just dying.
    eventually("refused for now", async || {
        line.webhook_bytes(notice.clone()).await.status == StatusCode::SERVICE_UNAVAILABLE
    })
    .await;
    let began = Instant::now();
    assert_eq!(
        line.webhook_bytes(notice.clone()).await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "Xsolla advises answers within 3 s"
    );
    assert!(line.order(7).await.is_none());
    line.cluster().to_broker.heal();
    eventually("accepted again", async || {
        line.webhook_bytes(notice.clone()).await.status == StatusCode::NO_CONTENT
    })
    .await;
    eventually("granted once", async || {
        line.inventory("mira").await == ["blade×2"]
    })
    .await;
    line.queues_are_empty().await;
    assert_eq!(line.inventory("mira").await, ["blade×2"]);
    line.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_down_costs_a_delay_and_nothing_else() {
    let line = Line::start(Stack::Cluster).await;
    line.cluster().to_database.cut();
    for order in 1..=20 {
        line.accepted(&notices::order_paid(order, 100 + order, "mira"))
            .await;
    }
    line.cluster().to_database.heal();
    eventually("all granted", async || {
        line.inventory("mira").await == ["blade×40"]
    })
    .await;
    line.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_down_or_emptied_changes_nothing() {
    let line = Line::start(Stack::Cluster).await;
    line.accepted(&notices::order_paid(1, 101, "mira")).await;
    eventually("granted", async || {
        line.inventory("mira").await == ["blade×2"]
    })
    .await;
    line.cluster().to_redis.cut();
    line.accepted(&notices::order_paid(1, 101, "mira")).await;
    line.accepted(&notices::order_paid(2, 102, "mira")).await;
    eventually("the second granted", async || {
        line.inventory("mira").await == ["blade×4"]
    })
    .await;
    line.cluster().to_redis.heal();
    let mut redis = line.cluster().keys.connection().await;
    let marks: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}*", line.cluster().keys.prefix))
        .query_async(&mut redis)
        .await
        .unwrap();
    if !marks.is_empty() {
        let _: () = redis::cmd("DEL")
            .arg(&marks)
            .query_async(&mut redis)
            .await
            .unwrap();
    }
    line.accepted(&notices::order_paid(1, 101, "mira")).await;
    line.accepted(&notices::order_canceled(2, 102, "mira"))
        .await;
    eventually("one taken back", async || {
        line.inventory("mira").await == ["blade×2"]
    })
    .await;
    line.queues_are_empty().await;
    assert_eq!(line.inventory("mira").await, ["blade×2"]);
    line.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_player_can_pay_while_the_ledger_is_down_and_a_stranger_gets_no_silent_yes() {
    let line = Line::start(Stack::Cluster).await;
    let path = format!("/v1/projects/{}/players/mira", project());
    assert!(
        line.api(Method::PUT, &path, &Value::Null)
            .await
            .status
            .is_success()
    );
    let ask = async |player: &str| {
        let question = json!({"notification_type": "user_validation", "user": {"id": player}});
        line.webhook_bytes(question.to_string()).await.status
    };
    assert_eq!(ask("mira").await, StatusCode::NO_CONTENT);
    line.cluster().to_database.cut();
    assert_eq!(ask("mira").await, StatusCode::NO_CONTENT);
    assert_eq!(ask("stranger").await, StatusCode::SERVICE_UNAVAILABLE);
    line.cluster().to_database.heal();
    line.stop().await;
}
