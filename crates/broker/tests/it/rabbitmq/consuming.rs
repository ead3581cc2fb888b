use std::time::{Duration, Instant};

use broker::{Broker, Link, State, Topology};
use task::Lane;
use testkit::{CuttingProxy, RabbitMq};

use crate::{PATIENCE, connect, orders, publish, take, wait_for};

const GRANT: &str = "grantline.grant.v1";

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
    let never = "consumers_rebuilt_total{queue=\"grantline.grant.v1\"} 0\n";
    let deadline = Instant::now() + PATIENCE;
    while telemetry.metrics_text().contains(never) {
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
