//! Accept after confirm.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hyper::StatusCode;
use order::Kind;
use serde_json::json;
use task::{Lane, MessageId, Task};
use testkit::{CuttingProxy, Postgres, RabbitMq, StudioService};
use xsolla::fixtures;

use crate::line::{Line, PROJECT, Setup, player, project_id, studio_at};

const PATIENCE: Duration = Duration::from_secs(20);

/// Takes `count` tasks from a lane.
pub(crate) async fn take(role: &Line, lane: Lane, count: usize) -> Vec<Task> {
    let consumer = role.broker.consume(lane, 200);
    let mut taken = Vec::new();
    let taking = async {
        while taken.len() < count {
            for delivery in consumer.batch(100, Duration::ZERO).await {
                taken.push(delivery.task.unwrap());
                consumer.finish([delivery.tag]).await;
            }
        }
    };
    let all = tokio::time::timeout(PATIENCE, taking).await.is_ok();
    assert!(all, "{lane}: {} of {count} tasks came", taken.len());
    taken
}

/// Lane and answer of every fixture, written down by hand.
fn expectation(name: &str) -> (Option<Lane>, u16) {
    match name {
        "order_paid_combined"
        | "order_paid_combined_sandbox"
        | "order_paid_combined_v2_bundle_bonus"
        | "order_paid_free"
        | "order_paid_separate"
        | "order_paid_virtual_currency" => (Some(Lane::Grant), 204),
        "order_canceled_combined" | "order_canceled_separate" | "refund" => {
            (Some(Lane::Revoke), 204)
        }
        "user_validation"
        | "user_validation_minimal"
        | "user_validation_with_custom_parameters"
        | "user_search"
        | "web_shop_user_validation" => (None, 204),
        // The ledger knows no public ids.
        "user_search_public_only" => (None, 400),
        "partner_side_catalog" | "get_pincode" => (None, 200),
        _ => (Some(Lane::Record), 204),
    }
}

#[tokio::test]
async fn every_fixture_ends_with_its_answer_and_in_its_lane() {
    let quiet = telemetry::Config {
        level: "off".to_owned(),
        ..telemetry::Config::default()
    };
    // Spans have ids only with the process's subscriber.
    let _telemetry = telemetry::init(&quiet, "ingress", 1).unwrap();
    let vhost = RabbitMq::vhost().await;
    let database = Postgres::database().await;
    let ledger = database.ledger();
    ledger
        .register_player(project_id(), &player(), task::now())
        .await
        .unwrap();
    let studio = StudioService::start().await;
    studio.answer("/v1/catalogue", StatusCode::OK, r#"[{"sku":"blade"}]"#);
    studio.answer("/v1/pincode", StatusCode::OK, r#"{"pin_code":"AAAA-BBBB"}"#);
    let mut setup = Setup::new();
    setup.broker = vhost.config();
    setup.ledger = ledger;
    setup.project.studio = Some(studio_at(&studio));
    setup.project.players.deadline = Duration::from_secs(2);
    let role = setup.serve();
    role.connected().await;

    let mut expected: BTreeMap<Lane, Vec<&[u8]>> = BTreeMap::new();
    for fixture in fixtures::ALL {
        let (lane, status) = expectation(fixture.name);
        let answer = role.post(fixture.body).await;
        assert_eq!(answer.status.as_u16(), status, "{}", fixture.name);
        if let Some(lane) = lane {
            expected.entry(lane).or_default().push(fixture.body);
        }
    }
    for (lane, mut bodies) in expected {
        let tasks = take(&role, lane, bodies.len()).await;
        for task in &tasks {
            assert_eq!(task.project, project_id());
            assert_eq!(task.message, MessageId::of(&task.body));
            assert_eq!(Lane::of(&task.kind), lane);
            assert_eq!((task.attempt, task.replay), (0, None));
            assert!(task.trace.is_some(), "a task carries its request's trace");
        }
        let mut taken: Vec<&[u8]> = tasks.iter().map(|task| &task.body[..]).collect();
        bodies.sort_unstable();
        taken.sort_unstable();
        assert!(taken == bodies, "{lane}: bodies differ");
    }
}

/// A refusal of something paid gives the money back on some accounts, so whatever carries
/// the project's signature is taken.
#[tokio::test]
async fn whatever_is_signed_is_accepted_and_queued() {
    let vhost = RabbitMq::vhost().await;
    let mut setup = Setup::new();
    setup.broker = vhost.config();
    let role = setup.serve();
    role.connected().await;

    let deep = "[".repeat(5_000);
    let bodies: Vec<&[u8]> = vec![
        br#"{"notification_type":"brand_new","user":{"id":"player-7f31c9"}}"#,
        br#"{"notification_type":"order_paid""#,
        br#"{"order":{"id":7}}"#,
        b"",
        b"\xff\xfe",
        b"[]",
        deep.as_bytes(),
        br#"{"notification_type":7}"#,
        br#"{"notification_type":"refund","notification_type":"user_validation"}"#,
        br#"{"notification_type":"payment","settings":{"project_id":44056},"transaction":{"id":7}}"#,
    ];
    for body in &bodies {
        let answer = role.post(body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
        assert_eq!(answer.brief(), (204, String::new()), "{shown}");
    }
    let tasks = take(&role, Lane::Record, bodies.len()).await;
    let kinds: Vec<&Kind> = tasks.iter().map(|task| &task.kind).collect();
    for body in bodies {
        assert!(tasks.iter().any(|task| task.body == body));
    }
    assert!(kinds.contains(&&Kind::from("brand_new")));
    assert!(kinds.contains(&&Kind::Payment));
    let unreadable = kinds.iter().filter(|kind| ***kind == Kind::Unreadable);
    assert_eq!(unreadable.count(), 8);
    let project = format!(r#"project="{PROJECT}""#);
    assert!(role.counts("grantline_ingress_other_project", &[&project], 1));
}

/// The broker is reached through a proxy that is cut and then hangs. Notices are posted all
/// the while; afterwards every one that was accepted is on the queue, byte for byte.
#[tokio::test]
async fn what_was_accepted_is_on_the_queue_and_nothing_is_accepted_without_the_broker() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let mut setup = Setup::new();
    setup.broker = broker::Config {
        heartbeat: Duration::from_secs(1),
        ..vhost.config_through(&proxy)
    };
    let role = setup.serve();
    role.connected().await;
    let mut orders = 0;
    let mut order = || {
        orders += 1;
        let paid = json!({"notification_type": "order_paid", "order": {"id": orders}});
        Bytes::from(paid.to_string())
    };
    let mut accepted = Vec::new();

    accepted.push(accept(&role, &mut order).await);
    proxy.cut();
    for _ in 0..3 {
        assert_eq!(
            role.post(&order()).await.brief(),
            (503, "SERVER_ERROR".to_owned())
        );
    }
    proxy.heal();
    accepted.push(accept(&role, &mut order).await);
    proxy.stall();
    for _ in 0..2 {
        assert_eq!(role.post(&order()).await.status, 503);
    }
    proxy.heal();
    accepted.push(accept(&role, &mut order).await);

    let consumer = role.broker.consume(Lane::Grant, 100);
    let mut queued = Vec::new();
    let taking = async {
        while !accepted.iter().all(|body| queued.contains(body)) {
            for delivery in consumer.batch(100, Duration::ZERO).await {
                queued.push(delivery.task.unwrap().body);
            }
        }
    };
    let all = tokio::time::timeout(PATIENCE, taking).await.is_ok();
    assert!(all, "accepted {accepted:?}, queued {queued:?}");
}

/// Posts new orders until one is accepted.
async fn accept(role: &Line, order: &mut impl FnMut() -> Bytes) -> Bytes {
    let accepting = async {
        loop {
            let body = order();
            match role.post(&body).await.status.as_u16() {
                204 => return body,
                503 => {}
                other => panic!("{other}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, accepting).await.unwrap()
}

#[tokio::test]
async fn a_queue_that_refuses_is_503() {
    let vhost = RabbitMq::vhost().await;
    let full = json!({"max-length": 1, "overflow": "reject-publish"});
    vhost.set_policy("full", "grant", full).await;
    let mut setup = Setup::new();
    setup.broker = vhost.config();
    let role = setup.serve();
    role.connected().await;

    let refused = async { while role.post(fixtures::ORDER_PAID_FREE).await.status != 503 {} };
    tokio::time::timeout(PATIENCE, refused).await.unwrap();
    // The other lanes go on.
    assert_eq!(role.post(fixtures::REFUND).await.status, 204);
}
