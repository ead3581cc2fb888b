use std::time::{Duration, Instant};

use order::Kind;
use task::Lane;

use crate::stack::Stack;
use crate::{orders, publish, take, task};

const GRANT: &str = "grantline.grant.v1";

on_both_stacks! {
    async fn only_what_is_unfinished_comes_again(stack: Stack) {
        let broker = stack.broker().await;
        let consumer = broker.consume(Lane::Grant, 10);
        publish(&broker, 1..=6).await;
        let held = take(&consumer, 6).await;
        assert!(held.iter().all(|delivery| !delivery.redelivered));
        for index in [2, 0, 1] {
            consumer.finish([held[index].tag]).await;
        }
        // What is dropped instead of closed is given back as well.
        drop(consumer);
        let consumer = broker.consume(Lane::Grant, 10);
        let again = take(&consumer, 3).await;
        assert_eq!(orders(&again), [4, 5, 6]);
        assert!(again.iter().all(|delivery| delivery.redelivered));
        consumer.close().await;
        broker.close().await;
    }

    async fn a_finished_delivery_never_covers_an_unfinished_one(stack: Stack) {
        let broker = stack.broker().await;
        let consumer = broker.consume(Lane::Grant, 10);
        publish(&broker, 1..=5).await;
        let held = take(&consumer, 5).await;
        consumer.finish([held[4].tag, held[2].tag]).await;
        consumer.finish([held[2].tag]).await;
        consumer.close().await;
        let consumer = broker.consume(Lane::Grant, 10);
        let again = orders(&take(&consumer, 3).await);
        // RabbitMQ is told of the third and the fifth with those before them, and hands
        // them out once more.
        assert!(again.starts_with(&[1, 2]), "{again:?}");
        broker.close().await;
    }

    async fn no_more_than_the_prefetch_is_held(stack: Stack) {
        let broker = stack.broker().await;
        publish(&broker, 1..=5).await;
        let consumer = broker.consume(Lane::Grant, 3);
        let held = take(&consumer, 3).await;
        assert_eq!(orders(&held), [1, 2, 3]);
        let more = consumer.batch(10, Duration::ZERO);
        let more = tokio::time::timeout(Duration::from_millis(500), more).await;
        assert!(more.is_err(), "{more:?}");
        consumer.finish([held[0].tag]).await;
        assert_eq!(orders(&take(&consumer, 1).await), [4]);
        broker.close().await;
    }

    async fn consumers_of_one_queue_share_it_and_never_hold_the_same(stack: Stack) {
        let broker = stack.broker().await;
        let consumers = [
            broker.consume(Lane::Grant, 3),
            broker.consume(Lane::Grant, 3),
        ];
        publish(&broker, 1..=6).await;
        let mut seen = Vec::new();
        for consumer in &consumers {
            seen.extend(orders(&take(consumer, 3).await));
        }
        seen.sort_unstable();
        assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
        broker.close().await;
    }

    async fn what_was_held_when_the_broker_closed_comes_again(stack: Stack) {
        let broker = stack.broker().await;
        publish(&broker, 1..=3).await;
        let consumer = broker.consume(Lane::Grant, 10);
        let held = take(&consumer, 3).await;
        consumer.finish([held[0].tag]).await;
        consumer.close().await;
        broker.close().await;
        let broker = stack.broker().await;
        let consumer = broker.consume(Lane::Grant, 10);
        let again = take(&consumer, 2).await;
        assert_eq!(orders(&again), [2, 3]);
        assert!(again.iter().all(|delivery| delivery.redelivered));
        publish(&broker, [4]).await;
        assert_eq!(orders(&take(&consumer, 1).await), [4]);
        broker.close().await;
    }

    async fn a_batch_is_what_has_arrived_and_lingers_only_after_a_full_one(stack: Stack) {
        let broker = stack.broker().await;
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

    async fn a_batch_that_is_dropped_while_it_fills_loses_nothing(stack: Stack) {
        let broker = stack.broker().await;
        publish(&broker, 1..=3).await;
        let consumer = broker.consume(Lane::Grant, 100);
        assert_eq!(orders(&consumer.batch(1, Duration::ZERO).await), [1]);
        let filling = consumer.batch(3, Duration::from_mins(1));
        let dropped = tokio::time::timeout(Duration::from_secs(1), filling).await;
        assert!(dropped.is_err());
        assert_eq!(orders(&take(&consumer, 2).await), [2, 3]);
        broker.close().await;
    }

    async fn a_retried_task_comes_back_to_its_lane_after_the_delay_one_attempt_on(stack: Stack) {
        let (tier, delay) = stack.short_tier().await;
        let broker = stack.broker().await;
        let consumer = broker.consume(Lane::Revoke, 10);
        broker.publish(&task(Kind::Refund, 7)).await.unwrap();
        let mut last = take(&consumer, 1).await.remove(0);
        for attempt in 1..=2 {
            let retried = Instant::now();
            consumer.retry(&last, tier).await.unwrap();
            last = take(&consumer, 1).await.remove(0);
            assert!(retried.elapsed() >= delay);
            let mut expected = task(Kind::Refund, 7);
            expected.attempt = attempt;
            assert_eq!(last.task.as_ref().unwrap(), &expected);
            assert_eq!(last.lane, Some(Lane::Revoke));
        }
        consumer.finish([last.tag]).await;
        stack.wait_for_messages("grantline.revoke.v1", 0).await;
        broker.close().await;
    }

    async fn the_broker_parks_what_comes_back_too_often(stack: Stack) {
        let stack = stack.with_delivery_limit(2).await;
        let broker = stack.broker().await;
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

    async fn a_parked_task_keeps_its_reason_and_leaves_the_work_queue(stack: Stack) {
        let broker = stack.broker().await;
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
        stack.wait_for_messages(GRANT, 0).await;
        stack.wait_for_messages("grantline.parked.v1", 0).await;
        broker.close().await;
    }

    async fn a_message_without_our_headers_is_handed_out_and_can_be_parked(stack: Stack) {
        stack.put_foreign("grant", b"what is this").await;
        let broker = stack.broker().await;
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

    async fn a_cancelled_consumer_takes_nothing_more_and_finishes_what_it_holds(stack: Stack) {
        let broker = stack.broker().await;
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
}
