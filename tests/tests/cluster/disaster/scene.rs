//! A sale that goes on while something is lost, and the verdict over it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use hyper::StatusCode;
use rehearsal::journal::Answer;
use rehearsal::report::Report;
use rehearsal::{Http, Live, Purchase, Shares, Target};
use tokio::sync::MutexGuard;
use tokio::time::{Instant, sleep};

use super::page::Shell;
use crate::roles::{PORTS, Roles, free_ports};
use crate::sale::{ANSWER, Judged, Sale, paid, plan, refused};
use crate::servers::{Server, Servers};
use crate::{Folder, ONE_AT_A_TIME, say};

const SEED: u64 = 7;
/// Five minutes pass in a second: what was answered 503 comes again soon.
const TIME_SCALE: u32 = 300;
/// Longest wait for anything, on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(4);
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// What all pages have in common.
pub(crate) const README: &str = "README.md";

/// The pages read logs as JSON. A hint that was lost is made up for sooner than by default, and a
/// publisher leaves sooner.
const CONFIGURED: &str = "\n[telemetry]\nformat = \"json\"\n\n\
                          [publisher]\nposition_check = \"5s\"\ndrain_spread = \"1s\"\n";

/// Fields go in this order: processes before their servers, and those before their folder.
pub(crate) struct Scene {
    pub(crate) sale: Sale,
    pub(crate) shell: Shell,
    pub(crate) roles: Roles,
    pub(crate) servers: Servers,
    /// Whom the sale is played against, and the keys to it.
    pub(crate) target: Target,
    pub(crate) folder: Folder,
    /// Of servers that came later.
    pub(crate) there: Option<Folder>,
    _alone: MutexGuard<'static, ()>,
}

impl Scene {
    /// Starts servers and roles, and a sale.
    pub(crate) async fn open(what: &str, shares: &[&str]) -> Self {
        Self::open_while(what, shares, async {}).await.0
    }

    /// The same, while something else begins that has to be there, too.
    pub(crate) async fn open_while<T>(
        what: &str,
        shares: &[&str],
        meanwhile: impl Future<Output = T>,
    ) -> (Self, T) {
        let as_it_is = |_: &Path, text: &str| text.to_owned();
        Self::begin(what, shares, as_it_is, |_, target| target, meanwhile).await
    }

    /// The same, with a configuration made of the usual one, and other keys to it. Both are
    /// told the folder of the run.
    pub(crate) async fn open_with(
        what: &str,
        shares: &[&str],
        configured: impl FnOnce(&Path, &str) -> String,
        given: impl FnOnce(&Path, Target) -> Target,
    ) -> Self {
        Self::begin(what, shares, configured, given, async {})
            .await
            .0
    }

    async fn begin<T>(
        what: &str,
        shares: &[&str],
        configured: impl FnOnce(&Path, &str) -> String,
        given: impl FnOnce(&Path, Target) -> Target,
        meanwhile: impl Future<Output = T>,
    ) -> (Self, T) {
        let alone = ONE_AT_A_TIME.lock().await;
        let folder = Folder::new(what, SEED);
        let servers = Servers::start(&folder.0, &Server::ALL).await;
        let broker = servers.at(Server::Broker);
        let ports = free_ports(SEED, PORTS);
        let configured = |text: &str| configured(&folder.0, text) + CONFIGURED;
        let roles = Roles::start_configured(&folder.0, &servers, broker, &ports, configured);
        let (roles, begun) = tokio::join!(roles, meanwhile);
        let target = given(&folder.0, roles.target());
        let mut shell = Shell::beside(&folder.0, &roles, &servers);
        shell.set("DATABASE_URL", servers.url("DATABASE_URL"));
        shell.set("REDIS_URL", servers.url("REDIS_URL"));
        let mut plan = plan(SEED, Shares::none(), shares);
        plan.time_scale = TIME_SCALE;
        let scene = Self {
            sale: Sale::begin(plan, &target).await,
            shell,
            roles,
            servers,
            target,
            folder,
            there: None,
            _alone: alone,
        };
        (scene, begun)
    }

    /// Waits until so many more `order_paid` are taken.
    pub(crate) async fn sells(&self, more: usize) {
        sells(&self.sale.live, more).await;
    }

    /// By the page: doctor, until it finds nothing wrong.
    pub(crate) async fn is_whole(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let doctor = self.shell.try_run(README, "doctor").await;
            let said = String::from_utf8_lossy(&doctor.stdout);
            if doctor.status.success() {
                say(said.lines().last().unwrap_or_default());
                return;
            }
            // Whoever was away is found again within seconds.
            assert!(Instant::now() < deadline, "{said}");
            sleep(LOOK_EVERY).await;
        }
    }

    /// By the page: what was accepted before now and is not in the ledger, one line a notice.
    async fn missing(&self) -> Vec<Missing> {
        self.shell.run(README, "logs").await;
        let said = self.shell.run(README, "compare").await;
        assert!(said.starts_with("the oldest line is of 2"), "{said}");
        let missing = fs::read_to_string(self.folder.0.join("missing.tsv")).unwrap();
        missing.lines().map(Missing::read).collect()
    }

    /// By the page: sends what is missing again, as Publisher Account would, until nothing is.
    /// At least so many notices must have been missing: else the disaster was none.
    pub(crate) async fn is_made_good(&self, at_least: usize) {
        let first = self.settled().await;
        say(&format!("{} notices are missing", first.len()));
        assert!(
            first.len() >= at_least,
            "only {} notices were lost, {at_least} at least should have been",
            first.len()
        );
        let mut missing = first;
        let deadline = Instant::now() + PATIENCE;
        while !missing.is_empty() {
            assert!(
                Instant::now() < deadline,
                "sent again and again, and still not in the ledger: {missing:?}"
            );
            self.send_again(&missing).await;
            missing = self.settled().await;
        }
    }

    /// Whatever is not in the ledger now gets there, and nobody sends it again.
    pub(crate) async fn comes_of_itself(&self) {
        let mut missing = self.missing().await;
        let deadline = Instant::now() + PATIENCE;
        while !missing.is_empty() {
            assert!(Instant::now() < deadline, "lost: {missing:?}");
            sleep(LOOK_EVERY).await;
            let now = self.missing().await;
            missing.retain(|it| contains(&now, it));
        }
    }

    /// What is missing once nothing of it is on its way any more.
    async fn settled(&self) -> Vec<Missing> {
        let mut before: Option<Vec<Missing>> = None;
        let deadline = Instant::now() + PATIENCE;
        // What comes of itself comes within a batch or two; what does not is lost.
        loop {
            let now = self.missing().await;
            let left: Vec<Missing> = match &before {
                None => now.clone(),
                Some(known) => now
                    .iter()
                    .filter(|it| contains(known, it))
                    .cloned()
                    .collect(),
            };
            if before.as_ref() == Some(&left) && self.waits().await == 0 {
                return left;
            }
            assert!(Instant::now() < deadline, "the queues are never empty");
            before = Some(left);
            sleep(LOOK_EVERY * 4).await;
        }
    }

    /// Messages on the fullest retry queue; what is on the work queues is the sale's own.
    async fn waits(&self) -> u64 {
        let queues = self.servers.queues().await;
        let retries = queues.iter().filter(|(name, _)| name.contains("retry"));
        retries
            .map(|(_, messages)| *messages)
            .max()
            .unwrap_or_default()
    }

    /// Everything that was taken of the orders and transactions in question.
    async fn send_again(&self, missing: &[Missing]) {
        let sent = self
            .send_those(|purchase| {
                missing.iter().any(|it| {
                    it.order == Some(purchase.order) || it.transaction == Some(purchase.transaction)
                })
            })
            .await;
        assert!(sent > 0, "nobody ever sent {missing:?}");
    }

    /// Everything that was ever taken.
    pub(crate) async fn everything_again(&self) {
        self.send_those(|_| true).await;
    }

    /// Sends what was taken of these purchases once more. How many notices that were.
    async fn send_those(&self, is_one: impl Fn(&Purchase) -> bool) -> usize {
        let journal = self.sale.live.so_far();
        let webhook = &self.target.webhook;
        let http = Http::new([webhook.url.as_str()].into_iter(), ANSWER).unwrap();
        let taken = journal.posts.iter().filter(|post| post.is_acknowledged());
        let of_theirs: BTreeSet<(u32, u8)> = taken
            .filter(|post| is_one(&journal.shoppers[post.shopper as usize].purchase))
            .map(|post| (post.shopper, post.notice))
            .collect();
        for &(shopper, notice) in &of_theirs {
            let body = self.sale.plan.body(&journal, shopper, usize::from(notice));
            let answer = webhook.send(&http, body.unwrap()).await.unwrap();
            let taken = [StatusCode::OK, StatusCode::NO_CONTENT];
            assert!(taken.contains(&answer.status), "{}", answer.status);
        }
        of_theirs.len()
    }

    /// Ends the sale and judges it.
    pub(crate) async fn judged_clean(self) {
        let Judged {
            journal,
            findings,
            verdict,
        } = self.sale.judged(&self.target).await;
        let report = Report::new(&journal, &findings, &verdict);
        say(&format!("\n{}", report.table()));
        assert!(verdict.is_clean(), "the runbook breaks promises");
        assert_eq!(self.roles.faults, [""; 0], "a process did not end in order");
        let mut refused = refused(&journal);
        // A connection that was kept and is closed as a request comes has no answer, which Xsolla
        // takes for "again". Outside of faults the verdict allows none of those either.
        refused.retain(|answer, _| matches!(answer, Answer::Code(_)));
        assert_eq!(refused, BTreeMap::new(), "answers but 2xx and 503");
    }
}

/// A notice that was accepted, as the page lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    message: String,
    order: Option<i64>,
    transaction: Option<i64>,
}

impl Missing {
    fn read(line: &str) -> Self {
        let columns: Vec<&str> = line.split('\t').collect();
        assert_eq!(
            columns.len(),
            5,
            "message, project, kind, order, transaction"
        );
        Self {
            message: columns[0].to_owned(),
            order: columns[3].parse().ok(),
            transaction: columns[4].parse().ok(),
        }
    }
}

fn contains(known: &[Missing], one: &Missing) -> bool {
    known.iter().any(|it| it.message == one.message)
}

/// Waits until so many more `order_paid` are taken.
pub(crate) async fn sells(live: &Live, more: usize) {
    let enough = live.look(paid) + more;
    let deadline = Instant::now() + PATIENCE;
    while live.look(paid) < enough {
        let late = "nobody's payment is taken any more";
        assert!(Instant::now() < deadline, "{late}");
        sleep(LOOK_EVERY).await;
    }
}
