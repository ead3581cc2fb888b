//! The real processes, killed in mid-stream: every server and every role of the cluster
//! stack, with `kill -9`, while signed notices come in. Whatever was answered 2xx must have
//! its one effect in the end.
//!
//! `make test` kills three, `make chaos` many more. `GRANTLINE_CHAOS_SEED` repeats orders and
//! schedule, `GRANTLINE_CHAOS_KILLS` chooses how many kills.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod nemesis;
#[path = "../line/oracle.rs"]
mod oracle;
mod orders;
mod process;
mod report;
mod roles;
mod sender;
#[expect(dead_code, reason = "the test of TLS asks who is connected")]
mod servers;
mod verdict;

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use nemesis::{schedule, strike};
use orders::Order;
use report::{say, table};
use roles::Roles;
use sender::Xsolla;
use servers::{Server, Servers};

/// More than twice as many copies of notices.
const ORDERS_PER_SECOND: u32 = 40;
const WARM_UP: Duration = Duration::from_secs(2);
/// Longest time in which nothing more is taken, or ends, although something has to: a worker
/// may hold a batch for a minute, and a retry queue another.
const STUCK: Duration = Duration::from_secs(150);
/// The management API counts messages some time after they have moved.
const COUNTED: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn killed_processes_lose_nothing_and_double_nothing() {
    let seed = number("GRANTLINE_CHAOS_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let kills = number("GRANTLINE_CHAOS_KILLS").unwrap_or(3);
    say(&format!(
        "GRANTLINE_CHAOS_SEED={seed} GRANTLINE_CHAOS_KILLS={kills}"
    ));
    let folder = Folder::new();
    let mut servers = Servers::start(&folder.0, &Server::ALL).await;
    let mut roles = Roles::start(&folder.0, &servers, seed).await;
    let ledger = PgPool::connect_lazy(servers.url("DATABASE_URL")).unwrap();

    let xsolla = Xsolla::new(seed, roles.at.ingress);
    let (stop, stopped) = watch::channel(false);
    let selling = tokio::spawn(xsolla.clone().sell(ORDERS_PER_SECOND, stopped));
    sleep(WARM_UP).await;
    let rounds = schedule(seed, usize::try_from(kills).unwrap());
    let damage = strike(&rounds, &mut servers, &mut roles).await;
    stop.send_replace(true);
    let sold = taken(selling, &xsolla).await;

    let orders: Vec<_> = (0..sold).map(|number| Order::draw(seed, number)).collect();
    drain(&orders, &ledger).await;
    let left = queues_left(&servers).await;
    let mut verdict = verdict::judge(&orders, &ledger, roles.at).await;
    roles.start_missing();
    let history = xsolla.history();
    verdict.other.extend(
        left.iter()
            .map(|(queue, left)| format!("{left} left on {queue}")),
    );
    verdict.other.extend(history.refusals.iter().cloned());
    verdict.other.append(&mut roles.faults);
    let deadlocks = servers.postgres_log().matches("deadlock detected").count();
    if deadlocks > 0 {
        verdict
            .other
            .push(format!("{deadlocks} deadlocks in PostgreSQL's log"));
    }
    let table = table(&damage, &history, &verdict);
    say(&table);
    assert_eq!(
        history.copies,
        history.accepted_copies + u64::try_from(history.refusals.len()).unwrap()
    );
    let wrong = [
        &verdict.lost,
        &verdict.short,
        &verdict.doubled,
        &verdict.other,
    ];
    let some: Vec<_> = wrong
        .iter()
        .flat_map(|wrong| wrong.iter().take(10))
        .collect();
    assert!(
        some.is_empty(),
        "GRANTLINE_CHAOS_SEED={seed}, logs in {}{table}{some:#?}",
        folder.0.display()
    );
}

/// Waits until every notice is taken. Returns the number of orders.
async fn taken(mut selling: JoinHandle<u64>, xsolla: &Xsolla) -> u64 {
    let mut before = 0;
    loop {
        if let Ok(sold) = timeout(STUCK, &mut selling).await {
            return sold.unwrap();
        }
        let (accepted, copies) = {
            let history = xsolla.history();
            (history.accepted_copies, history.copies)
        };
        assert!(
            accepted > before,
            "{accepted} of {copies} copies are taken, and no more within {STUCK:?}"
        );
        before = accepted;
    }
}

/// Waits until every notice has ended, or nothing ends any more: the verdict then says what
/// is lost.
async fn drain(orders: &[Order], ledger: &PgPool) {
    let expected = verdict::expected(orders);
    let (mut before, mut moved) = (0, Instant::now());
    while moved.elapsed() < STUCK {
        let ended = verdict::ended(ledger).await;
        if expected.is_subset(&ended) {
            return;
        }
        if ended.len() > before {
            (before, moved) = (ended.len(), Instant::now());
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// The queues that do not become empty.
async fn queues_left(servers: &Servers) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + COUNTED;
    loop {
        let mut queues = servers.queues().await;
        assert!(queues.len() >= 9, "queues are missing: {queues:?}");
        queues.retain(|_, messages| *messages > 0);
        if queues.is_empty() || Instant::now() > deadline {
            return queues;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// Where the servers and logs of this run are. Stays behind when the test fails.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = parent.join(format!("chaos-{}", std::process::id()));
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

#[expect(
    clippy::disallowed_methods,
    reason = "how a person chooses what is killed"
)]
fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is `{value}`, expected a number")),
    )
}
