//! A sale against the real processes while servers, roles and the lines between them break:
//! the rehearsal's shoppers and players, its verdict, and what broker, ledger and logs add.
//!
//! One seed draws sale and schedule. `make test` plays a short one, `make chaos` many:
//! `GRANTLINE_CHAOS_SEEDS` says how many are drawn, `GRANTLINE_CHAOS_SEED` names one to play
//! again, and `GRANTLINE_CHAOS_SECONDS` how long each breaks things.

mod audit;
mod disk;
mod nemesis;
mod nodes;
mod returning;
mod schedule;

use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use rehearsal::journal::Journal;
use rehearsal::report::Report;
use rehearsal::verdict::Verdict;
use rehearsal::{Plan, Shares};
use sqlx::PgPool;
use tokio::time::sleep;

use crate::roles::{PORTS, Roles, free_ports};
use crate::sale::{Judged, Sale, plan};
use crate::servers::{Server, Servers};
use crate::{Folder, ONE_AT_A_TIME, say};
use disk::Disk;
use nemesis::{Nemesis, Struck};
use nodes::{MORE_NODES, Nodes};
use returning::{RETURN, Returned, Watch, median};
use schedule::{CLUSTERED, Fault, Round, schedule};

/// What `make test` plays: see `the_short_run_hits_where_it_hurts_most`.
const SEED: u64 = 5_788;
const SECONDS: u64 = 15;

/// Of fewer faults than that a median says nothing.
const MANY: usize = 10;

const TIME_SCALE: u32 = 1_000;
/// More than stand in line after the longest fault, unless the machine hardly runs.
const SHOPPERS: usize = 120;
const WARM_UP: Duration = Duration::from_secs(3);
/// New orders still come in for so long after the last fault.
const AFTERMATH: Duration = Duration::from_secs(2);
/// What happens more often than at a usual sale.
const SHARES: [&str; 15] = [
    "refund=6%",
    "cancel=6%",
    "cancel-first=8%",
    "chargeback=3%",
    "dispute=3%",
    "partial-refund=3%",
    "unknown-player=1%",
    "abandoned=1%",
    "socket=50%",
    "polling=20%",
    "repeat=8%",
    "late=8%",
    "simultaneous=10%",
    "forged=3%",
    "conflict=4%",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_sale_under_faults_loses_nothing_and_doubles_nothing() {
    let _alone = ONE_AT_A_TIME.lock().await;
    let seconds = number("GRANTLINE_CHAOS_SECONDS").unwrap_or(SECONDS);
    let seeds: Vec<u64> = match (
        number("GRANTLINE_CHAOS_SEED"),
        number("GRANTLINE_CHAOS_SEEDS"),
    ) {
        (Some(seed), _) => vec![seed],
        (None, Some(seeds)) => {
            let drawn = |_| RandomState::new().hash_one(0) / CLUSTERED;
            // Whatever is drawn, every fifth has three nodes.
            let seed = |place| drawn(place) * CLUSTERED + place % CLUSTERED;
            (0..seeds).map(seed).collect()
        }
        (None, None) => vec![SEED],
    };
    let mut returned = Vec::new();
    for seed in seeds {
        returned.extend(play(seed, Duration::from_secs(seconds)).await);
    }
    let (median, faults) = (median(&returned), returned.len());
    say(&format!(
        "{faults} times it worked again, in the median after {median:.1?}"
    ));
    assert!(
        faults < MANY || median < RETURN,
        "it worked again after {median:?} in the median; promised are {RETURN:?}"
    );
}

/// Plays one seed, insists on a clean verdict, and says how the line came back each time.
async fn play(seed: u64, time: Duration) -> Vec<Returned> {
    let again = format!(
        "GRANTLINE_CHAOS_SEED={seed} GRANTLINE_CHAOS_SECONDS={}",
        time.as_secs()
    );
    say(&again);
    let folder = Folder::new("chaos", seed);
    let rounds = schedule(seed, time);
    let mut servers = Servers::start(&folder.0, &Server::ALL).await;
    // Goes before the servers whose disk it is.
    let disk = disk_for(&rounds, &mut servers).await;
    let ports = free_ports(seed, 2 * MORE_NODES + PORTS);
    let (of_nodes, of_roles) = ports.split_at(2 * MORE_NODES);
    let mut nodes = if seed.is_multiple_of(CLUSTERED) {
        Some(Nodes::around(&servers, &folder.0, of_nodes).await)
    } else {
        None
    };
    let broker = match &nodes {
        Some(nodes) => nodes.balancer.at,
        None => servers.at(Server::Broker),
    };
    let mut roles = Roles::start(&folder.0, &servers, broker, of_roles).await;
    let ledger = PgPool::connect_lazy(servers.url("DATABASE_URL")).unwrap();

    let mut plan = plan(seed, Shares::default(), &SHARES);
    plan.time_scale = TIME_SCALE;
    // A hint that was lost is made up for every half minute.
    plan.settle = Duration::from_secs(45);
    plan.bounds.shoppers = SHOPPERS;
    let sale = Sale::begin(plan.clone(), &roles.target()).await;
    sleep(WARM_UP).await;
    let mut nemesis = Nemesis {
        live: &sale.live,
        servers: &mut servers,
        roles: &mut roles,
        nodes: nodes.as_mut(),
        disk: disk.as_ref(),
        watch: Watch {
            live: sale.live.clone(),
            ledger: ledger.clone(),
        },
    };
    let struck = nemesis.strike(&rounds).await;
    sleep(AFTERMATH).await;
    let Judged {
        journal,
        findings,
        mut verdict,
    } = sale.judged(&roles.target()).await;
    let of = (&plan, &journal);
    check(&mut verdict, of, &struck, (&servers, &mut roles), &ledger).await;
    let report = Report::new(&journal, &findings, &verdict);
    say(&format!("\n{}", report.table()));
    if !verdict.is_clean() {
        let page = folder.0.join("report.html");
        fs::write(&page, report.html()).unwrap();
        fs::write(folder.0.join("report.json"), report.json().to_string()).unwrap();
        panic!(
            "{again} breaks promises, as told above and in {}",
            page.display()
        );
    }
    struck.into_iter().map(|struck| struck.returned).collect()
}

/// A disk that can be filled, where one has to be.
async fn disk_for(rounds: &[Round], servers: &mut Servers) -> Option<Disk> {
    let mut strikes = rounds.iter().flat_map(|round| &round.strikes);
    if !strikes.any(|strike| strike.fault == Fault::Full) {
        return None;
    }
    Some(Disk::under_postgres(servers).await)
}

/// What broker, ledger, processes and logs add to it.
async fn check(
    verdict: &mut Verdict,
    (plan, journal): (&Plan, &Journal),
    struck: &[Struck],
    (servers, roles): (&Servers, &mut Roles),
    ledger: &PgPool,
) {
    audit::queues_are_empty(verdict, servers).await;
    let of = (plan, journal, &roles.target());
    audit::everything_again(verdict, of, servers, ledger).await;
    audit::it_returned(verdict, struck, ledger).await;
    audit::all_left_in_order(verdict, journal, roles);
    audit::nothing_leaked(verdict, roles, servers).await;
    audit::nothing_deadlocked(verdict, servers);
}

#[expect(
    clippy::disallowed_methods,
    reason = "how a person chooses what is broken"
)]
fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is `{value}`, expected a number")),
    )
}
