use std::time::{Duration, Instant};

use broker::{Broker, Link, State, Tier, Topology};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use order::Kind;
use serde_json::json;
use task::Lane;
use testkit::{CuttingProxy, RabbitMq};

use crate::{PATIENCE, connect, orders, take, task, wait_for};

const GRANT: &str = "grantline.grant.v1";

async fn publish(broker: &Broker, numbers: impl IntoIterator<Item = i64>) {
    for number in numbers {
        let task = task(Kind::OrderPaid, number);
        broker.publish(&task).await.expect("a confirm");
    }
}

#[tokio::test]
async fn after_a_cut_the_consumer_resumes_and_only_the_unfinished_come_back() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let broker = connect(vhost.config_through(&proxy)).await;
    let consumer = broker.consume(Lane::Grant, 10);
    publish(&broker, 1..=4).await;
    let held = take(&consumer, 4).await;
    consumer.finish([held[0].tag, held[1].tag]).await;
    // Written is not yet received: wait until the broker has taken the acknowledgement.
    vhost.wait_for_messages(GRANT, 2).await;

    proxy.cut();
    let is_down = |state: &State| matches!(state.consuming, Link::Down { .. });
    wait_for(&broker, "down", is_down).await;
    proxy.heal();
    let again = take(&consumer, 2).await;
    assert_eq!(orders(&again), [3, 4]);
    assert!(again.iter().all(|delivery| delivery.redelivered));

    wait_for(&broker, "back", State::is_healthy).await;
    publish(&broker, [5]).await;
    assert_eq!(orders(&take(&consumer, 1).await), [5]);
    // What was held before the cut means nothing on the new channel, though its deliveries
    // have the same numbers.
    consumer
        .finish(held.iter().map(|delivery| delivery.tag))
        .await;
    consumer.close().await;
    let consumer = broker.consume(Lane::Grant, 10);
    assert_eq!(orders(&take(&consumer, 3).await), [3, 4, 5]);
    broker.close().await;
}

#[tokio::test]
async fn finishing_out_of_order_never_covers_an_unfinished_delivery() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let consumer = broker.consume(Lane::Grant, 10);
    publish(&broker, 1..=6).await;
    let held = take(&consumer, 6).await;
    for index in [2, 0, 1, 5] {
        consumer.finish([held[index].tag]).await;
    }
    consumer.close().await;
    // The sixth was finished behind the fourth, so it comes again too.
    let consumer = broker.consume(Lane::Grant, 10);
    assert_eq!(orders(&take(&consumer, 3).await), [4, 5, 6]);
    broker.close().await;
}

#[tokio::test]
async fn a_batch_is_what_has_arrived_and_lingers_only_after_a_full_one() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    publish(&broker, 1..=5).await;
    let consumer = broker.consume(Lane::Grant, 100);
    let linger = Duration::from_secs(2);
    assert_eq!(consumer.batch(1, linger).await.len(), 1);
    let asked = Instant::now();
    assert_eq!(consumer.batch(5, linger).await.len(), 4);
    assert!(asked.elapsed() >= linger, "{:?}", asked.elapsed());
    publish(&broker, [6]).await;
    let asked = Instant::now();
    assert_eq!(consumer.batch(3, linger).await.len(), 1);
    assert!(asked.elapsed() < linger, "{:?}", asked.elapsed());
    broker.close().await;
}

#[tokio::test]
async fn a_batch_that_is_dropped_while_it_fills_loses_nothing() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    publish(&broker, 1..=3).await;
    let consumer = broker.consume(Lane::Grant, 100);
    assert_eq!(orders(&consumer.batch(1, Duration::ZERO).await), [1]);
    let filling = consumer.batch(3, Duration::from_mins(1));
    let dropped = tokio::time::timeout(Duration::from_secs(1), filling).await;
    assert!(dropped.is_err());
    assert_eq!(orders(&take(&consumer, 2).await), [2, 3]);
    broker.close().await;
}

/// The queue's real delay is shortened by a policy that beats the topology's own.
#[tokio::test]
async fn a_retried_task_comes_back_to_its_lane_after_the_delay_one_attempt_on() {
    let vhost = RabbitMq::vhost().await;
    let short = json!({
        "message-ttl": 1_500,
        "dead-letter-exchange": "grantline.tasks.v1",
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    });
    vhost
        .set_policy("short", "^grantline.retry.1m", short)
        .await;
    let broker = connect(vhost.config()).await;
    let consumer = broker.consume(Lane::Revoke, 10);
    broker.publish(&task(Kind::Refund, 7)).await.unwrap();
    let mut last = take(&consumer, 1).await.remove(0);
    for attempt in 1..=2 {
        let retried = Instant::now();
        consumer.retry(&last, Tier::OneMinute).await.unwrap();
        last = take(&consumer, 1).await.remove(0);
        assert!(retried.elapsed() >= Duration::from_millis(1_500));
        let mut expected = task(Kind::Refund, 7);
        expected.attempt = attempt;
        assert_eq!(last.task.as_ref().unwrap(), &expected);
        assert_eq!(last.lane, Some(Lane::Revoke));
    }
    consumer.finish([last.tag]).await;
    vhost.wait_for_messages("grantline.revoke.v1", 0).await;
    broker.close().await;
}

#[tokio::test]
async fn the_broker_parks_what_comes_back_too_often() {
    let vhost = RabbitMq::vhost().await;
    let impatient = json!({
        "delivery-limit": 2,
        "dead-letter-exchange": "grantline.parked.v1",
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    });
    vhost
        .set_policy("impatient", "^grantline.grant", impatient)
        .await;
    let broker = connect(vhost.config()).await;
    publish(&broker, [7]).await;
    for _ in 0..3 {
        let consumer = broker.consume(Lane::Grant, 1);
        assert_eq!(orders(&take(&consumer, 1).await), [7]);
        consumer.close().await;
    }
    let parking = broker.consume_parked(10);
    let parked = take(&parking, 1).await.remove(0);
    assert_eq!(parked.parked.as_deref(), Some("delivery_limit"));
    assert_eq!(parked.lane, Some(Lane::Grant));
    assert_eq!(parked.task.unwrap(), task(Kind::OrderPaid, 7));
    broker.close().await;
}

#[tokio::test]
async fn a_parked_task_keeps_its_reason_and_leaves_the_work_queue() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let consumer = broker.consume(Lane::Grant, 10);
    publish(&broker, [7]).await;
    let delivery = take(&consumer, 1).await.remove(0);
    consumer
        .park(&delivery, "unreadable: no items")
        .await
        .unwrap();
    let parking = broker.consume_parked(10);
    let parked = take(&parking, 1).await.remove(0);
    assert_eq!(parked.parked.as_deref(), Some("unreadable: no items"));
    assert_eq!(parked.task.unwrap(), task(Kind::OrderPaid, 7));
    parking.finish([parked.tag]).await;
    vhost.wait_for_messages(GRANT, 0).await;
    vhost.wait_for_messages("grantline.parked.v1", 0).await;
    broker.close().await;
}

#[tokio::test]
async fn a_message_without_our_headers_is_handed_out_and_can_be_parked() {
    let vhost = RabbitMq::vhost().await;
    let properties = lapin::ConnectionProperties::default();
    let stranger = lapin::Connection::connect(vhost.url(), properties)
        .await
        .unwrap();
    let channel = stranger.create_channel().await.unwrap();
    channel
        .confirm_select(ConfirmSelectOptions::default())
        .await
        .unwrap();
    let confirm = channel
        .basic_publish(
            "grantline.tasks.v1".into(),
            "grant".into(),
            BasicPublishOptions::default(),
            b"what is this",
            lapin::BasicProperties::default(),
        )
        .await
        .unwrap();
    assert!(confirm.await.unwrap().is_ack());

    let broker = connect(vhost.config()).await;
    let consumer = broker.consume(Lane::Grant, 10);
    let delivery = take(&consumer, 1).await.remove(0);
    let unreadable = delivery.task.as_ref().unwrap_err();
    assert_eq!(&unreadable.body[..], b"what is this");
    assert!(unreadable.fault.to_string().contains("grantline-format"));
    consumer.park(&delivery, "unreadable").await.unwrap();
    let parking = broker.consume_parked(10);
    let parked = take(&parking, 1).await.remove(0);
    assert_eq!(&parked.task.unwrap_err().body[..], b"what is this");
    broker.close().await;
}

#[tokio::test]
async fn a_cancelled_consumer_takes_nothing_more_and_finishes_what_it_holds() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let consumer = broker.consume(Lane::Grant, 2);
    publish(&broker, 1..=4).await;
    let held = take(&consumer, 2).await;
    consumer.cancel().await;
    assert!(consumer.batch(10, Duration::ZERO).await.is_empty());
    consumer
        .finish(held.iter().map(|delivery| delivery.tag))
        .await;
    consumer.close().await;
    let other = broker.consume(Lane::Grant, 10);
    assert_eq!(orders(&take(&other, 2).await), [3, 4]);
    broker.close().await;
}

/// The watchdog rebuilds silent consumers; one that is silent because it holds as much as
/// it may is left alone, or a worker that waits for its database would get everything anew.
#[tokio::test]
async fn a_full_prefetch_is_not_taken_for_a_silent_consumer() {
    let vhost = RabbitMq::vhost().await;
    let mut config = vhost.config();
    config.silence = Duration::from_millis(500);
    let broker = connect(config).await;
    let consumer = broker.consume(Lane::Grant, 2);
    publish(&broker, 1..=4).await;
    let held = take(&consumer, 2).await;
    tokio::time::sleep(Duration::from_millis(1_700)).await;
    consumer
        .finish(held.iter().map(|delivery| delivery.tag))
        .await;
    let next = take(&consumer, 2).await;
    assert_eq!(orders(&next), [3, 4]);
    assert!(next.iter().all(|delivery| !delivery.redelivered));
    broker.close().await;
}

/// Heartbeats would notice in the end; the watchdog asks after the queue and gets no answer.
#[tokio::test]
async fn a_consumer_that_hears_nothing_is_built_anew() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let mut config = vhost.config_through(&proxy);
    config.heartbeat = Duration::from_mins(1);
    config.silence = Duration::from_millis(300);
    config.connect_timeout = Duration::from_millis(700);
    let telemetry = telemetry::Telemetry::quiet();
    let broker = Broker::connect(config, "test", &telemetry.meter("broker"));
    let consumer = broker.consume(Lane::Grant, 10);
    wait_for(&broker, "connected", State::is_healthy).await;
    publish(&broker, [1]).await;
    assert_eq!(orders(&take(&consumer, 1).await), [1]);
    proxy.stall();
    let rebuilt = "consumers_rebuilt_total{queue=\"grantline.grant.v1\"}";
    let deadline = Instant::now() + PATIENCE;
    while !telemetry.metrics_text().contains(rebuilt) {
        assert!(Instant::now() < deadline, "never built anew");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    proxy.heal();
    let again = take(&consumer, 1).await;
    assert!(again[0].redelivered);
    broker.close().await;
}

/// Deleting the queue makes the broker cancel the consumer, without any error on the
/// channel.
#[tokio::test]
async fn a_consumer_cancelled_by_the_broker_says_what_is_missing_and_resumes() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let consumer = broker.consume(Lane::Grant, 10);
    publish(&broker, [1]).await;
    assert_eq!(orders(&take(&consumer, 1).await), [1]);
    let deleted = vhost.call_api(hyper::Method::DELETE, "queues", GRANT, None);
    assert!(deleted.await.is_some());
    let names_it = |state: &State| {
        let reason = state.consuming.reason().unwrap_or_default();
        reason.contains(GRANT) && reason.contains("grantline migrate")
    };
    wait_for(&broker, "missing", names_it).await;
    let new = Topology::declare(&vhost.config()).await.unwrap();
    assert_eq!(new, [format!("queue {GRANT}")]);
    wait_for(&broker, "back", State::is_healthy).await;
    publish(&broker, [2]).await;
    assert_eq!(orders(&take(&consumer, 1).await), [2]);
    broker.close().await;
}
