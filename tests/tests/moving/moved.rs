//! `grantline migrate-to`: from one file to servers.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use broker::{Broker, EmbeddedConfig, Tier};
use order::Kind;
use serde_json::Value;
use sqlite::{File, OpenError};
use sqlx::AssertSqlSafe;
use task::{Lane, MessageId, Task};
use testkit::{Postgres, RabbitMq};
use tests::Chance;
use tokio::time::sleep;

use crate::line::{Line, PROJECT, canceled, of_nobody, paid, sku};

const MOVE: [&str; 5] = [
    "migrate-to",
    "--config",
    "cluster.toml",
    "--from",
    "data/line.db",
];

/// A notice as the ingress puts it on the queue.
fn task(kind: Kind, order: i64, notice: &Value) -> Task {
    let body = notice.to_string();
    Task {
        project: PROJECT.try_into().unwrap(),
        kind,
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

/// Puts tasks on the file's queues while nobody takes them.
async fn queue(file: &File, tasks: impl IntoIterator<Item = Task>) -> Broker {
    let meter = telemetry::Telemetry::quiet().meter("broker");
    let broker = Broker::embedded(file.clone(), EmbeddedConfig::default(), &meter);
    let broker = broker.await.unwrap();
    for task in tasks {
        broker.publish(&task).await.unwrap();
    }
    broker
}

/// A row of the printed table: in the file, arrived.
fn row(text: &str, what: &str) -> (u64, u64) {
    let line = text
        .lines()
        .find(|line| line.trim_start().starts_with(&format!("{what} ")))
        .unwrap_or_else(|| panic!("no {what} in:\n{text}"));
    let mut numbers = line.split_whitespace().filter_map(|word| word.parse().ok());
    (numbers.next().unwrap(), numbers.next().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_moved_goes_on_where_it_was() {
    let line = Line::new();
    let served = line.serve("embedded.toml").await;
    for order in [1, 2] {
        line.deliver(&paid(order, "mira")).await;
    }
    line.deliver(&of_nobody(3)).await;
    line.holds("mira", &["blade-1", "blade-2"]).await;
    let parked = line.parked(1).await;
    served.stop().await;

    // Accepted and not yet booked: one waits, one is to be tried again in a moment, one was
    // handed to the parking queue.
    let file = File::open(&line.file()).unwrap();
    let waiting = [4, 5, 6].map(|order| task(Kind::OrderPaid, order, &paid(order, "mira")));
    let broker = queue(&file, waiting).await;
    let consumer = broker.consume(Lane::Grant, 2);
    let mut held = consumer.batch(2, Duration::ZERO).await;
    while held.len() < 2 {
        held.extend(consumer.batch(2 - held.len(), Duration::ZERO).await);
    }
    consumer.retry(&held[0], Tier::FiveSeconds).await.unwrap();
    consumer.park(&held[1], "unreadable").await.unwrap();
    consumer.close().await;
    broker.close().await;
    file.close().await;

    let (database, vhost) = tokio::join!(Postgres::empty_database(), RabbitMq::empty_vhost());
    line.on_servers(&database, &vhost);
    let moved = line.run(&MOVE).await;
    assert_eq!(moved.code, Some(0), "{}", moved.text);
    for (what, count) in [
        ("orders", 2),
        ("bookings", 2),
        ("stream_rows", 4),
        ("parked", 1),
        ("tasks", 2),
    ] {
        assert_eq!(
            row(&moved.text, what),
            (count, count),
            "{what}:\n{}",
            moved.text
        );
    }
    assert_eq!(row(&moved.text, "parked tasks"), (1, 1), "{}", moved.text);

    // The old file is served no more, and says where to look.
    let parts = [
        "line.db was moved at 20",
        "is served no more",
        "`ledger.url`",
    ];
    line.fails(&["serve", "--config", "embedded.toml"], &parts)
        .await;
    let again = line.run(&MOVE).await;
    assert_eq!(again.code, Some(0), "{}", again.text);

    let served = line.serve("cluster.toml").await;
    line.deliver(&canceled(1, "mira")).await;
    // The one on the parking queue ends in the ledger's list, waiting for a person.
    let all = line.parked(2).await;
    assert_eq!(all[0], parked[0]);
    assert!(all[1] > parked[0], "{all:?}");
    line.holds("mira", &["blade-2", "blade-4", "blade-6"]).await;
    let sql = "SELECT stream_offset FROM stream_rows WHERE player = 'mira' ORDER BY 1";
    let offsets: Vec<i64> = sqlx::query_scalar(sql)
        .fetch_all(database.pool())
        .await
        .unwrap();
    let gapless: Vec<i64> = (1..).take(offsets.len()).collect();
    assert_eq!(offsets, gapless, "history goes on at the next offset");
    // A repeat of everything changes nothing.
    for order in [1, 2, 4, 6] {
        line.deliver(&paid(order, "mira")).await;
    }
    line.deliver(&canceled(2, "mira")).await;
    line.holds("mira", &["blade-4", "blade-6"]).await;
    served.stop().await;
}

const TASKS: i64 = 1_500;
const PLAYERS: i64 = 10;

fn owner(order: i64) -> String {
    format!("player-{}", order % PLAYERS)
}

/// How many messages the move has noted as sent.
fn sent(line: &Line) -> i64 {
    let file = rusqlite::Connection::open(line.file()).unwrap();
    let sql = "SELECT count(*) FROM move_sent";
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Killed at drawn moments it is run again until it ends, and once the file is served in
/// between. `GRANTLINE_CHAOS_SEED` repeats the moments.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_is_killed_loses_nothing_and_doubles_nothing() {
    let line = Line::new();
    let file = File::open(&line.file()).unwrap();
    let orders = 1..=TASKS;
    let tasks = orders.map(|order| task(Kind::OrderPaid, order, &paid(order, &owner(order))));
    queue(&file, tasks).await.close().await;
    file.close().await;
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    line.on_servers(&database, &vhost);

    let seed = seed();
    let mut chance = Chance::new(seed, 0);
    for round in 0..8 {
        let mut moving = line.start(&MOVE);
        let ready = async {
            if round < 3 {
                return sleep(chance.millis(50, 700)).await;
            }
            let some = i64::try_from(chance.below(TASKS.unsigned_abs())).unwrap();
            while sent(&line) < some {
                sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::select! {
            ended = moving.wait() => {
                assert_eq!(ended.unwrap().code(), Some(0), "seed {seed}");
                break;
            }
            () = ready => moving.kill().await.unwrap(),
        }
        match File::open(&line.file()) {
            Ok(file) => file.close().await,
            Err(OpenError::Moved { .. }) => break,
            Err(refused) => panic!("seed {seed}: {refused}"),
        }
        // Nobody uses the copy before the file says that it was moved.
        let unfinished = "SELECT count(*) FROM move WHERE finished_at IS NOT NULL";
        let finished: i64 = sqlx::query_scalar(unfinished)
            .fetch_one(database.pool())
            .await
            .unwrap();
        assert_eq!(finished, 0, "seed {seed}");
        if round == 5 {
            let served = line.serve("embedded.toml").await;
            line.deliver(&paid(TASKS + 1, &owner(TASKS + 1))).await;
            served.kill().await;
        }
    }
    let moved = line.run(&MOVE).await;
    assert_eq!(moved.code, Some(0), "seed {seed}: {}", moved.text);

    let refused = File::open(&line.file()).unwrap_err();
    assert!(matches!(refused, OpenError::Moved { .. }), "{refused}");
    let served = line.serve("cluster.toml").await;
    line.deliver(&paid(TASKS + 1, &owner(TASKS + 1))).await;
    for player in 0..PLAYERS {
        let owed = (1..=TASKS + 1).filter(|order| order % PLAYERS == player);
        let owed: Vec<_> = owed.map(sku).collect();
        let owed: Vec<_> = owed.iter().map(String::as_str).collect();
        line.holds(&owner(player), &owed).await;
    }
    assert!(line.parked(0).await.is_empty(), "seed {seed}");
    served.stop().await;
}

#[expect(clippy::disallowed_methods, reason = "how a person repeats a run")]
fn seed() -> u64 {
    let given = std::env::var("GRANTLINE_CHAOS_SEED").ok();
    given.map_or_else(
        || RandomState::new().hash_one(()),
        |seed| seed.parse().expect("GRANTLINE_CHAOS_SEED is a number"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_moved_is_refused_and_stays() {
    let line = Line::new();
    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(1, "mira")).await;
    line.holds("mira", &["blade-1"]).await;
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    line.on_servers(&database, &vhost);
    let parts = ["line.db is served by another process", "stop that one"];
    line.fails(&MOVE, &parts).await;
    served.stop().await;

    let missing = [
        "migrate-to",
        "--config",
        "cluster.toml",
        "--from",
        "none.db",
    ];
    line.fails(&missing, &["there is no data file", "none.db"])
        .await;
    let own = ["migrate-to", "--config", "embedded.toml"];
    line.fails(&own, &["the configuration of the file itself", "--from"])
        .await;
    let elsewhere = "postgres://ann:canary@127.0.0.1:1/nowhere";
    let refused = [&MOVE[..1], &[elsewhere], &MOVE[1..]].concat();
    let parts = [
        "cannot use the database at 127.0.0.1:1/nowhere",
        "check `ledger.url`",
    ];
    line.fails(&refused, &parts).await;
    let elsewhere = "amqp://ann:canary@127.0.0.1:1/nowhere";
    let refused = [&MOVE[..], &["--broker", elsewhere]].concat();
    line.fails(&refused, &["nowhere"]).await;

    // Somebody works there.
    let mira = format!("INSERT INTO players VALUES ({PROJECT}, 'mira', now())");
    sqlx::query(AssertSqlSafe(mira))
        .execute(database.pool())
        .await
        .unwrap();
    let parts = [
        "is not empty: 1 row(s) in `players`",
        "name another database",
        "nothing is lost",
    ];
    line.fails(&MOVE, &parts).await;
    sqlx::query("DELETE FROM players")
        .execute(database.pool())
        .await
        .unwrap();
    let meter = telemetry::Telemetry::quiet().meter("broker");
    let broker = Broker::connect(vhost.config(), "test", &meter);
    let mut state = broker.state();
    let connected = state.wait_for(|state| state.publishing == broker::Link::Connected);
    drop(connected.await.unwrap());
    let other = task(Kind::OrderPaid, 9, &paid(9, "ava"));
    broker.publish(&other).await.unwrap();
    broker.close().await;
    let parts = [
        "is not empty: 1 message(s) in `grantline.grant.v1`",
        "name another virtual host",
    ];
    line.fails(&MOVE, &parts).await;

    let served = line.serve("embedded.toml").await;
    line.deliver(&paid(2, "mira")).await;
    line.holds("mira", &["blade-1", "blade-2"]).await;
    served.stop().await;
}
