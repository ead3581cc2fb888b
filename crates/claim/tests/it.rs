//! Claims and marks, against a real Redis.

use std::time::{Duration, Instant};

use claim::{Claimed, Claims, Config, Key, Mark, State};
use order::{Kind, OrderId, Reference, TransactionId};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, FromRedisValue};
use secret::Secret;
use testkit::{CuttingProxy, KeySpace, Redis, RedisServer};

/// Longest wait for something that must happen, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

fn config(space: &KeySpace) -> Config {
    Config {
        key_prefix: space.prefix.clone(),
        // Long enough for a loaded machine; the cut tests measure what happens after.
        timeout: Duration::from_secs(2),
        ..Config::at(Some(Secret::inline(&space.url).expect("a URL")))
    }
}

fn start(config: Config) -> Claims {
    Claims::connect(config, &telemetry::Telemetry::quiet().meter("claim"))
}

async fn connect(config: Config) -> Claims {
    let claims = start(config);
    until("connected", || claims.state() == State::Connected).await;
    claims
}

async fn until(what: &str, reached: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !reached() {
        assert!(Instant::now() < deadline, "never {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn order_key(order: i64) -> Key {
    let order: OrderId = order.try_into().expect("an order");
    key(&Reference::order(order))
}

fn transaction_key(transaction: i64) -> Key {
    let transaction: TransactionId = transaction.try_into().expect("a transaction");
    key(&Reference::transaction(transaction))
}

fn key(reference: &Reference) -> Key {
    let project = "44056".parse().expect("a project");
    Key::new(project, &Kind::OrderPaid, reference)
}

fn mark(keys: impl Into<Vec<Key>>, fingerprint: u8) -> Mark {
    Mark {
        keys: keys.into(),
        fingerprint: [fingerprint; 32],
    }
}

#[tokio::test]
async fn a_notice_is_mine_then_busy_for_others_then_done_for_all() {
    let space = Redis::key_space();
    let (one, other) = (connect(config(&space)).await, connect(config(&space)).await);
    let batch = [mark([order_key(1)], 1), mark([order_key(2)], 2)];

    assert_eq!(one.take(&batch, "one:1", "e1").await, [Claimed::Mine; 2]);
    // Its reply was lost, so it asks once more.
    assert_eq!(one.take(&batch, "one:1", "e1").await, [Claimed::Mine; 2]);
    assert_eq!(
        other.take(&batch, "other:1", "e1").await,
        [Claimed::Busy; 2]
    );

    one.mark(&batch[..1], "e1").await;
    let seen = other.take(&batch, "other:2", "e1").await;
    assert_eq!(seen, [Claimed::Done, Claimed::Busy]);
}

#[tokio::test]
async fn a_mark_of_other_contents_or_another_epoch_proves_nothing() {
    let space = Redis::key_space();
    let claims = connect(config(&space)).await;
    claims.mark(&[mark([order_key(1)], 1)], "e1").await;
    let take = async |fingerprint, epoch| {
        let batch = [mark([order_key(1)], fingerprint)];
        claims.take(&batch, "t", epoch).await
    };
    assert_eq!(take(1, "e1").await, [Claimed::Done]);
    assert_eq!(take(2, "e1").await, [Claimed::Busy]);
    assert_eq!(take(1, "e2").await, [Claimed::Busy]);
}

#[tokio::test]
async fn a_notice_with_two_keys_is_done_only_if_both_say_so() {
    let space = Redis::key_space();
    let claims = connect(config(&space)).await;
    let both = [mark([order_key(1), transaction_key(9)], 1)];
    claims.mark(&[mark([order_key(1)], 1)], "e1").await;
    assert_eq!(claims.take(&both, "t", "e1").await, [Claimed::Busy]);
    claims.mark(&both, "e1").await;
    assert_eq!(claims.take(&both, "t", "e1").await, [Claimed::Done]);
    // The same transaction on a second order.
    let second = [mark([order_key(2), transaction_key(9)], 1)];
    assert_eq!(claims.take(&second, "t", "e1").await, [Claimed::Busy]);
}

#[tokio::test]
async fn releasing_frees_ones_own_claims_and_nothing_else() {
    let space = Redis::key_space();
    let claims = connect(config(&space)).await;
    let [mine, theirs, done] = [1, 2, 3].map(|order| [mark([order_key(order)], 1)]);
    claims.take(&mine, "mine", "e1").await;
    claims.take(&theirs, "theirs", "e1").await;
    claims.mark(&done, "e1").await;
    for batch in [&mine, &theirs, &done] {
        claims.release(batch, "mine").await;
    }
    assert_eq!(claims.take(&mine, "new", "e1").await, [Claimed::Mine]);
    assert_eq!(claims.take(&theirs, "new", "e1").await, [Claimed::Busy]);
    assert_eq!(claims.take(&done, "new", "e1").await, [Claimed::Done]);
}

#[tokio::test]
async fn claims_end_with_their_lease_and_marks_stay_as_configured() {
    let space = Redis::key_space();
    let mut short = config(&space);
    short.lease = Duration::from_millis(300);
    short.done_ttl = Duration::from_hours(1);
    let claims = connect(short).await;
    let (held, done) = ([mark([order_key(1)], 1)], [mark([order_key(2)], 1)]);
    claims.take(&held, "one", "e1").await;
    claims.mark(&done, "e1").await;
    let mut connection = space.connection().await;
    let name = |order| format!("{}{}", space.prefix, order_key(order).as_str());
    let lease: i64 = connection.pttl(name(1)).await.unwrap();
    assert!((1..=300).contains(&lease), "{lease}");
    let ttl: i64 = connection.ttl(name(2)).await.unwrap();
    assert!((3_500..=3_600).contains(&ttl), "{ttl}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(claims.take(&held, "two", "e1").await, [Claimed::Mine]);
}

#[tokio::test]
async fn an_emptied_redis_forgets_and_does_no_harm() {
    let space = Redis::database(15);
    let claims = connect(config(&space)).await;
    let batch = [mark([order_key(1)], 1)];
    claims.mark(&batch, "e1").await;
    let mut connection = space.connection().await;
    redis::cmd("FLUSHDB")
        .exec_async(&mut connection)
        .await
        .unwrap();
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine]);
    claims.mark(&batch, "e1").await;
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Done]);
}

#[tokio::test]
async fn a_redis_that_is_gone_is_passed_over_at_once_and_found_again() {
    let space = Redis::key_space();
    let proxy = CuttingProxy::before(&space.url).await;
    let mut through = config(&space);
    through.url = Some(Secret::inline(proxy.url(&space.url)).unwrap());
    let claims = connect(through).await;
    let batch = [mark([order_key(1)], 1)];
    claims.mark(&batch, "e1").await;
    proxy.cut();
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine]);
    let is_down = || matches!(claims.state(), State::Down { .. });
    until("down", is_down).await;
    let asked = Instant::now();
    for _ in 0..1_000 {
        assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine]);
        claims.mark(&batch, "e1").await;
        claims.release(&batch, "t").await;
    }
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    proxy.heal();
    until("connected", || claims.state() == State::Connected).await;
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Done]);
}

#[tokio::test]
async fn a_redis_that_hangs_costs_its_timeout_once() {
    let space = Redis::key_space();
    let proxy = CuttingProxy::before(&space.url).await;
    let mut through = config(&space);
    through.url = Some(Secret::inline(proxy.url(&space.url)).unwrap());
    let limit = through.timeout;
    let claims = connect(through).await;
    let batch = [mark([order_key(1)], 1)];
    proxy.stall();
    let asked = Instant::now();
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine]);
    assert!(asked.elapsed() >= limit && asked.elapsed() < limit * 2);
    until("down", || matches!(claims.state(), State::Down { .. })).await;
    let asked = Instant::now();
    for _ in 0..100 {
        assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine]);
    }
    assert!(asked.elapsed() < limit, "{:?}", asked.elapsed());
    proxy.heal();
    until("connected", || claims.state() == State::Connected).await;
}

#[tokio::test]
async fn marking_waits_for_a_hanging_redis_50_milliseconds_at_most() {
    let space = Redis::key_space();
    let proxy = CuttingProxy::before(&space.url).await;
    let mut through = config(&space);
    through.url = Some(Secret::inline(proxy.url(&space.url)).unwrap());
    let claims = connect(through).await;
    proxy.stall();
    let asked = Instant::now();
    claims.mark(&[mark([order_key(1)], 1)], "e1").await;
    let took = asked.elapsed();
    assert!(took >= Duration::from_millis(50), "{took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
}

/// After a failover the connection to the demoted primary stays open, and answers every
/// write with READONLY: whoever keeps it is without marks until it breaks by itself.
#[tokio::test]
async fn a_demoted_primary_is_passed_over_and_connected_to_anew_once_it_is_primary_again() {
    let (server, other) = tokio::join!(RedisServer::start(), RedisServer::start());
    let mut connection = server.key_space().connection().await;
    let own: i64 = client(&mut connection, &["ID"]).await;
    let claims = connect(config(&server.key_space())).await;
    let batch = [mark([order_key(1)], 1)];
    claims.mark(&batch, "e1").await;
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Done]);
    let before = others(&mut connection, own).await;
    assert_eq!(before.len(), 1, "{before:?}");

    let of = ["127.0.0.1".to_owned(), other.port().to_string()];
    replicate(&mut connection, &of).await;
    // Nobody broke the connection; the first write on it fails.
    let second = [mark([order_key(2)], 2)];
    assert_eq!(claims.take(&second, "t", "e1").await, [Claimed::Mine]);
    let read_only = || match claims.state() {
        State::Down { reason } => reason.to_lowercase().contains("read only"),
        State::Connected | State::Unused => false,
    };
    until("refused by the probe", read_only).await;
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine]);

    replicate(&mut connection, &["NO".to_owned(), "ONE".to_owned()]).await;
    until("found again", || claims.state() == State::Connected).await;
    let after = others(&mut connection, own).await;
    assert!(
        after.len() == 1 && after != before,
        "{before:?}, then {after:?}"
    );
    claims.mark(&second, "e1").await;
    assert_eq!(claims.take(&second, "t", "e1").await, [Claimed::Done]);
}

async fn replicate(connection: &mut MultiplexedConnection, of: &[String]) {
    let mut command = redis::cmd("REPLICAOF");
    let changed = command.arg(of).exec_async(connection).await;
    changed.expect("the server lets us");
}

async fn client<T: FromRedisValue>(
    connection: &mut MultiplexedConnection,
    subcommand: &[&str],
) -> T {
    let mut command = redis::cmd("CLIENT");
    let answer = command.arg(subcommand).query_async(connection).await;
    answer.expect("the server answers")
}

/// The numbers of the server's connections but for the asker's own.
async fn others(connection: &mut MultiplexedConnection, own: i64) -> Vec<i64> {
    let list: String = client(connection, &["LIST", "TYPE", "normal"]).await;
    let ids = list
        .lines()
        .filter_map(|line| line.strip_prefix("id=")?.split(' ').next()?.parse().ok());
    ids.filter(|id| *id != own).collect()
}

/// A primary may answer and refuse writes for many a reason. Here a user who may not write
/// any more stands for it; the probe must see that as well, or it would connect for ever.
#[tokio::test]
async fn a_redis_that_takes_no_writes_is_passed_over_until_it_does() {
    let space = Redis::key_space();
    let user = space.prefix.replace(':', "_");
    let mut connection = space.connection().await;
    let mut allow = async |rule: &str| {
        let mut command = redis::cmd("ACL");
        command.arg(&["SETUSER", &user, "on", ">pass", "~*", "+@all", rule]);
        command.exec_async(&mut connection).await.unwrap();
    };
    allow("+set").await;
    let place = space.url.split_once("://").unwrap().1;
    let url = format!("redis://{user}:pass@{place}");
    let claims = connect(Config {
        url: Some(Secret::inline(url).unwrap()),
        ..config(&space)
    })
    .await;
    let batch = [mark([order_key(1)], 1)];

    allow("-set").await;
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine]);
    let refused = || match claims.state() {
        State::Down { reason } => reason.contains("NOPERM") || reason.contains("no permissions"),
        State::Connected | State::Unused => false,
    };
    until("refused by the probe", refused).await;

    allow("+set").await;
    until("found again", || claims.state() == State::Connected).await;
    claims.mark(&batch, "e1").await;
    assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Done]);
    redis::cmd("ACL")
        .arg(&["DELUSER", &user])
        .exec_async(&mut connection)
        .await
        .unwrap();
}

#[tokio::test]
async fn without_redis_everything_is_mine() {
    let batch = [mark([order_key(1)], 1), mark([], 2)];
    for claims in [Claims::none(), start(Config::default())] {
        assert_eq!(claims.state(), State::Unused);
        assert_eq!(claims.take(&batch, "t", "e1").await, [Claimed::Mine; 2]);
        claims.mark(&batch, "e1").await;
        claims.release(&batch, "t").await;
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_without_the_password() {
    let space = Redis::key_space();
    let place = space.url.split_once("://").unwrap().1;
    for url in [
        format!("redis://ann:canary@{place}"),
        "ftp://ann:canary@host".to_owned(),
    ] {
        let claims = start(Config::at(Some(Secret::inline(url).unwrap())));
        let starting = State::Down {
            reason: "not connected yet".to_owned(),
        };
        until("refused", || claims.state() != starting).await;
        let state = format!("{:?}", claims.state());
        assert!(state.starts_with("Down"), "{state}");
        assert!(!state.contains("canary"), "{state}");
    }
}
