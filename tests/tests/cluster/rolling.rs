//! Roles are rolled to the next version and back while a sale goes on, by the signals and in
//! the order of a Deployment: schema first, then whoever reads tasks, and whoever writes them
//! last; back the other way round. Nothing is excused: no fault is in the journal.
//!
//! `make test` rolls the workers, `make chaos` every role (`GRANTLINE_ROLL=all`).

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal::journal::{Journal, Seen};
use rehearsal::report::Report;
use rehearsal::{Live, Shares};
use tokio::time::{Instant, sleep};

use crate::roles::{PORTS, ROLES, Roles, Version, free_ports};
use crate::sale::{Judged, Sale, paid, plan, refused};
use crate::servers::{Server, Servers};
use crate::{Folder, ONE_AT_A_TIME, say};

/// A purchase takes some seconds, so that there are clients to lose.
const TIME_SCALE: u32 = 10;
/// So many `order_paid` are taken before a process is replaced.
const ORDERS_BETWEEN: usize = 8;
const SHARES: [&str; 8] = [
    "combined=50%",
    "bundle=10%",
    "odd=10%",
    "repeat=8%",
    "simultaneous=8%",
    "registered=50%",
    "socket=60%",
    "polling=20%",
];
/// What the publisher's `drain_spread` is unless it is configured: the last client is sent
/// away so long after the signal, and each one is back as soon.
const DRAIN: Duration = Duration::from_secs(5);
/// For a machine that others use as well.
const SLACK: u32 = 3;
/// A worker that does not know a task's format leaves it for a minute.
const LEFT: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_millis(100);

#[tokio::test(flavor = "multi_thread")]
async fn a_roll_out_and_back_loses_nothing_and_refuses_nobody() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let seed = 1;
    let folder = Folder::new("rolling", seed);
    let servers = Servers::start(&folder.0, &Server::ALL).await;
    let broker = servers.at(Server::Broker);
    let mut roles = Roles::start(&folder.0, &servers, broker, &free_ports(seed, PORTS)).await;
    let mut plan = plan(seed, Shares::none(), &SHARES);
    plan.time_scale = TIME_SCALE;
    let sale = Sale::begin(plan, &roles.target()).await;
    let mut stage = Stage {
        roles: &mut roles,
        live: &sale.live,
    };
    let rolled = if is_whole() {
        stage.roll_all(&servers).await
    } else {
        stage.roll_workers().await
    };
    let Judged {
        journal,
        findings,
        verdict,
    } = sale.judged(&roles.target()).await;
    let report = Report::new(&journal, &findings, &verdict);
    say(&format!("\n{}", report.table()));
    assert!(verdict.is_clean(), "the roll-out breaks promises");
    assert_eq!(roles.faults, [""; 0], "a process did not end in order");
    assert_eq!(
        refused(&journal),
        BTreeMap::new(),
        "answers but 2xx and 503"
    );
    let (away, stranded) = away(&journal);
    assert_eq!(stranded, [0; 0], "clients that never came back");
    if rolled.contains(&"publisher") {
        assert!(!away.is_empty(), "no client was sent away");
    }
    let longest = away.iter().max().copied().unwrap_or_default();
    say(&format!(
        "{} clients were sent away, the longest for {longest:?}",
        away.len()
    ));
    assert!(
        longest <= DRAIN * SLACK,
        "a client was away for {longest:?}"
    );
}

/// What is rolled, and the sale that goes on.
struct Stage<'a> {
    roles: &'a mut Roles,
    live: &'a Live,
}

impl Stage<'_> {
    /// The released version works on the next one's schema, and the next version on its tasks.
    async fn roll_workers(&mut self) -> Vec<&'static str> {
        self.roles.migrate(Version::Ahead).await;
        self.roll(&["worker"], Version::Ahead).await;
        self.roll(&["worker"], Version::Released).await;
        // Whoever has to go back may run the hook of the version it goes back to.
        self.roles.migrate(Version::Released).await;
        for number in numbers("worker") {
            let log = self.roles.logged(number);
            assert!(log.contains("this version knows only"), "{log}");
        }
        vec!["worker"]
    }

    async fn roll_all(&mut self, servers: &Servers) -> Vec<&'static str> {
        let readers_first = ["worker", "publisher", "api", "ingress"];
        self.roles.migrate(Version::Ahead).await;
        self.roll(&readers_first, Version::Ahead).await;
        self.stray().await;
        self.roll(&["ingress", "api"], Version::Released).await;
        // No task of the next version's format is left.
        servers.until_empty(LEFT).await;
        self.roll(&["publisher", "worker"], Version::Released).await;
        self.roles.migrate(Version::Released).await;
        readers_first.to_vec()
    }

    /// Against the order: a worker that does not know the format of the tasks leaves them to
    /// those that do.
    async fn stray(&mut self) {
        let stray = numbers("worker").next().unwrap();
        self.roles.replace(stray, Version::Released).await;
        let deadline = Instant::now() + LEFT;
        let left = "is of a format that this version does not know";
        while !self.roles.logged(stray).contains(left) {
            let late = "the next version writes no other format";
            assert!(Instant::now() < deadline, "{late}");
            sleep(LOOK_EVERY).await;
        }
        self.roles.replace(stray, Version::Ahead).await;
    }

    async fn roll(&mut self, order: &[&'static str], to: Version) {
        for role in order {
            for number in numbers(role) {
                self.sold(ORDERS_BETWEEN).await;
                let began = Instant::now();
                self.roles.replace(number, to).await;
                let (name, _) = ROLES[number];
                say(&format!("{name} is {to:?} after {:?}", began.elapsed()));
            }
        }
    }

    /// Waits until so many more `order_paid` are taken.
    async fn sold(&self, more: usize) {
        let paid = || self.live.look(paid);
        let enough = paid() + more;
        let deadline = Instant::now() + LEFT;
        while paid() < enough {
            assert!(
                Instant::now() < deadline,
                "nobody's payment is taken any more"
            );
            sleep(LOOK_EVERY).await;
        }
    }
}

pub(crate) fn numbers(role: &'static str) -> impl Iterator<Item = usize> {
    let all = ROLES.iter().enumerate();
    all.filter(move |(_, (_, of))| *of == role)
        .map(|(number, _)| number)
}

/// How long each client was without a connection that it had not given up itself, and those
/// that never had one again.
fn away(journal: &Journal) -> (Vec<Duration>, Vec<u32>) {
    let mut gone = BTreeMap::new();
    let mut away = Vec::new();
    for sight in &journal.sights {
        match &sight.seen {
            // A connection that could not be made is told as a close, too.
            Seen::Closed { .. } => {
                gone.entry(sight.client).or_insert(sight.at);
            }
            Seen::Subscribed { .. } => {
                if let Some(since) = gone.remove(&sight.client) {
                    away.push(sight.at.saturating_sub(since));
                }
            }
            Seen::Pushed(_) | Seen::History { .. } | Seen::Polled { .. } => {}
        }
    }
    (away, gone.into_keys().collect())
}

#[expect(clippy::disallowed_methods, reason = "how `make chaos` asks for all")]
fn is_whole() -> bool {
    std::env::var("GRANTLINE_ROLL").is_ok_and(|roles| roles == "all")
}
