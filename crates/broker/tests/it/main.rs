//! The broker's promises: `consuming`, `hints` and `publishing` on both back ends, the rest
//! on one, against a real RabbitMQ and a file on a real disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

/// Each claim becomes two tests, one on each back end.
macro_rules! on_both_stacks {
    ($($(#[$note:meta])* async fn $claim:ident($stack:ident: $type:ty) $body:block)+) => {
        $(mod $claim {
            use super::*;

            $(#[$note])*
            async fn holds($stack: $type) $body

            #[tokio::test]
            async fn on_rabbitmq() {
                holds(Stack::rabbitmq().await).await;
            }

            #[tokio::test]
            async fn on_the_file() {
                holds(Stack::embedded()).await;
            }
        })+
    };
}

mod consuming;
mod embedded;
mod hints;
mod killed;
mod moving;
mod publishing;
mod rabbitmq;
mod stack;

use std::time::Duration;

use broker::{Broker, Config, Consumer, Delivery, State};
use order::Kind;
use task::{MessageId, Task, TraceContext};
use time::OffsetDateTime;

/// Longest wait for something that must happen, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A broker on `config`, once it has connected.
async fn connect(config: Config) -> Broker {
    let broker = start(config);
    wait_for(&broker, "connected", State::is_healthy).await;
    broker
}

/// A broker on `config`, connected or not.
fn start(config: Config) -> Broker {
    let meter = telemetry::Telemetry::quiet().meter("broker");
    Broker::connect(config, "test", &meter)
}

async fn wait_for(broker: &Broker, what: &str, reached: impl FnMut(&State) -> bool) -> State {
    let mut state = broker.state();
    let waited = tokio::time::timeout(PATIENCE, state.wait_for(reached)).await;
    let reached = waited.map(|state| state.expect("the broker lives").clone());
    reached.unwrap_or_else(|_| panic!("never {what}: {:?}", broker.state().borrow()))
}

/// A task about an order, told apart by its number.
fn task(kind: Kind, order: i64) -> Task {
    let body = format!("{{\"notification_type\":\"{kind}\",\"order\":{order}}}");
    Task {
        project: "44056".parse().expect("a project"),
        kind,
        message: MessageId::of(body.as_bytes()),
        order: Some(order.try_into().expect("an order")),
        transaction: None,
        player: Some("Мира".parse().expect("a player")),
        received_at: OffsetDateTime::from_unix_timestamp(1_800_000_000).expect("a time"),
        attempt: 0,
        replay: None,
        trace: Some(TraceContext {
            parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned(),
            state: None,
        }),
        body: body.into(),
    }
}

/// Publishes paid orders.
async fn publish(broker: &Broker, numbers: impl IntoIterator<Item = i64>) {
    for number in numbers {
        let task = task(Kind::OrderPaid, number);
        broker.publish(&task).await.expect("a confirm");
    }
}

/// Takes exactly `count` deliveries.
async fn take(consumer: &Consumer, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = consumer.batch(count - taken.len(), Duration::ZERO);
        let batch = tokio::time::timeout(PATIENCE, batch).await;
        let batch = batch.unwrap_or_else(|_| panic!("{} of {count} came", taken.len()));
        assert!(!batch.is_empty(), "the consumer ended");
        taken.extend(batch);
    }
    taken
}

/// The numbers of the orders that deliveries are about.
fn orders(deliveries: &[Delivery]) -> Vec<i64> {
    deliveries.iter().map(order).collect()
}

fn order(delivery: &Delivery) -> i64 {
    let task = delivery.task.as_ref().expect("a readable task");
    task.order.expect("an order").get()
}
