//! What becomes of messages that cannot take the usual way.

use hyper::Method;
use task::Headers;

use crate::bench::{Bench, eventually, project, task};
use crate::ear::Ear;

const NOTICES: &str = "grantline_worker_notices_total";

/// The headers of a task, one of them changed.
fn headers(words: &str, name: &str, value: &str) -> Headers {
    let mut headers = task(words).headers();
    headers.set(name, value);
    headers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_the_broker_gave_up_is_shown_and_keeps_no_good_copy_away() {
    let bench = Bench::new().await;
    let mut ear = Ear::of(&bench).await;
    let words = "7 mira blade";
    let given_up = headers(words, "grantline-parked-reason", "delivery_limit");
    bench.start();
    ear.hears(&bench).await;
    bench.put("grantline.parked.v1", &given_up, words).await;
    let [parked] = bench.parked(1).await.try_into().unwrap();
    assert_eq!(
        (
            parked.reason.as_str(),
            parked.project,
            parked.order.map(order::OrderId::get)
        ),
        ("delivery_limit", Some(project()), Some(7))
    );
    assert_eq!(ear.first_of(7).await, [(1, "paid")]);
    assert_eq!(bench.shown("mira").await, ["7 paid"]);
    bench
        .vhost
        .wait_for_messages("grantline.parked.v1", 0)
        .await;
    let labels = [
        "outcome=\"parked\"",
        "reason=\"delivery_limit\"",
        "type=\"order_paid\"",
    ];
    assert!((bench.counted_with(NOTICES, &labels) - 1.0).abs() < f64::EPSILON);

    bench.publish(words).await;
    eventually("the good copy is granted", async || {
        bench.inventory("mira").await == ["blade×1"]
    })
    .await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_without_a_queue_ends_parked_under_its_order() {
    let bench = Bench::new().await;
    let binding = "e/grantline.tasks.v1/q/grantline.grant.v1/grant";
    let unbound = bench
        .vhost
        .call_api(Method::DELETE, "bindings", binding, None);
    assert!(unbound.await.is_some());
    bench.publish("7 mira blade").await;
    bench.start();
    let [parked] = bench.parked(1).await.try_into().unwrap();
    assert_eq!(
        (
            parked.reason.as_str(),
            parked.order.map(order::OrderId::get)
        ),
        ("unrouted", Some(7))
    );
    assert_eq!(bench.shown("mira").await, ["7 paid"]);
    bench
        .vhost
        .wait_for_messages("grantline.unrouted.v1", 0)
        .await;
    let labels = ["outcome=\"parked\"", "reason=\"unrouted\""];
    assert!((bench.counted_with(NOTICES, &labels) - 1.0).abs() < f64::EPSILON);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_with_a_damaged_header_is_found_by_its_order_and_can_be_replayed() {
    let bench = Bench::new().await;
    let words = "7 mira blade";
    let damaged = headers(words, "grantline-received-at", "noon");
    bench.put("grantline.tasks.v1", &damaged, words).await;
    bench.start();
    let [parked] = bench.parked(1).await.try_into().unwrap();
    assert_eq!(
        (
            parked.reason.as_str(),
            parked.project,
            parked.order.map(order::OrderId::get)
        ),
        ("unreadable", Some(project()), Some(7))
    );
    assert!(
        parked.detail.contains("grantline-received-at"),
        "{}",
        parked.detail
    );
    bench.drained().await;

    let mut replay = task(words);
    replay.replay = Some(parked.id);
    bench.broker.publish(&replay).await.unwrap();
    eventually("the replay is granted", async || {
        bench.inventory("mira").await == ["blade×1"]
    })
    .await;
    assert!(bench.parked(0).await.is_empty());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_tells_nothing_is_parked_and_counted() {
    let bench = Bench::new().await;
    bench
        .put("grantline.tasks.v1", &Headers::default(), "junk")
        .await;
    bench.start();
    let [parked] = bench.parked(1).await.try_into().unwrap();
    assert_eq!(
        (parked.reason.as_str(), parked.project),
        ("unreadable", None)
    );
    bench.drained().await;
    let labels = ["outcome=\"parked\"", "reason=\"unreadable\""];
    assert!((bench.counted_with(NOTICES, &labels) - 1.0).abs() < f64::EPSILON);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_another_format_waits_for_a_worker_that_knows_it() {
    let bench = Bench::new().await;
    let words = "7 mira blade";
    let newer = headers(words, "grantline-format", "2");
    bench.put("grantline.tasks.v1", &newer, words).await;
    bench.start();
    bench.waits("grantline.retry.1m.v1", 1).await;
    bench.drained().await;
    assert!(bench.parked(0).await.is_empty());
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn how_full_each_queue_is_can_be_read() {
    let bench = Bench::new().await;
    bench
        .put(
            "grantline.retry.1h.v1",
            &task("7 mira blade").headers(),
            "7 mira blade",
        )
        .await;
    bench.waits("grantline.retry.1h.v1", 1).await;
    bench.start();
    let depth = |queue: &str| {
        let series = format!("grantline_worker_queue_depth{{queue=\"{queue}\"}}");
        let text = bench.telemetry.metrics_text();
        let value = text.lines().find_map(|line| line.strip_prefix(&series))?;
        value.trim().parse::<u64>().ok()
    };
    eventually("the depths are known", async || {
        depth("grantline.retry.1h.v1") == Some(1) && depth("grantline.unrouted.v1") == Some(0)
    })
    .await;
    bench.stop().await;
}
