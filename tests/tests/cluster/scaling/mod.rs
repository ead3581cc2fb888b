//! A tenfold crowd comes to a sale that one worker, or one ingress, was enough for. Copies are
//! added and taken away as Kubernetes would, by what the chart says and the signals the chart
//! names; nothing is lost, and what was too much for one is not too much for them.
//!
//! Two processors cannot show that ten processes have more of them than one. So what a copy can
//! do is bounded here by something else: a worker by a database that is far away, an ingress by
//! its own `requests_per_second`.
//!
//! Time is not waited for: each look at the signals counts as one of the chart's intervals.

mod chart;
mod gateway;
mod ingress;
mod scaler;
mod workers;

use std::time::Duration;

use rehearsal::journal::Journal;
use rehearsal::report::Report;
use rehearsal::{Live, Plan, Rate, Run, Setting, Shares, Target};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::roles::{PROJECT, Roles};
use crate::rolling::refused;
use crate::{ANSWER, OPEN, judge, prepared_against, say};

const ORDERS_PER_SECOND: f64 = 0.75;
/// With those who come anyway, ten times as many.
const CROWD: f64 = 9.0 * ORDERS_PER_SECOND;
/// Few who watch: what is looked for are queues.
const SHARES: [&str; 4] = ["combined=70%", "bundle=10%", "socket=10%", "polling=5%"];
/// Each has a stream of its own, that orders of one player wait for.
const PLAYERS: u32 = 100;
/// Between two looks at the signals.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// For a machine that others use as well.
const PATIENCE: Duration = Duration::from_mins(3);

/// People who buy, until they are told to stop coming.
struct Sale {
    live: Live,
    closed: CancellationToken,
    playing: JoinHandle<Journal>,
}

impl Sale {
    /// Begins; each of a test needs a number of its own.
    async fn begin(number: u32, orders_per_second: f64, target: &Target) -> Self {
        let plan = plan(number, orders_per_second);
        let closed = CancellationToken::new();
        let rehearsal = prepared_against(&plan, target).await;
        let rehearsal = rehearsal.closing(closed.clone());
        let live = Live::new(plan.seed);
        let playing = {
            let live = live.clone();
            tokio::spawn(async move { rehearsal.play(&live, CancellationToken::new()).await })
        };
        Self {
            live,
            closed,
            playing,
        }
    }

    /// Nobody comes any more. Those who are there end, and everything they were promised
    /// has to be true.
    async fn end(self, what: &str, roles: &Roles) {
        self.closed.cancel();
        let journal = self.playing.await.unwrap();
        let (findings, verdict) = judge(&journal, roles).await;
        let report = Report::new(&journal, &findings, &verdict);
        if !verdict.is_clean() {
            say(&format!("\n{}", report.table()));
            panic!("{what}: scaling breaks promises");
        }
        let others = refused(&journal);
        assert!(
            others.is_empty(),
            "{what}: answers but 2xx and 503: {others:?}"
        );
    }
}

fn plan(number: u32, orders_per_second: f64) -> Plan {
    let rate = Rate {
        orders_per_second,
        duration: OPEN,
        ramp: Duration::ZERO,
        spikes: Vec::new(),
    };
    let mut plan = Plan::new(PROJECT, number.into(), Run::new(number), rate).unwrap();
    let settings = SHARES.map(|share| share.parse::<Setting>().unwrap());
    plan.shares = Shares::none().with(&settings).unwrap();
    plan.players = PLAYERS;
    plan.answer_limit = ANSWER;
    plan
}

/// So many in so much time, a second.
fn rate(count: u64, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some hundred orders")]
    let count = count as f64;
    count / time.as_secs_f64()
}
