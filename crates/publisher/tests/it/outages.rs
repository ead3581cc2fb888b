//! What clients see while the ledger or the broker is away.

use std::time::Duration;

use ledger::Ledger;
use secret::Secret;
use testkit::{CuttingProxy, Heard, Postgres, RabbitMq};

use crate::entries::created;
use crate::line::{Line, Setup, connect_command, push, token};
use crate::polls::get;

/// A publisher whose way to the database can be cut; the test's own cannot.
async fn behind_a_proxy() -> (Line, CuttingProxy) {
    let database = Postgres::database().await;
    let proxy = CuttingProxy::before(database.url()).await;
    let config = ledger::Config {
        url: Secret::inline(proxy.url(database.url())).unwrap(),
        // Long enough for a new connection on a loaded machine.
        acquire_timeout: Duration::from_secs(3),
        ..database.config()
    };
    let ledger = Ledger::open(&config).unwrap();
    let vhost = RabbitMq::vhost().await;
    let broker = vhost.config();
    let setup = Setup::new().with(|config| config.position_check = Duration::from_millis(200));
    let line = setup.start_with(database, ledger, vhost, broker).await;
    (line, proxy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn without_the_ledger_clients_are_told_to_come_back() {
    let (line, proxy) = behind_a_proxy().await;
    line.book([created(1, "mira")]).await;
    let (mut connected, _) = line.connect("mira").await;
    proxy.cut();

    let mut client = line.open().await;
    client.send(connect_command(&token("mira"))).await;
    let (_, end) = client.end().await;
    assert_eq!(end, Heard::Close(3004, "internal server error".to_owned()));
    let answer = get(&line, "/api/v2/project/44056/order/1", &token("mira")).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("3"));
    assert_eq!(answer.json()["statusCode"], 503);
    // Who is connected stays, and the process stays in the balancer.
    wait_for_ledger(&line, false).await;
    assert!(line.readiness.report().ready);

    line.book_silently([created(2, "mira")]).await;
    proxy.heal();
    assert_eq!(connected.message().await, push("mira", 2, 2, "new"));
    wait_for_ledger(&line, true).await;
    line.connect("mira").await;
}

/// The broker still tells of rows, the ledger cannot be asked for the one between.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_whose_read_fails_stays_and_is_told_when_the_ledger_is_back() {
    let (line, proxy) = behind_a_proxy().await;
    let (mut client, _) = line.connect("mira").await;
    proxy.cut();
    line.book_silently([created(1, "mira")]).await;
    line.book([created(2, "mira")]).await;
    let failed = "grantline_publisher_reads_total{cause=\"catch_up\",outcome=\"failed\"";
    line.wait_for_metric(failed, |reads| reads >= 1.0).await;
    proxy.heal();
    assert_eq!(client.message().await, push("mira", 1, 1, "new"));
    assert_eq!(client.message().await, push("mira", 2, 2, "new"));
}

async fn wait_for_ledger(line: &Line, ok: bool) {
    let state = || line.readiness.report().check("publisher.ledger").cloned();
    while state().is_none_or(|state| state.ok != ok) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Comparisons come once an hour here, so it is the reconnect that makes the difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_was_missed_without_the_broker_is_told_when_it_is_back() {
    let database = Postgres::database().await;
    let vhost = RabbitMq::vhost().await;
    let proxy = CuttingProxy::before(vhost.url()).await;
    let broker = vhost.config_through(&proxy);
    let ledger = database.ledger();
    let line = Setup::new()
        .start_with(database, ledger, vhost, broker)
        .await;
    let (mut client, _) = line.connect("mira").await;
    proxy.cut();
    let mut state = line.broker.state();
    let down = state.wait_for(|state| !state.consuming.is_healthy()).await;
    down.unwrap();
    line.book_silently([created(1, "mira")]).await;
    assert!(line.readiness.report().ready);
    proxy.heal();
    assert_eq!(client.message().await, push("mira", 1, 1, "new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_process_that_never_reached_the_ledger_is_not_ready() {
    let database = Postgres::database().await;
    let nowhere = ledger::Config {
        url: Secret::inline("postgres://nobody@127.0.0.1:1/nowhere").unwrap(),
        acquire_timeout: Duration::from_millis(200),
        ..database.config()
    };
    let vhost = RabbitMq::vhost().await;
    let broker = vhost.config();
    let ledger = Ledger::open(&nowhere).unwrap();
    let line = Setup::new()
        .start_with(database, ledger, vhost, broker)
        .await;
    let report = line.readiness.report();
    assert!(!report.ready);
    assert!(!report.check("publisher.started").unwrap().ok);
}
