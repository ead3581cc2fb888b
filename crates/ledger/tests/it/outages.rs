//! A database that vanishes without a word: no connection is refused or closed, nothing is
//! ever answered. Nobody may wait for it longer than the configuration allows.

use std::time::Duration;

use ledger::{Config, Disposition, Ledger, LedgerError, ParkedFilter};
use order::ParkReason;
use secret::Secret;
use sqlx::{Executor as _, PgPool};
use task::ParkedId;
use testkit::{CuttingProxy, Database, Postgres};
use tokio::time::{Instant, sleep, timeout};

use crate::notices::{batch, holds, id, noon, paid, player, project};

const CONNECTIONS: i64 = 3;
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(400);
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(1);
/// What a call may take in all: its connection and three statements.
const DEADLINE: Duration = Duration::from_millis(400 + 3 * 1_000);
/// What a loaded machine may add to it.
const PATIENCE: Duration = Duration::from_secs(3);

/// A ledger behind a proxy.
async fn behind_a_proxy(database: &Database) -> (CuttingProxy, Ledger) {
    let proxy = CuttingProxy::before(database.url()).await;
    let ledger = Ledger::open(&Config {
        url: Secret::inline(proxy.url(database.url())).unwrap(),
        max_connections: u32::try_from(CONNECTIONS).unwrap(),
        acquire_timeout: ACQUIRE_TIMEOUT,
        statement_timeout: STATEMENT_TIMEOUT,
        ..database.config()
    })
    .unwrap();
    // A connection at work shall be lost, not one that is just being opened.
    works_again(&ledger, 1, 2).await;
    let _ = tokio::join!(ledger.ping(), ledger.ping(), ledger.ping());
    (proxy, ledger)
}

/// Lets the server vanish once so many statements of the ledger are at work on it: they
/// wait for tables that are locked until then.
async fn vanishes_from(pool: &PgPool, proxy: &CuttingProxy, statements: i64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'grantline'
               AND wait_event_type = 'Lock'",
        )
        .fetch_one(pool)
        .await
        .unwrap();
        if waiting == statements {
            return proxy.stall();
        }
        assert!(Instant::now() < deadline, "{waiting} statements wait");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Where the server was, there is another one; what was on its way is gone for good.
fn is_replaced(proxy: &CuttingProxy) {
    proxy.lose();
    proxy.heal();
}

async fn lock_all(pool: &PgPool) -> sqlx::Transaction<'static, sqlx::Postgres> {
    let mut holder = pool.begin().await.unwrap();
    holder
        .execute(
            "LOCK TABLE balances, notices, orders, parked, players, streams, transactions
             IN ACCESS EXCLUSIVE MODE",
        )
        .await
        .unwrap();
    holder
}

/// The call is not answered, and says so in time.
async fn is_unavailable_in_time<T: std::fmt::Debug>(
    what: &str,
    call: impl Future<Output = Result<T, LedgerError>>,
) {
    let ended = timeout(DEADLINE + PATIENCE, call).await;
    let ended = ended.unwrap_or_else(|_| panic!("{what} waits for ever"));
    let fault = ended.unwrap_err();
    assert!(
        matches!(fault, LedgerError::Unavailable(_)),
        "{what}: {fault:?}"
    );
    assert_eq!(fault.disposition(), Disposition::Retry);
}

/// Books an order as a worker does, again and again. It has to work before long.
async fn works_again(ledger: &Ledger, order: i64, held: i64) {
    let deadline = Instant::now() + 2 * DEADLINE + PATIENCE;
    loop {
        let entries = batch([paid(order, "mira", order)]);
        match ledger.book(&entries, noon()).await {
            Ok(_) => break,
            Err(fault) => assert!(Instant::now() < deadline, "{fault:?}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(holds(ledger, "mira").await, [("sword".into(), held)]);
}

/// Makes three calls of a server that vanishes under them, and then finds the next one.
macro_rules! three_calls_end_in_time {
    ($database:expr, $proxy:expr, $($call:ident $(($($argument:expr),*))?),+ of $ledger:expr) => {
        let holder = lock_all($database.pool()).await;
        tokio::join!(
            async {
                vanishes_from($database.pool(), $proxy, CONNECTIONS).await;
                holder.rollback().await.unwrap();
            },
            $(is_unavailable_in_time(stringify!($call), $ledger.$call($($($argument),*)?))),+
        );
        is_replaced($proxy);
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_a_database_that_vanished_ends_in_time_and_the_next_one_finds_the_new() {
    let database = Postgres::database().await;
    let (proxy, ledger) = behind_a_proxy(&database).await;
    let (project, mira) = (project(), player("mira"));
    let (order, entries) = (id(1), batch([paid(2, "mira", 2)]));
    let (all, body) = (ParkedFilter::default(), bytes::Bytes::from_static(b"{"));

    three_calls_end_in_time!(database, &proxy,
        book(&entries, noon()), stream(project, &mira, 0), order(project, order) of ledger);
    works_again(&ledger, 3, 4).await;
    three_calls_end_in_time!(database, &proxy,
        epoch(), inventory(project, &mira), transaction(project, id(1)) of ledger);
    works_again(&ledger, 4, 6).await;
    three_calls_end_in_time!(database, &proxy,
        parked(&all), parked_body(ParkedId(1)), parked_was_replayed(ParkedId(1), noon()) of ledger);
    works_again(&ledger, 5, 8).await;
    three_calls_end_in_time!(database, &proxy,
        park_raw(&body, ParkReason::Unreadable, "", noon()),
        register_player(project, &mira, noon()),
        is_registered(project, &mira) of ledger);
    works_again(&ledger, 6, 10).await;
    three_calls_end_in_time!(database, &proxy,
        order_status(project, order, &mira),
        orders_of(project, &mira, None, 9),
        notices_of(project, &mira, 9) of ledger);
    works_again(&ledger, 7, 12).await;
}

/// A connection whose reader has given up is rolled back on its way to the pool, and that
/// is not answered either.
#[tokio::test(flavor = "multi_thread")]
async fn readers_that_gave_up_on_every_connection_leave_a_ledger_that_works_again() {
    let database = Postgres::database().await;
    let (proxy, ledger) = behind_a_proxy(&database).await;
    let holder = lock_all(database.pool()).await;
    let readers = (0..CONNECTIONS).map(|_| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.inventory(project(), &player("mira")).await })
    });
    let readers: Vec<_> = readers.collect();
    vanishes_from(database.pool(), &proxy, CONNECTIONS).await;
    holder.rollback().await.unwrap();
    for reader in readers {
        reader.abort();
        assert!(reader.await.unwrap_err().is_cancelled());
    }
    is_replaced(&proxy);
    works_again(&ledger, 2, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_whose_database_vanished_can_be_closed_and_stays_so() {
    let database = Postgres::database().await;
    let (proxy, ledger) = behind_a_proxy(&database).await;
    let holder = lock_all(database.pool()).await;
    let close = async {
        vanishes_from(database.pool(), &proxy, 1).await;
        holder.rollback().await.unwrap();
        timeout(Duration::from_secs(8), ledger.close())
            .await
            .expect("closed in time");
    };
    // Its deadline is over when the ledger has been closed.
    tokio::join!(close, is_unavailable_in_time("epoch", ledger.epoch()));
    is_replaced(&proxy);
    for _ in 0..2 {
        is_unavailable_in_time("ping", ledger.ping()).await;
    }
}
