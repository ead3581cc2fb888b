//! `grantline rehearse`: a sale, played against an instance that is marked for it.

mod judge;
mod progress;

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rehearsal::{Live, Looked, Plan, Rate, Rehearsal, Run, Shares, journal::Journal, prepare};
use tokio_util::sync::CancellationToken;

use crate::cli::Rehearse;
use crate::commands::target::{number_in, target};

/// How often progress is told on a terminal, and elsewhere.
const ON_TERMINAL: Duration = Duration::from_secs(1);
const ELSEWHERE: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: &Rehearse) -> anyhow::Result<ExitCode> {
    let (target, project) = target(&args.target)?;
    // The path decides whose orders these are, and the mark is asked for by number.
    if number_in(&target.webhook.url) != Some(project) {
        bail!(
            "notices to {} are not project {project}'s; expected a webhook URL that ends in the \
             number of the project whose mark is asked for",
            target.webhook.url
        );
    }
    let plan = plan(args, project)?;
    if !args.json {
        writeln!(
            io::stderr(),
            "Rehearsing a sale in project {project} at {}\n\
             about {:.0} shoppers in {:?}, Xsolla's time {} times as fast; seed {}, run {}",
            target.webhook.url,
            plan.rate.expected(),
            plan.rate.duration,
            plan.time_scale,
            plan.seed,
            plan.run,
        )?;
    }
    let (seed, run) = (plan.seed, plan.run);
    let rehearsal = prepare(plan, target.clone(), task::now().unix_timestamp()).await?;
    let live = Live::new(seed);
    let journal = play(rehearsal, &live, args.json).await?;
    let judging = judge::judge(args, &target, &journal, run);
    tokio::select! {
        is_clean = judging => Ok(if is_clean? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        asked = interrupt() => {
            asked?;
            bail!("interrupted; nothing is judged");
        }
    }
}

/// Plays to the end. A first Ctrl-C ends it early, a second one at once.
async fn play(rehearsal: Rehearsal, live: &Live, silent: bool) -> anyhow::Result<Journal> {
    let stop = CancellationToken::new();
    let playing = rehearsal.play(live, stop.clone());
    let interrupted = async {
        interrupt().await?;
        stop.cancel();
        interrupt().await
    };
    let told = async {
        if silent {
            std::future::pending::<()>().await;
        }
        tell(live).await
    };
    let journal = tokio::select! {
        journal = playing => journal,
        asked = interrupted => {
            asked?;
            bail!("interrupted; nothing is judged");
        }
        told = told => {
            told?;
            bail!("nobody reads the progress");
        }
    };
    if !silent && io::stderr().is_terminal() {
        // The line that was refreshed stays.
        writeln!(io::stderr())?;
    }
    Ok(journal)
}

async fn interrupt() -> anyhow::Result<()> {
    tokio::signal::ctrl_c()
        .await
        .context("cannot listen for Ctrl-C")
}

/// Tells how it goes until that fails.
async fn tell(live: &Live) -> io::Result<()> {
    let is_terminal = io::stderr().is_terminal();
    let mut ticks = tokio::time::interval(if is_terminal { ON_TERMINAL } else { ELSEWHERE });
    let mut looked = Looked::default();
    ticks.tick().await;
    loop {
        ticks.tick().await;
        let told = progress::line(&live.moment(&mut looked));
        if is_terminal {
            // Back to the beginning; nothing of a longer line stays, and what a narrow window
            // does not hold is cut off.
            write!(io::stderr(), "\r\x1b[?7l{told}\x1b[K\x1b[?7h")?;
        } else {
            writeln!(io::stderr(), "{told}")?;
        }
    }
}

fn plan(args: &Rehearse, project: i64) -> anyhow::Result<Plan> {
    let rate = Rate {
        orders_per_second: args.orders_per_second,
        duration: args.duration,
        ramp: args.ramp.unwrap_or_default(),
        spikes: args.spikes.clone(),
    };
    let seed = args.seed.unwrap_or_else(rand::random);
    let run = args.run.map_or_else(Run::draw, Run::new);
    let mut plan = Plan::new(project, seed, run, rate)?;
    plan.shares = Shares::default().with(&args.shares)?;
    plan.time_scale = args.time_scale;
    plan.players = args.players.unwrap_or(plan.players);
    plan.poll_interval = args.poll_interval;
    plan.answer_limit = args.timeout;
    plan.settle = args.settle;
    plan.auto_refund = args.auto_refund;
    plan.bounds.requests = args.max_requests.max(1);
    plan.bounds.sockets = args.max_sockets;
    Ok(plan)
}
