//! What an order, a push and a connected player cost each role and each server: from this the
//! capacity table in deploy/README.md follows. Every role is a process of its own.
//!
//! Processor time alone is told. It hardly depends on what else the machine does, and a rate
//! here would be that of all roles and servers on the same cores.

mod notices;
mod spent;

use std::fs;
use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use testkit::{Database, Postgres, RabbitMq, Vhost};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::load::{Load, Pace};
use crate::memory::Resident;
use crate::player::Player;
use crate::roles::{PROJECT, Role, Stack};
use notices::{order_paid, payment, user_validation};
use spent::{Ledger, Servers, Spent, head};

/// Orders of each step.
const ORDERS: u32 = 20_000;
/// Connected players, each of whom buys. The bench and the publisher have a file open for each.
const PLAYERS: u32 = 10_000;
/// That, and room for connections to servers and requests under way.
const OPEN_FILES: u64 = PLAYERS as u64 + 1_000;
const OUTSTANDING: usize = 256;
/// A quiet hour: hardly two orders come in one hint.
const QUIET_PER_SECOND: f64 = 100.0;
const QUIET: u32 = 3_000;
const MINUTES: u32 = 2;
/// How many players connect at once.
const CONNECTING: usize = 64;
const PATIENCE: Duration = Duration::from_mins(5);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The roles that run.
struct Line {
    vhost: Vhost,
    database: Database,
    servers: Servers,
    ingress: Role,
    worker: Option<Role>,
    publisher: Option<Role>,
    /// A publisher to which nobody is connected.
    bystander: Option<Role>,
}

/// Connected players, until this is dropped.
struct Players {
    /// Statuses that were pushed to any of them.
    heard: Arc<AtomicUsize>,
    listening: JoinSet<()>,
}

pub(crate) async fn measure() {
    let open = open_files();
    if open < OPEN_FILES {
        println!(
            "capacity: left out, for it takes {OPEN_FILES} open files and {open} are allowed (ulimit -n)\n"
        );
        return;
    }
    let mut line = Line::start().await;
    println!(
        "capacity: notices of {} (payment) and {} (order_paid, 3 lines granted) bytes, {PLAYERS} players",
        payment(1).len(),
        order_paid(1).len()
    );
    head();
    line.register().await;
    line.send("user_validation, answered", ORDERS, |number| {
        user_validation(number)
    })
    .await;
    line.send("payment, acknowledged", ORDERS, payment).await;
    let before = line.servers.ledger().await;
    line.book("record", "payment, booked", 0..ORDERS).await;
    line.send("order_paid, acknowledged", ORDERS, order_paid)
        .await;
    line.book("grant", "order_paid, booked", 0..ORDERS).await;
    let after = line.servers.ledger().await;
    line.play().await;
    Ledger::print(&before, &after, ORDERS);
    let second = line.granted_in_a_second(ORDERS).await;
    println!("  one worker granted {second:.0} orders a second of a backlog, beside all else\n");
}

/// How many files this process and those it starts may have open.
fn open_files() -> u64 {
    let limits = fs::read_to_string("/proc/self/limits").unwrap();
    let line = limits
        .lines()
        .find_map(|it| it.strip_prefix("Max open files"));
    let soft = line.unwrap().split_whitespace().next().unwrap();
    // Where there is no limit it says so.
    soft.parse().unwrap_or(u64::MAX)
}

impl Line {
    async fn start() -> Self {
        let vhost = RabbitMq::vhost().await;
        let database = Postgres::database().await;
        Self {
            ingress: Role::start("ingress", Stack::Servers(&vhost, &database)).await,
            servers: Servers::find(&database).await,
            worker: None,
            publisher: None,
            bystander: None,
            vhost,
            database,
        }
    }

    async fn run(&self, subcommand: &str) -> Role {
        Role::start(subcommand, Stack::Servers(&self.vhost, &self.database)).await
    }

    /// So that questions are answered from the ledger with yes.
    async fn register(&self) {
        let players = (0..PLAYERS).map(notices::player).collect::<Vec<_>>();
        let registered = sqlx::query(
            "INSERT INTO players (project, player, registered_at) \
             SELECT $1, player, now() FROM unnest($2::text[]) AS player",
        );
        let registered = registered.bind(PROJECT).bind(players);
        registered.execute(self.database.pool()).await.unwrap();
    }

    fn spent(&self) -> Spent {
        let process = |role: &Option<Role>| role.as_ref().map(Role::process);
        self.servers.spent([
            Some(self.ingress.process()),
            process(&self.worker),
            process(&self.publisher),
            process(&self.bystander),
        ])
    }

    /// As fast as they are answered.
    async fn send(&self, what: &str, count: u32, notice: fn(u32) -> Vec<u8>) {
        let load = self.load().await;
        let before = self.spent();
        let requests = (0..count).map(|number| crate::load::signed(&notice(number)));
        load.open_loop(Pace::of(f64::INFINITY), requests).await;
        self.spent().since(&before).print(what, count);
    }

    async fn load(&self) -> Load {
        // What warms the connections up has been booked when it comes here again.
        let known = crate::load::signed(&user_validation(0));
        Load::connect(self.ingress.ingress, OUTSTANDING, &known).await
    }

    /// A worker takes what waits, in whole batches.
    async fn book(&mut self, kind: &str, what: &str, numbers: Range<u32>) {
        self.worker = None;
        let before = self.spent();
        self.worker = Some(
            Role::start_with(
                "worker",
                Stack::Servers(&self.vhost, &self.database),
                |it| {
                    it.args(["--kinds", kind]);
                },
            )
            .await,
        );
        let queue = format!("grantline.{kind}.v1");
        self.vhost.wait_for_messages(&queue, 0).await;
        let count = u32::try_from(numbers.len()).unwrap();
        self.spent().since(&before).print(what, count);
    }

    /// From the first to the last of the orders that were booked from a backlog.
    async fn granted_in_a_second(&self, orders: u32) -> f64 {
        let took = "SELECT extract(epoch FROM max(booked_at) - min(booked_at))::float8 FROM \
            (SELECT booked_at FROM bookings ORDER BY booked_at LIMIT $1) AS first";
        let took = sqlx::query_scalar(took).bind(i64::from(orders));
        let took: f64 = took.fetch_one(self.database.pool()).await.unwrap();
        f64::from(orders) / took
    }

    /// Players connect, stay, and buy.
    async fn play(&mut self) {
        self.publisher = Some(self.run("publisher").await);
        self.bystander = Some(self.run("publisher").await);
        let memory = || Resident::of(self.publisher.as_ref().unwrap().process()).own;
        let (empty, before) = (memory(), self.spent());
        let players = self.connect().await;
        self.spent()
            .since(&before)
            .print("player, connected", PLAYERS);

        let before = self.spent();
        sleep(Duration::from_mins(MINUTES.into())).await;
        let spent = self.spent().since(&before);
        spent.print("player, there for a minute", PLAYERS * MINUTES);
        let full = memory();

        let first = ORDERS;
        let rest = first + QUIET;
        let quiet = format!("order, told: {QUIET_PER_SECOND} a second");
        self.told(&quiet, QUIET_PER_SECOND, first..rest, &players)
            .await;
        self.told(
            "order, told: all at once",
            f64::INFINITY,
            rest..rest + PLAYERS,
            &players,
        )
        .await;
        println!(
            "  memory of the publisher: {empty:.1} MB, with {PLAYERS} idle players {full:.1} MB, {:.1} kB each; after their orders {:.1} MB\n",
            (full - empty) * 1e3 / f64::from(PLAYERS),
            memory(),
        );
    }

    /// Connects every player. What they hear is counted.
    async fn connect(&self) -> Players {
        let publisher = self.publisher.as_ref().unwrap();
        let connected = stream::iter(0..PLAYERS)
            .map(|number| async move { Player::connect(publisher, &notices::player(number)).await })
            .buffer_unordered(CONNECTING);
        let mut connected = pin!(connected);
        let mut players = Players {
            heard: Arc::new(AtomicUsize::new(0)),
            listening: JoinSet::new(),
        };
        while let Some(mut player) = connected.next().await {
            let heard = Arc::clone(&players.heard);
            players.listening.spawn(async move {
                loop {
                    player.hear().await;
                    heard.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        players
    }

    /// From the notice to the pushes of both statuses, at every role.
    async fn told(&self, what: &str, per_second: f64, orders: Range<u32>, players: &Players) {
        let load = self.load().await;
        let heard = &players.heard;
        let count = u32::try_from(orders.len()).unwrap();
        let enough = heard.load(Ordering::Relaxed) + 2 * orders.len();
        let before = self.spent();
        let requests = orders.map(|number| crate::load::signed(&order_paid(number)));
        load.open_loop(Pace::of(per_second), requests).await;
        let deadline = Instant::now() + PATIENCE;
        while heard.load(Ordering::Relaxed) < enough {
            assert!(Instant::now() < deadline, "not everybody is told");
            sleep(LOOK_EVERY).await;
        }
        self.spent().since(&before).print(what, count);
    }
}
