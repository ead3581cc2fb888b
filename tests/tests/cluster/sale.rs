//! A sale that goes on until its doors are closed, and what is said of it then.

use std::collections::BTreeMap;
use std::time::Duration;

use rehearsal::findings::{Deadline, Findings};
use rehearsal::journal::{Answer, Journal, Post, Says};
use rehearsal::verdict::{Limits, Verdict};
use rehearsal::{
    Http, Live, Plan, Rate, Rehearsal, RehearsalError, Run, Setting, Shares, Target, prepare,
};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::quiet::Slowdown;
use crate::roles::PROJECT;
use crate::say;

/// Little enough for two busy cores: what is looked for are wrong orders, not slow ones.
const ORDERS_PER_SECOND: f64 = 8.0;
pub(crate) const PLAYERS: u32 = 30;
/// Longer than any run: the doors are closed before.
const OPEN: Duration = Duration::from_hours(1);
/// Far more than Xsolla grants, so that a loaded machine does not look like a broken one.
pub(crate) const ANSWER: Duration = Duration::from_secs(15);
/// An answer that takes so long is none, however slow the machine: whether it came in time is
/// judged by how slow that was, up to [`SLOWEST`].
const NO_ANSWER: Duration = Duration::from_mins(1);
/// A machine that is slower than so many times excuses nothing more.
const SLOWEST: f64 = 3.0;
/// How long what was accepted may take to end: a worker may hold a batch for a minute, a
/// retry queue another, and the machine may be busy.
pub(crate) const DRAIN: Duration = Duration::from_mins(4);

/// What is bought by whom.
pub(crate) fn plan(seed: u64, shares: Shares, settings: &[&str]) -> Plan {
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

/// People who buy, until they are told to stop coming.
pub(crate) struct Sale {
    pub(crate) live: Live,
    pub(crate) plan: Plan,
    closed: CancellationToken,
    slowdown: Slowdown,
    playing: JoinHandle<Journal>,
}

/// What there is to be said of a sale.
pub(crate) struct Judged {
    pub(crate) journal: Journal,
    pub(crate) findings: Findings,
    pub(crate) verdict: Verdict,
}

impl Sale {
    /// Begins when the players are registered.
    pub(crate) async fn begin(plan: Plan, target: &Target) -> Self {
        let closed = CancellationToken::new();
        let rehearsal = prepared(&plan, target).await.closing(closed.clone());
        // Its clock runs from here: shoppers who should have come by now come at once.
        let live = Live::new(plan.seed);
        let slowdown = Slowdown::begin();
        let playing = {
            let live = live.clone();
            tokio::spawn(async move { rehearsal.play(&live, CancellationToken::new()).await })
        };
        Self {
            live,
            plan,
            closed,
            slowdown,
            playing,
        }
    }

    /// Nobody comes any more; those who are there go on.
    pub(crate) fn close(&self) {
        self.closed.cancel();
    }

    /// Nobody comes any more, those who are there end, and the rehearsal says what it thinks
    /// of it. Answers may have taken as much longer as everything did.
    pub(crate) async fn judged(self, target: &Target) -> Judged {
        self.close();
        let journal = self.playing.await.unwrap();
        let slowdown = self.slowdown.end().await;
        say(&format!(
            "the machine was {slowdown:.1} times as slow as a quiet one"
        ));
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
        let findings = Findings::read(&journal, target, &http, deadline, now)
            .await
            .unwrap();
        let limits = Limits {
            answer_p99: ANSWER.mul_f64(slowdown.min(SLOWEST)),
            ..Limits::default()
        };
        let verdict = Verdict::judge(&journal, &findings, &limits);
        Judged {
            journal,
            findings,
            verdict,
        }
    }
}

/// Registers the players. On a loaded machine the roles may refuse some for now.
async fn prepared(plan: &Plan, target: &Target) -> Rehearsal {
    let deadline = Instant::now() + DRAIN;
    loop {
        let now = task::now().unix_timestamp();
        match prepare(plan.clone(), target.clone(), now).await {
            Err(RehearsalError::Players(why)) if Instant::now() < deadline => {
                say(&format!("once more: {why}"));
                sleep(Duration::from_secs(1)).await;
            }
            prepared => return prepared.unwrap(),
        }
    }
}

/// How many `order_paid` were taken so far.
pub(crate) fn paid(journal: &Journal) -> usize {
    let is_paid = |post: &&Post| {
        let notice = &journal.shoppers[post.shopper as usize].notices[usize::from(post.notice)];
        post.is_acknowledged() && matches!(notice.says, Says::OrderPaid { .. })
    };
    journal.posts.iter().filter(is_paid).count()
}

/// Answers that nobody should get, and how many did: nothing is sent that could be refused.
pub(crate) fn refused(journal: &Journal) -> BTreeMap<Answer, usize> {
    let mut refused = BTreeMap::new();
    for post in &journal.posts {
        if !post.is_acknowledged() && post.answer != Answer::Code(503) {
            *refused.entry(post.answer).or_default() += 1;
        }
    }
    refused
}
