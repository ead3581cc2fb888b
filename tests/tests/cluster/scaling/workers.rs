//! Workers, by the chart's `ScaledObject`: what waits in their queue and what they hold.

use std::time::Duration;

use sqlx::PgPool;
use testkit::CuttingProxy;
use tokio::time::{Instant, sleep};

use super::chart::Chart;
use super::scaler::Scaler;
use super::{CROWD, LOOK_EVERY, ORDERS_PER_SECOND, PATIENCE, SYNC, Sale, end, plan, rate};
use crate::roles::{Member, Roles, free_ports};
use crate::servers::{Server, Servers};
use crate::{Folder, ONE_AT_A_TIME, say};

const SEED: u64 = 11;
const QUEUE: &str = "grantline.grant.v1";
const OTHERS: [(&str, &str, &[&str]); 4] = [
    ("ingress", "ingress", &[]),
    ("publisher", "publisher", &[]),
    ("api", "api", &[]),
    (
        "worker of the rest",
        "worker",
        &["--kinds", "revoke,record"],
    ),
];
/// There and back, between a worker and its database.
const FAR: Duration = Duration::from_millis(50);
const LANES: u64 = 1;
const PREFETCH: u64 = 4;
const BATCH: u64 = 2;
/// One worker has so many looks before the crowd comes.
const CALM: usize = 3;
/// So many it grants of the crowd's orders before anybody helps it.
const ALONE: u64 = 10;
/// And so many workers are then asked for, which is more than the crowd needs: just enough would
/// leave the backlog where it is.
const ASKED_FOR: u64 = 8;
/// What several do, of what one does.
const MORE: f64 = 1.5;

/// What was seen at one look.
#[derive(Clone, Copy, Debug)]
struct Look {
    at: Instant,
    replicas: u64,
    backlog: u64,
    granted: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_added_by_the_backlog_until_it_falls_and_leave_after_it() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let folder = Folder::new("scaling-workers", SEED);
    let servers = Servers::start(&folder.0, &Server::ALL).await;
    servers.count_every_second().await;
    let far = CuttingProxy::before(servers.url("DATABASE_URL")).await;
    far.delay(FAR / 2);
    let mut stage = Stage::set(&folder, &servers, &far).await;
    let target = stage.roles.target();

    let usual = Sale::begin(plan(1, ORDERS_PER_SECOND), &target).await;
    for _ in 0..CALM {
        let look = stage.look(|_| SYNC).await;
        let held_up = "one worker is enough for the usual load";
        assert!(look.backlog <= stage.target, "{held_up}: {look:?}");
    }
    let crowd = Sale::begin(plan(2, CROWD), &target).await;
    let came = Instant::now();
    let one = stage.alone().await;
    let looks = stage.scale_out().await;
    let accepted = crowd.live.look(crate::sale::paid) as u64;
    let offered = rate(accepted, came.elapsed()) + ORDERS_PER_SECOND;
    crowd.close();
    check(&looks, stage.target, (offered, one));

    stage.scale_in().await;
    end("the crowd", crowd, &stage.roles).await;
    end("the usual load", usual, &stage.roles).await;
    assert_eq!(
        stage.roles.faults, [""; 0],
        "a process did not end in order"
    );
}

/// What the looks from the first helper to the backlog's fall have to show, beside what came and
/// what one worker had granted in a second.
fn check(looks: &[Look], target: u64, (offered, one): (f64, f64)) {
    let peak = looks.iter().max_by_key(|look| look.backlog).unwrap();
    let last = looks[looks.len() - 1];
    let several = rate(last.granted - peak.granted, last.at - peak.at);
    let replicas = last.replicas;
    say(&format!(
        "orders a second: {offered:.1} paid, {one:.1} granted by one worker, {several:.1} by {replicas}"
    ));
    assert!(peak.backlog > 2 * target, "it was no crowd: {peak:?}");
    assert!(last.backlog <= target, "the backlog stays: {last:?}");
    assert!(replicas > 2, "hardly anybody was added");
    assert!(offered > one * MORE, "one worker would have done");
    assert!(several > one * MORE, "several do no more than one");
}

struct Stage<'a> {
    servers: &'a Servers,
    ledger: PgPool,
    roles: Roles,
    /// The workers that run, by number: the longest running first.
    workers: Vec<usize>,
    /// Workers that were ever started.
    started: usize,
    /// What each worker has in its environment.
    environment: Vec<(&'static str, String)>,
    scaler: Scaler,
    /// Seconds of the chart's since the beginning.
    now: u64,
    /// Messages a worker.
    target: u64,
}

impl<'a> Stage<'a> {
    async fn set(folder: &Folder, servers: &'a Servers, far: &CuttingProxy) -> Self {
        let chart = Chart::of_sale_night();
        let component = ["workers.grant", "worker", "defaults"];
        let max = chart.setting(&component, "autoscaling.max");
        let environment = vec![
            (
                "GRANTLINE__LEDGER__URL",
                far.url(servers.url("DATABASE_URL")),
            ),
            ("GRANTLINE__WORKER__LANES", LANES.to_string()),
            ("GRANTLINE__WORKER__PREFETCH", PREFETCH.to_string()),
            ("GRANTLINE__WORKER__BATCH", BATCH.to_string()),
        ];
        let mut cast: Vec<_> = OTHERS
            .iter()
            .map(|(name, role, arguments)| Member {
                arguments,
                ..Member::new(*name, role)
            })
            .collect();
        cast.push(worker(1, &environment));
        let places = cast.len() + 1 + usize::try_from(max).unwrap();
        let ports = free_ports(SEED, 2 * places);
        let broker = servers.at(Server::Broker);
        Self {
            ledger: PgPool::connect_lazy(servers.url("DATABASE_URL")).unwrap(),
            workers: vec![cast.len() - 1],
            roles: Roles::start_cast(&folder.0, servers, broker, &ports, cast).await,
            servers,
            started: 1,
            environment,
            // The chart's least would have hidden what is to be shown.
            scaler: Scaler::new(1, (1, max), chart.behavior(&component)),
            now: 0,
            target: chart.backlog_per_pod(LANES, PREFETCH),
        }
    }

    /// What KEDA tells the scaler, and what that makes of it so many seconds after the last time.
    async fn look(&mut self, seconds: impl FnOnce(&Look) -> u64) -> Look {
        let look = self.see().await;
        let wanted = self.step(look.backlog, seconds(&look));
        let Look {
            replicas, backlog, ..
        } = look;
        say(&format!(
            "grant: {replicas} workers, {backlog} messages → {wanted}"
        ));
        look
    }

    async fn see(&self) -> Look {
        sleep(LOOK_EVERY).await;
        let granted = "SELECT count(*) FROM bookings WHERE direction = 'grant'";
        let granted: i64 = sqlx::query_scalar(granted)
            .fetch_one(&self.ledger)
            .await
            .unwrap();
        let (backlog, _) = self.servers.queue(QUEUE).await;
        Look {
            at: Instant::now(),
            replicas: self.scaler.replicas,
            backlog,
            granted: granted.try_into().unwrap(),
        }
    }

    fn step(&mut self, backlog: u64, seconds: u64) -> u64 {
        self.now += seconds;
        self.scaler.step(self.now, backlog, self.target)
    }

    /// One worker against the crowd, from when it has more to do than it can hold until several
    /// are asked for. Gives what it grants in a second.
    async fn alone(&mut self) -> f64 {
        let deadline = Instant::now() + PATIENCE;
        let mut busy: Option<Look> = None;
        loop {
            let look = self.see().await;
            let Look {
                backlog, granted, ..
            } = look;
            say(&format!(
                "grant: 1 worker alone, {backlog} messages, {granted} granted"
            ));
            assert!(Instant::now() < deadline, "it grants nothing");
            match busy {
                Some(since)
                    if look.granted >= since.granted + ALONE
                        && look.backlog >= ASKED_FOR * self.target =>
                {
                    return rate(look.granted - since.granted, look.at - since.at);
                }
                None if look.backlog > self.target => busy = Some(look),
                Some(_) | None => {}
            }
        }
    }

    /// Adds workers until the backlog has risen above what one may leave, and fallen again.
    async fn scale_out(&mut self) -> Vec<Look> {
        let deadline = Instant::now() + PATIENCE;
        let mut looks: Vec<Look> = Vec::new();
        loop {
            let peak = looks.iter().map(|look| look.backlog).max();
            // What falls does so in its own time, and that is what they are kept for.
            let seconds = |look: &Look| match peak {
                Some(peak) if look.backlog < peak => LOOK_EVERY.as_secs(),
                Some(_) | None => SYNC,
            };
            let look = self.look(seconds).await;
            looks.push(look);
            self.follow().await;
            if peak > Some(2 * self.target) && look.backlog <= self.target {
                return looks;
            }
            assert!(Instant::now() < deadline, "the backlog does not fall");
        }
    }

    /// Takes workers away, while the usual load goes on.
    async fn scale_in(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.scaler.replicas > 1 {
            let before = self.scaler.replicas;
            sleep(LOOK_EVERY / 10).await;
            let (backlog, _) = self.servers.queue(QUEUE).await;
            let wanted = self.step(backlog, SYNC);
            if wanted != before {
                say(&format!(
                    "grant: {before} workers, {backlog} messages → {wanted}"
                ));
                self.follow().await;
            }
            assert!(Instant::now() < deadline, "they do not leave");
        }
    }

    /// Starts and ends workers as the scaler says, until the broker sees as many.
    async fn follow(&mut self) {
        let wanted = usize::try_from(self.scaler.replicas).unwrap();
        if self.workers.len() == wanted {
            return;
        }
        let missing = wanted.saturating_sub(self.workers.len());
        let more = (0..missing).map(|_| {
            self.started += 1;
            worker(self.started, &self.environment)
        });
        let more = more.collect();
        self.workers.extend(self.roles.add(more).await);
        while self.workers.len() > wanted {
            let newest = self.workers.pop().unwrap();
            self.roles.retire(newest).await;
        }
        let deadline = Instant::now() + PATIENCE;
        let lanes = self.scaler.replicas * LANES;
        while self.servers.queue(QUEUE).await.1 != lanes {
            assert!(Instant::now() < deadline, "not all take from the queue");
            sleep(LOOK_EVERY / 10).await;
        }
    }
}

fn worker(number: usize, environment: &[(&'static str, String)]) -> Member {
    Member {
        arguments: &["--kinds", "grant"],
        environment: environment.to_vec(),
        ..Member::new(format!("worker {number}"), "worker")
    }
}
