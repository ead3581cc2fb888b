//! The line as separate processes on servers of its own, behind balancers and cutting
//! proxies, under a sale: broken on purpose, and rolled to another version.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod balancer;
mod chaos;
mod process;
mod quiet;
mod roles;
mod rolling;
#[expect(dead_code, reason = "the test of TLS asks who is connected")]
mod servers;

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use rehearsal::findings::{Deadline, Findings};
use rehearsal::journal::Journal;
use rehearsal::verdict::{Limits, Verdict};
use rehearsal::{Http, Plan, Rate, Rehearsal, RehearsalError, Run, Setting, Shares, prepare};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use roles::{PROJECT, Roles};

/// Two clusters at once would be too many for two processors.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Little enough for two busy cores: what is looked for are wrong orders, not slow ones.
const ORDERS_PER_SECOND: f64 = 8.0;
const PLAYERS: u32 = 30;
/// Longer than any run: the doors are closed when the last fault is over.
const OPEN: Duration = Duration::from_hours(1);
/// Far more than Xsolla grants, so that a loaded machine does not look like a broken one.
const ANSWER: Duration = Duration::from_secs(15);
/// An answer that takes so long is none, however slow the machine: whether it came in time is
/// judged by how slow that was.
const NO_ANSWER: Duration = Duration::from_mins(1);
/// How long what was accepted may take to end: a worker may hold a batch for a minute, a
/// retry queue another, and the machine may be busy.
const DRAIN: Duration = Duration::from_mins(4);

/// A sale that goes on until its doors are closed.
fn plan(seed: u64, shares: Shares, settings: &[&str]) -> Plan {
    let rate = Rate {
        orders_per_second: ORDERS_PER_SECOND,
        duration: OPEN,
        ramp: Duration::from_secs(1),
        spikes: Vec::new(),
    };
    let mut plan = Plan::new(PROJECT, seed, Run::new(0), rate).unwrap();
    let settings: Vec<Setting> = settings.iter().map(|it| it.parse().unwrap()).collect();
    plan.shares = shares.with(&settings).unwrap();
    plan.players = PLAYERS;
    plan.poll_interval = Duration::from_secs(1);
    plan.answer_limit = NO_ANSWER;
    plan
}

/// Registers the players. On a loaded machine the roles may refuse some for now.
async fn prepared(plan: &Plan, roles: &Roles) -> Rehearsal {
    let deadline = Instant::now() + DRAIN;
    loop {
        let now = task::now().unix_timestamp();
        match prepare(plan.clone(), roles.target(), now).await {
            Err(RehearsalError::Players(why)) if Instant::now() < deadline => {
                say(&format!("once more: {why}"));
                sleep(Duration::from_secs(1)).await;
            }
            prepared => return prepared.unwrap(),
        }
    }
}

/// What the rehearsal says of it. Answers may take as much longer as everything did.
async fn judge(journal: &Journal, roles: &Roles, slowdown: f64) -> (Findings, Verdict) {
    say(&format!(
        "the machine was {slowdown:.1} times as slow as a quiet one"
    ));
    let target = roles.target();
    let urls = [
        &target.server.as_ref().unwrap().url,
        &target.client.as_ref().unwrap().url,
    ];
    let http = Http::new(urls.into_iter().map(String::as_str), ANSWER).unwrap();
    let deadline = Deadline {
        drain: DRAIN,
        answer: ANSWER,
    };
    let now = task::now().unix_timestamp();
    let findings = Findings::read(journal, &target, &http, deadline, now)
        .await
        .unwrap();
    let limits = Limits {
        answer_p99: ANSWER.mul_f64(slowdown),
        ..Limits::default()
    };
    let verdict = Verdict::judge(journal, &findings, &limits);
    (findings, verdict)
}

/// Past the test harness, which keeps what passing tests print.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "cluster: {line}");
}

/// Where the servers and logs of this run are. Stays behind when the test fails.
struct Folder(PathBuf);

impl Folder {
    fn new(what: &str, seed: u64) -> Self {
        let parent = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let folder = parent.join(format!("{what}-{}-{seed}", std::process::id()));
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
