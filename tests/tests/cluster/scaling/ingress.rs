//! The ingress, by the chart's `HorizontalPodAutoscaler`, which goes by processor time.
//!
//! The signal here is not what the kernel counted, which a busy machine and a debug build
//! distort, but what it follows from: a request costs so many microseconds (README, "What each
//! step costs"), so a pod that is asked for half of the requests it has processor time for uses
//! half of it. `requests_per_second` is what it has processor time for; beyond it the pod answers
//! 503, as one without a core to itself would, only sooner.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rehearsal::journal::{Answer, Journal};
use tokio::time::{Instant, sleep};

use super::chart::Chart;
use super::gateway::Gateway;
use super::scaler::Scaler;
use super::{CROWD, LOOK_EVERY, ORDERS_PER_SECOND, PATIENCE, SYNC, Sale, end, plan, rate};
use crate::roles::{Member, Roles, free_ports};
use crate::sale::paid;
use crate::servers::{Server, Servers};
use crate::{Folder, ONE_AT_A_TIME, say};

const SEED: u64 = 12;
const OTHERS: [(&str, &str); 3] = [
    ("publisher", "publisher"),
    ("api", "api"),
    ("worker", "worker"),
];
/// What one ingress may look at in a second. The usual load is some two.
const REQUESTS_PER_SECOND: u32 = 8;
/// Over how much time requests are counted: in less there are too few to be a rate.
const WINDOW: Duration = Duration::from_secs(3);
const REQUESTS: &str = "grantline_ingress_requests_total";
/// What one ingress takes and refuses of the crowd at least, before anybody helps it.
const ALONE: (u64, u64) = (10, 20);
/// So many looks in a row in which orders are taken and nobody is refused, and the crowd is
/// served.
const CALM: usize = 4;
/// What several do, of what one does.
const MORE: f64 = 1.5;

/// What was seen between two looks.
#[derive(Clone, Copy, Debug)]
struct Look {
    time: Duration,
    replicas: u64,
    /// `order_paid` of the crowd that were taken.
    paid: u64,
    /// Requests of the crowd that were answered 503.
    refused: u64,
}

#[tokio::test(flavor = "multi_thread")]
async fn ingresses_are_added_by_what_they_are_asked_until_none_says_503() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let folder = Folder::new("scaling-ingress", SEED);
    let servers = Servers::start(&folder.0, &Server::ALL).await;
    let mut stage = Stage::set(&folder, &servers).await;
    let mut target = stage.roles.target();
    let through = stage.gateway.at.to_string();
    let direct = stage.roles.ingress().to_string();
    target.webhook.url = target.webhook.url.replace(&direct, &through);

    let usual = Sale::begin(plan(1, ORDERS_PER_SECOND), &target).await;
    let crowd = Sale::begin(plan(2, CROWD), &target).await;
    let one = alone(&crowd).await;
    let looks = stage.scale_out(&crowd).await;
    check(&looks[looks.len() - CALM..], one);
    crowd.close();
    stage.scale_in().await;
    end("the crowd", crowd, &stage.roles).await;
    end("the usual load", usual, &stage.roles).await;
    assert_eq!(
        stage.roles.faults, [""; 0],
        "a process did not end in order"
    );
}

/// One ingress against the crowd, from the first that it refuses. Gives how many orders it takes
/// in a second.
async fn alone(crowd: &Sale) -> f64 {
    let deadline = Instant::now() + PATIENCE;
    let mut busy: Option<Seen> = None;
    loop {
        sleep(LOOK_EVERY).await;
        assert!(Instant::now() < deadline, "one ingress would have done");
        let seen = Seen::of(crowd);
        let Some(since) = &busy else {
            busy = Some(seen).filter(|seen| seen.refused > 0);
            continue;
        };
        let Look {
            time,
            paid,
            refused,
            ..
        } = seen.since(since, 1);
        say(&format!(
            "ingress: 1 copy alone, {paid} taken, {refused} × 503"
        ));
        if paid >= ALONE.0 && refused >= ALONE.1 {
            return rate(paid, time);
        }
    }
}

/// What the last looks have to show, beside what one ingress took in a second.
fn check(looks: &[Look], one: f64) {
    let paid = looks.iter().map(|look| look.paid).sum();
    let several = rate(paid, looks.iter().map(|look| look.time).sum());
    let replicas = looks[looks.len() - 1].replicas;
    say(&format!(
        "orders of the crowd taken a second: {one:.1} by one ingress, {several:.1} by {replicas}"
    ));
    assert!(replicas > 2, "hardly anybody was added");
    assert!(several > one * MORE, "several take no more than one");
}

struct Stage {
    roles: Roles,
    gateway: Gateway,
    /// Those that run, by number: the longest running first.
    ingresses: Vec<usize>,
    /// Ingresses that were ever started.
    started: usize,
    scaler: Scaler,
    now: u64,
    /// Percent of the requested processor time.
    target: u64,
    /// What each had been asked in all, and when that was; the oldest first.
    asked: VecDeque<(Instant, BTreeMap<usize, u64>)>,
}

impl Stage {
    async fn set(folder: &Folder, servers: &Servers) -> Self {
        let chart = Chart::of_sale_night();
        let component = ["ingress", "defaults"];
        let max = chart.setting(&component, "autoscaling.max");
        let mut cast = vec![ingress(1)];
        cast.extend(OTHERS.map(|(name, role)| Member::new(name, role)));
        let places = cast.len() + 1 + usize::try_from(max).unwrap();
        let ports = free_ports(SEED, 2 * places);
        let broker = servers.at(Server::Broker);
        let roles = Roles::start_cast(&folder.0, servers, broker, &ports, cast).await;
        Self {
            gateway: Gateway::before(roles.serves(0)).await,
            roles,
            ingresses: vec![0],
            started: 1,
            // The chart's least would have hidden what is to be shown.
            scaler: Scaler::new(1, (1, max), chart.behavior(&component)),
            now: 0,
            target: chart.setting(&component, "autoscaling.cpu"),
            asked: VecDeque::new(),
        }
    }

    /// What all of them together were asked a second, in percent of what one may be.
    async fn utilization(&mut self) -> u64 {
        let mut asked = BTreeMap::new();
        for number in &self.ingresses {
            let metrics = self.roles.admin(*number, "metrics").await.unwrap();
            asked.insert(*number, total(&metrics));
        }
        let now = Instant::now();
        self.asked.push_back((now, asked));
        while self.asked.len() > 2 && now - self.asked[1].0 >= WINDOW {
            self.asked.pop_front();
        }
        let (since, before) = &self.asked[0];
        let (_, asked) = &self.asked[self.asked.len() - 1];
        let new = asked.iter().map(|(number, total)| {
            // Who was not there then had been asked nothing.
            total - before.get(number).copied().unwrap_or_default()
        });
        let requests: u64 = new.sum();
        let may = u128::from(REQUESTS_PER_SECOND) * (now - *since).as_millis().max(1);
        (u128::from(requests) * 1_000 * 100 / may)
            .try_into()
            .unwrap()
    }

    /// Adds ingresses until for some looks orders of the crowd are taken and none is refused.
    async fn scale_out(&mut self, crowd: &Sale) -> Vec<Look> {
        let deadline = Instant::now() + PATIENCE;
        let mut looks: Vec<Look> = Vec::new();
        let (mut before, mut calm) = (Seen::of(crowd), 0);
        // From here on they are looked at.
        self.utilization().await;
        while calm < CALM {
            sleep(LOOK_EVERY).await;
            let seen = Seen::of(crowd);
            let look = seen.since(&before, self.scaler.replicas);
            before = seen;
            let percent = self.utilization().await;
            let wanted = self.step(percent);
            let Look {
                replicas,
                paid,
                refused,
                ..
            } = look;
            say(&format!(
                "ingress: {replicas} copies, {percent} % of one, {refused} × 503 → {wanted}"
            ));
            // Where nothing came nothing is shown.
            calm = if refused == 0 && paid > 0 {
                calm + 1
            } else {
                0
            };
            looks.push(look);
            self.follow().await;
            assert!(Instant::now() < deadline, "somebody is refused to the end");
        }
        looks
    }

    /// Takes ingresses away, while the usual load goes on.
    async fn scale_in(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        while self.scaler.replicas > 1 {
            let before = self.scaler.replicas;
            sleep(LOOK_EVERY / 10).await;
            let percent = self.utilization().await;
            let wanted = self.step(percent);
            if wanted != before {
                say(&format!(
                    "ingress: {before} copies, {percent} % of one → {wanted}"
                ));
                self.follow().await;
            }
            assert!(Instant::now() < deadline, "they do not leave");
        }
    }

    fn step(&mut self, percent: u64) -> u64 {
        self.now += SYNC;
        self.scaler.step(self.now, percent, self.target)
    }

    /// Starts and ends ingresses as the scaler says.
    async fn follow(&mut self) {
        let wanted = usize::try_from(self.scaler.replicas).unwrap();
        let missing = wanted.saturating_sub(self.ingresses.len());
        let more = (0..missing).map(|_| {
            self.started += 1;
            ingress(self.started)
        });
        let more = more.collect();
        for number in self.roles.add(more).await {
            self.gateway.add(self.roles.serves(number));
            self.ingresses.push(number);
        }
        while self.ingresses.len() > wanted {
            let newest = self.ingresses.pop().unwrap();
            self.gateway.remove(self.roles.serves(newest)).await;
            self.roles.retire(newest).await;
        }
    }
}

/// How far a sale has come.
struct Seen {
    at: Instant,
    paid: u64,
    refused: u64,
}

impl Seen {
    fn of(sale: &Sale) -> Self {
        let refused = |journal: &Journal| {
            let posts = journal.posts.iter();
            posts
                .filter(|post| post.answer == Answer::Code(503))
                .count()
        };
        Self {
            at: Instant::now(),
            paid: sale.live.look(paid) as u64,
            refused: sale.live.look(refused) as u64,
        }
    }

    fn since(&self, before: &Self, replicas: u64) -> Look {
        Look {
            time: self.at - before.at,
            replicas,
            paid: self.paid - before.paid,
            refused: self.refused - before.refused,
        }
    }
}

/// All requests that a process has counted.
fn total(metrics: &str) -> u64 {
    let series = metrics.lines().filter(|line| line.starts_with(REQUESTS));
    let counts = series.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok());
    counts.sum()
}

fn ingress(number: usize) -> Member {
    let limit = REQUESTS_PER_SECOND.to_string();
    Member {
        environment: vec![("GRANTLINE__INGRESS__REQUESTS_PER_SECOND", limit)],
        ..Member::new(format!("ingress {number}"), "ingress")
    }
}
