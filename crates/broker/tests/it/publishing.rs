use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use broker::{Config, Link, PublishError, State};
use futures_util::FutureExt;
use order::Kind;
use secret::Secret;
use serde_json::json;
use task::Lane;
use testkit::{CuttingProxy, RabbitMq};

use crate::{connect, order, orders, start, take, task, wait_for};

#[tokio::test]
async fn a_confirmed_task_is_on_the_queue_of_its_lane_byte_for_byte() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let kinds = [Kind::OrderPaid, Kind::Refund, Kind::Other("new".into())];
    for (kind, lane) in kinds.into_iter().zip(Lane::ALL) {
        let task = task(kind, 7);
        broker.publish(&task).await.unwrap();
        let consumer = broker.consume(lane, 10);
        let delivery = take(&consumer, 1).await.remove(0);
        assert_eq!(delivery.task.unwrap(), task);
        assert_eq!(delivery.lane, Some(lane));
        assert!(!delivery.redelivered);
        assert_eq!(delivery.parked, None);
        consumer.finish([delivery.tag]).await;
        consumer.close().await;
    }
    broker.close().await;
}

#[tokio::test]
async fn a_task_that_cannot_be_routed_waits_in_the_unrouted_queue() {
    let vhost = RabbitMq::vhost().await;
    let rest = "e/grantline.tasks.v1/q/grantline.grant.v1/grant";
    let unbound = vhost.call_api(hyper::Method::DELETE, "bindings", rest, None);
    assert!(unbound.await.is_some());
    let broker = connect(vhost.config()).await;
    broker.publish(&task(Kind::OrderPaid, 7)).await.unwrap();
    let depths = broker.depths().await.unwrap();
    let ready = |name: &str| depths.iter().find(|d| d.queue == name).unwrap().ready;
    assert_eq!(ready("grantline.unrouted.v1"), 1);
    assert_eq!(ready("grantline.grant.v1"), 0);
    let unrouted = broker.consume_unrouted(10);
    let delivery = take(&unrouted, 1).await.remove(0);
    assert_eq!(delivery.lane, Some(Lane::Grant));
    assert_eq!(delivery.task.unwrap(), task(Kind::OrderPaid, 7));
    unrouted.finish([delivery.tag]).await;
    vhost.wait_for_messages("grantline.unrouted.v1", 0).await;
    broker.close().await;
}

/// Two tasks that share a channel of the client have their confirms swapped now and then.
/// So a queue that refuses nearly everything and one that takes everything are filled at
/// once by many tasks, and every verdict is compared with what the queue really holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_refused_task_is_ever_reported_as_safe() {
    const WRITERS: i64 = 32;
    const EACH: i64 = 150;
    let vhost = RabbitMq::vhost().await;
    let full = json!({ "max-length": 5, "overflow": "reject-publish" });
    vhost.set_policy("full", "^grantline.grant", full).await;
    let broker = connect(vhost.config()).await;
    let writers = (0..WRITERS).map(|writer| {
        let broker = broker.clone();
        tokio::spawn(async move {
            let mut safe = Vec::new();
            let mut refused = 0;
            for step in 0..EACH {
                let number = 1 + writer * EACH + step;
                match broker.publish(&task(Kind::OrderPaid, number)).await {
                    Ok(()) => safe.push(number),
                    Err(PublishError::Refused) => refused += 1,
                    Err(other) => panic!("{other}"),
                }
                let taken = broker.publish(&task(Kind::Refund, number)).await;
                taken.expect("a queue with room");
            }
            (safe, refused)
        })
    });
    let outcomes = futures_util::future::join_all(writers).await;
    let mut safe = Vec::new();
    let mut refused = 0;
    for outcome in outcomes {
        let (more, count) = outcome.unwrap();
        safe.extend(more);
        refused += count;
    }
    assert!(refused > WRITERS * EACH / 2, "only {refused} were refused");
    let consumer = broker.consume(Lane::Grant, 2_000);
    let held: BTreeSet<i64> = orders(&take(&consumer, safe.len()).await)
        .into_iter()
        .collect();
    assert_eq!(held, safe.into_iter().collect());
    broker.close().await;
}

#[tokio::test]
async fn a_cut_connection_fails_publishes_at_once_and_comes_back_by_itself() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let broker = connect(vhost.config_through(&proxy)).await;
    broker.publish(&task(Kind::OrderPaid, 1)).await.unwrap();
    proxy.cut();
    let is_down = |state: &State| matches!(state.publishing, Link::Down { .. });
    wait_for(&broker, "down", is_down).await;
    let asked = Instant::now();
    let refused = broker.publish(&task(Kind::OrderPaid, 2)).await.unwrap_err();
    assert!(
        matches!(refused, PublishError::Unavailable { .. }),
        "{refused}"
    );
    assert!(asked.elapsed() < Duration::from_millis(100));
    proxy.heal();
    wait_for(&broker, "back", State::is_healthy).await;
    broker.publish(&task(Kind::OrderPaid, 3)).await.unwrap();
    let consumer = broker.consume(Lane::Grant, 10);
    assert_eq!(orders(&take(&consumer, 2).await), [1, 3]);
    broker.close().await;
}

#[tokio::test]
async fn publishes_in_flight_when_the_connection_is_cut_are_told_so() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let broker = connect(vhost.config_through(&proxy)).await;
    proxy.stall();
    let first = task(Kind::OrderPaid, 1);
    let waiting = broker.publish(&first);
    let cutting = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.cut();
    };
    let (outcome, ()) = tokio::join!(waiting, cutting);
    let fault = outcome.unwrap_err();
    assert!(matches!(fault, PublishError::Unavailable { .. }), "{fault}");
    assert!(fault.outcome_unknown());
}

#[tokio::test]
async fn a_broker_that_hangs_is_waited_for_no_longer_than_configured() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let mut config = vhost.config_through(&proxy);
    config.channels = 1.try_into().unwrap();
    config.in_flight = 1.try_into().unwrap();
    let (confirm, slot) = (config.confirm_timeout, config.slot_timeout);
    let broker = connect(config).await;
    proxy.stall();
    let (first, second) = (task(Kind::OrderPaid, 1), task(Kind::OrderPaid, 2));
    let asked = Instant::now();
    let holder = async {
        let outcome = broker.publish(&first).await;
        (outcome, asked.elapsed())
    };
    let queued = async {
        let outcome = broker.publish(&second).await;
        (outcome, asked.elapsed())
    };
    let ((first, first_took), (second, second_took)) = tokio::join!(holder, queued);
    assert_eq!(first, Err(PublishError::TimedOut));
    assert_eq!(second, Err(PublishError::Full));
    assert!(
        first_took >= confirm && first_took < confirm * 2,
        "{first_took:?}"
    );
    assert!(
        second_took >= slot && second_took < confirm,
        "{second_took:?}"
    );
}

#[tokio::test]
async fn a_caller_that_gives_up_neither_loses_nor_doubles_its_task() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    for number in 1..=50 {
        let task = task(Kind::OrderPaid, number);
        let given_up = broker.publish(&task).now_or_never();
        assert!(given_up.is_none(), "a confirm takes a round trip");
    }
    broker.publish(&task(Kind::OrderPaid, 51)).await.unwrap();
    let consumer = broker.consume(Lane::Grant, 100);
    let mut seen: Vec<i64> = take(&consumer, 51).await.iter().map(order).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=51).collect::<Vec<_>>());
    let more = consumer.batch(1, Duration::ZERO);
    let more = tokio::time::timeout(Duration::from_millis(500), more).await;
    assert!(more.is_err(), "{more:?}");
    broker.close().await;
}

#[tokio::test]
async fn closing_waits_for_the_confirms_that_are_due_and_takes_nothing_more() {
    let vhost = RabbitMq::vhost().await;
    let broker = connect(vhost.config()).await;
    let tasks: Vec<_> = (1..=100).map(|n| task(Kind::OrderPaid, n)).collect();
    let publishes = futures_util::future::join_all(tasks.iter().map(|task| broker.publish(task)));
    let closing = async {
        tokio::task::yield_now().await;
        broker.close().await;
    };
    let (outcomes, ()) = tokio::join!(publishes, closing);
    assert_eq!(outcomes, vec![Ok(()); 100]);
    let late = broker.publish(&tasks[0]).await.unwrap_err();
    assert!(matches!(late, PublishError::Unavailable { .. }), "{late}");
}

#[tokio::test]
async fn without_a_broker_everything_answers_at_once() {
    let vhost = RabbitMq::empty_vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    proxy.cut();
    let broker = start(vhost.config_through(&proxy));
    let fault = broker.publish(&task(Kind::OrderPaid, 1)).await.unwrap_err();
    assert!(matches!(fault, PublishError::Unavailable { .. }), "{fault}");
    broker.close().await;
}

/// A broker that takes connections and says nothing. The client keeps a thread for every
/// attempt that is dropped half-way.
#[tokio::test]
async fn a_broker_that_never_answers_is_not_asked_over_and_over() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("amqp://u:p@{}/%2f", silent.local_addr().unwrap());
    let mut config = Config::at(Secret::inline(url).unwrap());
    config.connect_timeout = Duration::from_millis(50);
    let broker = start(config);
    let taking = async {
        let mut taken = Vec::new();
        loop {
            taken.push(silent.accept().await.unwrap());
            assert!(taken.len() < 2, "a second attempt beside the first");
        }
    };
    let no_answer = |state: &State| {
        let reason = state.publishing.reason().unwrap_or_default();
        reason.contains("no answer within 50ms")
    };
    let asking = async {
        wait_for(&broker, "given up", no_answer).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        () = asking => {}
        () = taking => {}
    }
    broker.close().await;
}

/// A method of class `connection` (10) on channel 0, as AMQP writes it. A real alarm stops
/// the whole broker and with it every other test, so the proxy says it.
fn connection_method(number: u8, reason: &str) -> Vec<u8> {
    let length = |bytes: usize| u8::try_from(bytes).expect("a short text");
    let mut payload = vec![0, 10, 0, number];
    if !reason.is_empty() {
        payload.push(length(reason.len()));
        payload.extend(reason.bytes());
    }
    let mut frame = vec![1, 0, 0, 0, 0, 0, length(payload.len())];
    frame.extend(payload);
    frame.push(0xCE);
    frame
}

const BLOCKED: u8 = 60;
const UNBLOCKED: u8 = 61;

#[tokio::test]
async fn a_blocked_broker_refuses_at_once_those_who_wait_and_those_who_come() {
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let mut config = vhost.config_through(&proxy);
    config.confirm_timeout = Duration::from_secs(30);
    let broker = connect(config).await;
    let blocked = Err(PublishError::Blocked {
        reason: "low on disk".to_owned(),
    });

    proxy.stall();
    let first = task(Kind::OrderPaid, 1);
    let asked = Instant::now();
    let alarm = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        proxy.say(connection_method(BLOCKED, "low on disk"));
    };
    let (waiting, ()) = tokio::join!(broker.publish(&first), alarm);
    assert_eq!(waiting, blocked);
    assert!(asked.elapsed() < Duration::from_secs(10));
    let asked = Instant::now();
    assert_eq!(broker.publish(&task(Kind::OrderPaid, 2)).await, blocked);
    assert!(asked.elapsed() < Duration::from_millis(100));

    proxy.heal();
    proxy.say(connection_method(UNBLOCKED, ""));
    wait_for(&broker, "unblocked", State::is_healthy).await;
    broker.publish(&task(Kind::OrderPaid, 3)).await.unwrap();
    let consumer = broker.consume(Lane::Grant, 10);
    // The first was handed over, and is sent although its caller was told to try again.
    assert_eq!(orders(&take(&consumer, 2).await), [1, 3]);
    broker.close().await;
}
