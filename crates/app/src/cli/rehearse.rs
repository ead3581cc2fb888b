//! The arguments of `grantline rehearse`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rehearsal::{Bounds, Plan, Run, Setting, Shares, Spike};

use super::play::{TargetArgs, duration};

/// Only against a project that is marked `rehearsal = true`, as the demo project is. Ends with
/// 1 if anything of what must hold did not.
#[derive(Debug, Args)]
#[command(after_help = shares())]
pub(crate) struct Rehearse {
    /// Shoppers who arrive each second, whatever the answers.
    #[arg(long, value_name = "NUMBER", default_value_t = 20.0)]
    pub(crate) orders_per_second: f64,
    /// How long they arrive. What they began is played to its end.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) duration: Duration,
    /// Rise evenly from nothing to the full rate in this time.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) ramp: Option<Duration>,
    /// So many times the rate, from when, and for how long (5s unless said): 10x@30s,
    /// 3.5x@1m+20s. May be given several times.
    #[arg(long = "spike", value_name = "FACTORx@WHEN[+LASTING]")]
    pub(crate) spikes: Vec<Spike>,
    /// How often something happens: refund=5%. May be given several times; names are below.
    #[arg(long = "share", value_name = "NAME=PERCENT%", value_delimiter = ',')]
    pub(crate) shares: Vec<Setting>,
    /// By what Xsolla's own times are divided, retries above all: at 300 five minutes pass in a
    /// second.
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = Plan::TIME_SCALE,
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    pub(crate) time_scale: u32,
    /// Draws all shoppers and what happens to them; it is printed, to repeat a rehearsal.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Draws the ids, of which each rehearsal has its own. With the seed and on a fresh instance
    /// it repeats every body to the byte.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(..i64::from(Run::COUNT)))]
    pub(crate) run: Option<u32>,
    /// Players who buy; a fifth of the shoppers unless said.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) players: Option<u32>,
    /// How often a polling client asks.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub(crate) poll_interval: Duration,
    /// How long an answer may take until Xsolla takes it for none.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// How long clients wait for a last status when everything is sent.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration)]
    pub(crate) settle: Duration,
    /// Pay back orders that are refused for good, as some accounts have it.
    #[arg(long)]
    pub(crate) auto_refund: bool,
    /// The most requests under way. What is beyond waits, and its waiting counts.
    #[arg(long, value_name = "NUMBER", default_value_t = Bounds::default().requests)]
    pub(crate) max_requests: usize,
    /// The most clients over a WebSocket. Players beyond poll, as an SDK does that cannot connect.
    #[arg(long, value_name = "NUMBER", default_value_t = Bounds::default().sockets)]
    pub(crate) max_sockets: usize,
    /// How long everything accepted may take to end when all is sent.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration)]
    pub(crate) drain: Duration,
    /// What 99 of 100 answers have to come within.
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = duration)]
    pub(crate) p99: Duration,
    /// Print nothing but the report, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as a page as well: one file, with charts.
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

fn shares() -> String {
    format!(
        "Shares, of all purchases or notices. At most one fate befalls a purchase; the rest is \
         paid and kept:\n{}",
        Shares::about()
    )
}
