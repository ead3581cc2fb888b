//! What only the file can do to us.

use std::collections::BTreeMap;
use std::time::Duration;

use broker::{Broker, Link, PublishError, State, Tier};
use futures_util::FutureExt as _;
use order::Kind;
use sqlite::WriteError;
use task::Lane;

use crate::stack::Embedded;
use crate::{order, orders, publish, take, task, wait_for};

const GRANT: &str = "grantline.grant.v1";

#[tokio::test]
async fn a_full_disk_refuses_messages_and_is_noticed_to_have_room_again() {
    let stack = Embedded::new();
    let broker = stack.broker().await;
    publish(&broker, [1]).await;
    // The same error as that of the system, where the file may not grow.
    stack.tamper("PRAGMA max_page_count = 1").await;
    let mut bulky = task(Kind::OrderPaid, 2);
    bulky.body = vec![b' '; 1_000_000].into();
    let refused = broker.publish(&bulky).await.unwrap_err();
    assert!(
        matches!(refused, PublishError::Blocked { .. }),
        "{refused:?}"
    );
    let is_blocked = |state: &State| matches!(state.publishing, Link::Blocked { .. });
    wait_for(&broker, "blocked", is_blocked).await;
    stack.tamper("PRAGMA max_page_count = 1000000").await;
    wait_for(&broker, "well", State::is_healthy).await;
    broker.publish(&bulky).await.unwrap();
    let consumer = broker.consume(Lane::Grant, 10);
    assert_eq!(orders(&take(&consumer, 2).await), [1, 2]);
    broker.close().await;
}

#[tokio::test]
async fn a_message_whose_sender_has_gone_still_wakes_its_consumer() {
    let stack = Embedded::new();
    let broker = stack.broker().await;
    let consumer = broker.consume(Lane::Grant, 10);
    let waiting = take(&consumer, 1);
    let leaving = async {
        // Until the consumer has found nothing and waits.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let gone = broker.publish(&task(Kind::OrderPaid, 7)).now_or_never();
        assert!(gone.is_none(), "a commit takes a while");
    };
    let (taken, ()) = tokio::join!(waiting, leaving);
    assert_eq!(orders(&taken), [7]);
    broker.close().await;
}

#[tokio::test]
async fn what_could_not_be_removed_comes_again() {
    let stack = Embedded::new();
    let broker = stack.broker().await;
    publish(&broker, 1..=2).await;
    let consumer = broker.consume(Lane::Grant, 10);
    let held = take(&consumer, 2).await;
    stack
        .tamper(
            "CREATE TRIGGER keep BEFORE DELETE ON queue_messages
             BEGIN SELECT RAISE(ABORT, 'on purpose'); END",
        )
        .await;
    consumer
        .finish(held.iter().map(|delivery| delivery.tag))
        .await;
    stack.tamper("DROP TRIGGER keep").await;
    let again = take(&consumer, 2).await;
    assert_eq!(orders(&again), [1, 2]);
    assert!(again.iter().all(|delivery| delivery.redelivered));
    consumer
        .finish(again.iter().map(|delivery| delivery.tag))
        .await;
    assert_eq!(stack.messages(GRANT).await, 0);
    broker.close().await;
}

#[tokio::test]
async fn what_is_neither_retried_nor_parked_for_want_of_room_stays_held() {
    let mut stack = Embedded::new();
    stack.config.retry_queue_bytes = 1.try_into().unwrap();
    stack.config.parked_queue_bytes = 1.try_into().unwrap();
    let broker = stack.broker().await;
    publish(&broker, [1]).await;
    let consumer = broker.consume(Lane::Grant, 10);
    let held = take(&consumer, 1).await.remove(0);
    let retried = consumer.retry(&held, Tier::FiveSeconds).await;
    assert_eq!(retried, Err(PublishError::Refused));
    let parked = consumer.park(&held, "a person").await;
    assert_eq!(parked, Err(PublishError::Refused));
    assert_eq!(stack.messages(GRANT).await, 1);
    consumer.finish([held.tag]).await;
    assert_eq!(stack.messages(GRANT).await, 0);
    broker.close().await;
}

/// In the first case the process was away when the hour was over; in the second somebody
/// set the clock back by days meanwhile.
#[tokio::test]
async fn a_retry_is_neither_forgotten_nor_held_for_ever() {
    for sql in [
        "UPDATE queue_places SET rank = rank - 3600000000",
        "UPDATE queue_places SET rank = rank + 172800000000",
    ] {
        let stack = Embedded::new();
        let broker = stack.broker().await;
        publish(&broker, [7]).await;
        let consumer = broker.consume(Lane::Grant, 10);
        let held = take(&consumer, 1).await.remove(0);
        consumer.retry(&held, Tier::OneHour).await.unwrap();
        assert_eq!(stack.messages("grantline.retry.1h.v1").await, 1);
        broker.close().await;
        stack.tamper(sql).await;
        let broker = stack.broker().await;
        let consumer = broker.consume(Lane::Grant, 10);
        let again = take(&consumer, 1).await.remove(0);
        assert!(!again.redelivered);
        assert_eq!(again.task.unwrap().attempt, 1);
        assert_eq!(stack.messages("grantline.retry.1h.v1").await, 0);
        assert_eq!(stack.messages(GRANT).await, 1);
        broker.close().await;
    }
}

#[tokio::test]
async fn a_message_that_killed_too_many_processes_is_parked_by_the_next() {
    let stack = Embedded::new();
    let broker = stack.broker().await;
    publish(&broker, 1..=2).await;
    broker.close().await;
    stack
        .tamper("UPDATE queue_places SET deliveries = 51 WHERE message = 1")
        .await;
    let broker = stack.broker().await;
    let parked = take(&broker.consume_parked(10), 1).await.remove(0);
    assert_eq!(parked.parked.as_deref(), Some("delivery_limit"));
    assert_eq!(parked.lane, Some(Lane::Grant));
    let consumer = broker.consume(Lane::Grant, 10);
    assert_eq!(orders(&take(&consumer, 1).await), [2]);
    assert_eq!(stack.messages(GRANT).await, 1);
    assert_eq!(stack.messages("grantline.parked.v1").await, 1);
    broker.close().await;
}

#[tokio::test]
async fn queues_that_no_version_knows_are_emptied_into_the_unrouted_one() {
    let stack = Embedded::new();
    let broker = stack.broker().await;
    publish(&broker, 1..=2).await;
    broker.close().await;
    stack
        .tamper(
            "UPDATE queue_places SET queue = 'grantline.grant.v0';
             UPDATE queue_sizes SET queue = 'grantline.grant.v0'
             WHERE queue = 'grantline.grant.v1'",
        )
        .await;
    let broker = stack.broker().await;
    let unrouted = broker.consume_unrouted(10);
    let found = take(&unrouted, 2).await;
    assert_eq!(orders(&found), [1, 2]);
    assert!(found.iter().all(|one| one.lane == Some(Lane::Grant)));
    unrouted.finish(found.iter().map(|one| one.tag)).await;
    assert_eq!(stack.messages("grantline.unrouted.v1").await, 0);
    publish(&broker, [3]).await;
    assert_eq!(stack.messages(GRANT).await, 1);
    broker.close().await;
}

#[tokio::test]
async fn writes_of_others_share_the_commit_of_messages() {
    let stack = Embedded::new();
    let broker = stack.broker().await;
    let before = stack.file.commits();
    let tasks: Vec<_> = (1..=200).map(|n| task(Kind::OrderPaid, n)).collect();
    let publishes = futures_util::future::join_all(tasks.iter().map(|task| broker.publish(task)));
    let ledger = stack.file.write(|_| -> Result<(), WriteError> { Ok(()) });
    let (outcomes, written) = tokio::join!(publishes, ledger);
    assert!(outcomes.iter().all(Result::is_ok));
    written.unwrap();
    let commits = stack.file.commits() - before;
    assert!(commits < 50, "{commits} commits for 200 messages");
    broker.close().await;
}

/// Everything at once: each message is seen, none is left, the sums hold.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_senders_and_consumers_loses_nothing() {
    const SENDERS: i64 = 8;
    const EACH: i64 = 150;
    let stack = Embedded::new();
    let broker = stack.broker().await;
    let senders = (0..SENDERS).map(|sender| {
        let broker = broker.clone();
        tokio::spawn(async move {
            publish(&broker, (1..=EACH).map(|step| sender * EACH + step)).await;
        })
    });
    let sending = futures_util::future::join_all(senders);
    let consumers = (0..3).map(|consumer| tokio::spawn(consume_some(broker.clone(), consumer)));
    let consuming = futures_util::future::join_all(consumers);
    let (sent, finished) = tokio::join!(sending, consuming);
    assert!(sent.iter().all(Result::is_ok));
    let mut seen: BTreeMap<i64, usize> = BTreeMap::new();
    for number in finished.into_iter().flat_map(Result::unwrap) {
        *seen.entry(number).or_default() += 1;
    }
    let rest = usize::try_from(stack.messages(GRANT).await).unwrap();
    let consumer = broker.consume(Lane::Grant, 5_000);
    for number in orders(&take(&consumer, rest).await) {
        *seen.entry(number).or_default() += 1;
    }
    let all: Vec<_> = (1..=SENDERS * EACH).collect();
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), all);
    let twice: Vec<_> = seen.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "finished and handed out again: {twice:?}");
    broker.close().await;
}

/// Finishes one of two deliveries, gives the rest back and sits down anew; says what it
/// finished.
async fn consume_some(broker: Broker, salt: usize) -> Vec<i64> {
    let mut finished = Vec::new();
    for round in 0..20 {
        let consumer = broker.consume(Lane::Grant, 10);
        for delivery in take(&consumer, 10).await {
            if (usize::try_from(order(&delivery)).unwrap() + round + salt).is_multiple_of(2) {
                finished.push(order(&delivery));
                consumer.finish([delivery.tag]).await;
            }
        }
        if round % 3 == 0 {
            consumer.close().await;
        }
    }
    finished
}
