//! A RabbitMQ of this test alone, in the states that no proxy can play: an alarm, a consumer
//! that acknowledges too late, a node that stands still, and one that is killed.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use broker::{Broker, Config, Consumer, Link, PublishError, State, Topology};
use futures_util::future::join_all;
use hyper::StatusCode;
use order::Kind;
use secret::Secret;
use task::{Lane, MessageId, Task};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::ingress::{Ingress, PATIENCE, order_paid};
use crate::servers::{Server, Servers};

const GRANT: &str = "grantline.grant.v1";
/// Between one bound and the next, on a busy machine.
const MARGIN: Duration = Duration::from_secs(2);
/// The default of `ingress.deadline`.
const DEADLINE: Duration = Duration::from_millis(2_500);
/// Longer than two publishes may take.
const HALT: Duration = Duration::from_secs(4);

type Outcome = Result<(), PublishError>;

/// Orders, and which of them somebody was told to be safe.
#[derive(Default)]
struct Orders {
    last: i64,
    promised: BTreeSet<i64>,
}

impl Orders {
    /// Publishes new orders all at once. Returns how long that took and what became of each.
    async fn publish(&mut self, broker: &Broker, count: i64) -> (Duration, Vec<Outcome>) {
        let tasks: Vec<_> = (self.last + 1..=self.last + count).map(task).collect();
        self.last += count;
        let begun = Instant::now();
        let outcomes = join_all(tasks.iter().map(|task| broker.publish(task))).await;
        let confirmed = tasks.iter().zip(&outcomes);
        let confirmed = confirmed.filter(|(_, outcome)| outcome.is_ok());
        self.promised
            .extend(confirmed.map(|(task, _)| number(task)));
        (begun.elapsed(), outcomes)
    }

    /// Posts some at once. Returns the longest wait and the answers.
    async fn post(&mut self, ingress: &Ingress, count: i64) -> (Duration, Vec<StatusCode>) {
        let bodies: Vec<_> = (self.last + 1..=self.last + count)
            .map(order_paid)
            .collect();
        let begun = Instant::now();
        let answers = join_all(bodies.iter().map(|body| ingress.post(body))).await;
        let orders = self.last + 1..;
        let taken = orders.zip(&answers);
        let taken = taken.filter(|(_, status)| **status == StatusCode::NO_CONTENT);
        self.promised.extend(taken.map(|(order, _)| order));
        self.last += count;
        (begun.elapsed(), answers)
    }

    /// Some are refused, within the deadline of the role.
    async fn are_refused(&mut self, ingress: &Ingress) {
        let (took, answers) = self.post(ingress, 5).await;
        assert_eq!(answers, [StatusCode::SERVICE_UNAVAILABLE; 5]);
        assert!(took < DEADLINE + MARGIN, "{took:?}");
    }

    /// Waits until one is taken again.
    async fn are_taken(&mut self, ingress: &Ingress) {
        let deadline = Instant::now() + PATIENCE;
        while self.post(ingress, 1).await.1 != [StatusCode::NO_CONTENT] {
            assert!(Instant::now() < deadline, "never again: {}", ingress.log());
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn task(order: i64) -> Task {
    let body = order_paid(order);
    Task {
        project: "44056".parse().unwrap(),
        kind: Kind::OrderPaid,
        message: MessageId::of(body.as_bytes()),
        order: Some(order.try_into().unwrap()),
        transaction: None,
        player: None,
        received_at: task::now(),
        attempt: 0,
        replay: None,
        trace: None,
        body: body.into(),
    }
}

fn number(task: &Task) -> i64 {
    task.order.unwrap().get()
}

async fn connect(config: Config) -> Broker {
    let meter = telemetry::Telemetry::quiet().meter("broker");
    let broker = Broker::connect(config, "test", &meter);
    reaches(&broker, "connected", State::is_healthy).await;
    broker
}

async fn reaches(broker: &Broker, what: &str, reached: impl FnMut(&State) -> bool) {
    let mut state = broker.state();
    let waited = timeout(PATIENCE, state.wait_for(reached)).await;
    assert!(
        waited.is_ok(),
        "never {what}: {:?}",
        broker.state().borrow()
    );
}

/// Takes so many deliveries: their tags, and the orders they are about.
async fn take(consumer: &Consumer, count: usize) -> Vec<(broker::Tag, i64, bool)> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let batch = timeout(PATIENCE, consumer.batch(1_000, Duration::ZERO)).await;
        for delivery in batch.expect("deliveries") {
            let order = number(delivery.task.as_ref().unwrap());
            taken.push((delivery.tag, order, delivery.redelivered));
        }
    }
    taken
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_a_late_acknowledgement_a_halt_and_a_kill_cost_a_delay_and_nothing_else() {
    let folder = Folder::new();
    let mut servers = Servers::start(&folder.0, &[Server::Broker]).await;
    let url = |name: &str| Secret::inline(servers.url(name)).unwrap();
    let config = Config {
        management_url: Some(url("RABBITMQ_API_URL")),
        ..Config::at(url("AMQP_URL"))
    };
    Topology::declare(&config).await.unwrap();
    let ingress = Ingress::start(servers.url("AMQP_URL"), &[]).await;
    let mut orders = Orders::default();

    late_acknowledgement(&servers, &config, &mut orders).await;
    alarm(&servers, &config, &mut orders, &ingress).await;
    halt_and_kill(&mut servers, &config, &mut orders, &ingress).await;

    let broker = connect(config).await;
    let consumer = broker.consume(Lane::Grant, 2_000);
    let mut found = BTreeSet::new();
    while !found.is_superset(&orders.promised) {
        found.extend(take(&consumer, 1).await.iter().map(|(_, order, _)| *order));
    }
    broker.close().await;
}

/// RabbitMQ closes the channel of a consumer that holds a delivery for too long, half an hour
/// by default. A consumer of the client is silent from then on, or ends.
async fn late_acknowledgement(servers: &Servers, config: &Config, orders: &mut Orders) {
    servers.rabbitmqctl(&["eval", &patience(500, 250)]).await;
    let broker = connect(config.clone()).await;
    let consumer = broker.consume(Lane::Grant, 10);
    let (_, outcomes) = orders.publish(&broker, 2).await;
    assert_eq!(outcomes, [Ok(()), Ok(())]);
    let held = take(&consumer, 2).await;
    assert!(held.iter().all(|(_, _, redelivered)| !redelivered));
    let again = take(&consumer, 2).await;
    assert!(again.iter().all(|(_, _, redelivered)| *redelivered));
    // What was held means nothing on the new channel.
    for taken in [held, again] {
        consumer.finish(taken.iter().map(|(tag, ..)| *tag)).await;
    }
    orders.promised.clear();
    broker.close().await;
    servers
        .rabbitmqctl(&["eval", &patience(1_800_000, 60_000)])
        .await;
}

/// How long new channels wait for an acknowledgement and how often they look, in milliseconds.
fn patience(timeout: u32, interval: u32) -> String {
    let set = |name: &str, value: u32| format!("application:set_env(rabbit, {name}, {value})");
    let (timeout, interval) = (
        set("consumer_timeout", timeout),
        set("channel_tick_interval", interval),
    );
    format!("{timeout}, {interval}.")
}

/// The node is out of memory, by its own account, and reads nothing of those who publish.
async fn alarm(servers: &Servers, config: &Config, orders: &mut Orders, ingress: &Ingress) {
    let bound = config.slot_timeout + config.confirm_timeout + MARGIN;
    let broker = connect(config.clone()).await;
    let consumer = broker.consume(Lane::Grant, 100);
    let (_, outcomes) = orders.publish(&broker, 3).await;
    assert_eq!(outcomes, vec![Ok(()); 3]);
    let held = take(&consumer, 3).await;

    servers
        .rabbitmqctl(&["set_vm_memory_high_watermark", "0"])
        .await;
    // Nobody is told before it publishes, so the first ones are written and not confirmed.
    let (took, outcomes) = orders.publish(&broker, 50).await;
    assert!(took < bound, "{took:?}");
    assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
    let is_blocked = |state: &State| matches!(state.publishing, Link::Blocked { .. });
    reaches(&broker, "blocked", is_blocked).await;
    let (took, outcomes) = orders.publish(&broker, 2_000).await;
    let at_once = |outcome: &Outcome| matches!(outcome, Err(PublishError::Blocked { .. }));
    assert!(outcomes.iter().all(at_once), "{outcomes:?}");
    assert!(took < MARGIN, "{took:?}");
    orders.are_refused(ingress).await;

    // Acknowledgements travel on another connection, which is not blocked.
    consumer.finish(held.iter().map(|(tag, ..)| *tag)).await;
    for (_, order, _) in held {
        orders.promised.remove(&order);
    }
    let deadline = Instant::now() + PATIENCE;
    while servers.queues().await[GRANT] > 0 {
        assert!(Instant::now() < deadline, "nothing can be acknowledged");
        sleep(Duration::from_millis(100)).await;
    }

    servers
        .rabbitmqctl(&["set_vm_memory_high_watermark", "0.4"])
        .await;
    reaches(&broker, "unblocked", State::is_healthy).await;
    let (_, outcomes) = orders.publish(&broker, 50).await;
    assert_eq!(outcomes, vec![Ok(()); 50]);
    orders.are_taken(ingress).await;
    consumer.close().await;
    broker.close().await;
}

/// The node stands still for longer than a confirm may take, and is then killed.
async fn halt_and_kill(
    servers: &mut Servers,
    config: &Config,
    orders: &mut Orders,
    ingress: &Ingress,
) {
    let broker = connect(config.clone()).await;
    // Would wait for its confirms for so long that only the kill can end it.
    let patient = connect(Config {
        confirm_timeout: PATIENCE,
        heartbeat: PATIENCE,
        ..config.clone()
    });
    let patient = patient.await;
    let bound = config.slot_timeout + config.confirm_timeout + MARGIN;
    let mut waiting = JoinSet::new();
    let meanwhile = async {
        while orders.publish(&broker, 1).await.1[0].is_ok() {}
        waiting.spawn(async move {
            let mut orders = Orders {
                last: 1_000_000,
                ..Orders::default()
            };
            let (_, outcomes) = orders.publish(&patient, 200).await;
            (Instant::now(), outcomes)
        });
        let (took, outcomes) = orders.publish(&broker, 200).await;
        assert!(took < bound, "{took:?}");
        assert!(outcomes.iter().all(Result::is_err), "{outcomes:?}");
        orders.are_refused(ingress).await;
    };
    tokio::join!(meanwhile, servers.kill(Server::Broker, HALT));
    let killed = Instant::now();
    let (ended, outcomes) = waiting.join_next().await.unwrap().unwrap();
    let unknown = |outcome: &Outcome| matches!(outcome, Err(PublishError::Unavailable { .. }));
    assert!(outcomes.iter().all(unknown), "{outcomes:?}");
    assert!(ended < killed + MARGIN, "{:?} later", ended - killed);

    let is_down = |state: &State| matches!(state.publishing, Link::Down { .. });
    reaches(&broker, "down", is_down).await;
    let (took, outcomes) = orders.publish(&broker, 2_000).await;
    assert!(outcomes.iter().all(unknown), "{outcomes:?}");
    assert!(took < MARGIN, "{took:?}");
    orders.are_refused(ingress).await;

    servers.start_missing().await;
    reaches(&broker, "back", State::is_healthy).await;
    let (_, outcomes) = orders.publish(&broker, 50).await;
    assert_eq!(outcomes, vec![Ok(()); 50]);
    orders.are_taken(ingress).await;
    broker.close().await;
}

/// Where the server is. Stays behind when the test fails.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let name = format!("limits-{}", std::process::id());
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}
