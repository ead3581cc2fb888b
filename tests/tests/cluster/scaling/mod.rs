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

use rehearsal::report::Report;
use rehearsal::{Plan, Run, Shares};

use crate::roles::Roles;
use crate::sale::{Judged, Sale, refused};
use crate::say;

const ORDERS_PER_SECOND: f64 = 0.75;
/// With those who come anyway, ten times as many.
const CROWD: f64 = 9.0 * ORDERS_PER_SECOND;
/// Few who watch: what is looked for are queues.
const SHARES: [&str; 4] = ["combined=70%", "bundle=10%", "socket=10%", "polling=5%"];
/// Each has a stream of its own, that orders of one player wait for.
const PLAYERS: u32 = 100;
/// Between two looks at the signals.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Between two looks of a `HorizontalPodAutoscaler`, in seconds, unless the cluster was told
/// otherwise. One asks KEDA as well, whose own interval is for zero pods and the first.
const SYNC: u64 = 15;
/// For a machine that others use as well.
const PATIENCE: Duration = Duration::from_mins(3);

/// A sale whose number tells it from the others of its test.
fn plan(number: u32, orders_per_second: f64) -> Plan {
    let mut plan = crate::sale::plan(number.into(), Shares::none(), &SHARES);
    plan.run = Run::new(number);
    plan.rate.orders_per_second = orders_per_second;
    plan.rate.ramp = Duration::ZERO;
    plan.players = PLAYERS;
    plan
}

/// Ends a sale: everything that people were promised has to be true.
async fn end(what: &str, sale: Sale, roles: &Roles) {
    let Judged {
        journal,
        findings,
        verdict,
    } = sale.judged(&roles.target()).await;
    if !verdict.is_clean() {
        let report = Report::new(&journal, &findings, &verdict);
        say(&format!("\n{}", report.table()));
        panic!("{what}: scaling breaks promises");
    }
    let others = refused(&journal);
    assert!(
        others.is_empty(),
        "{what}: answers but 2xx and 503: {others:?}"
    );
}

/// So many in so much time, a second.
fn rate(count: u64, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "some hundred orders")]
    let count = count as f64;
    count / time.as_secs_f64()
}
