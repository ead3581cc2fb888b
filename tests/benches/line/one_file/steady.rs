//! The whole line at a steady rate: how late orders are booked, and whether memory grows.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep_until, timeout_at};

use crate::clock::{median, ms, percentile};
use crate::goal::Goal;
use crate::load::{Load, Pace};
use crate::memory::Resident;
use crate::order;
use crate::player::Player;
use crate::roles::{Role, Stack};

const PER_SECOND: u32 = 1_000;
const WARM_UP_SECONDS: u32 = 10;
const SECONDS: u32 = 20;
const ORDERS: u32 = (WARM_UP_SECONDS + SECONDS) * PER_SECOND;
const UNMEASURED: u32 = WARM_UP_SECONDS * PER_SECOND;

const CONNECTIONS: usize = 64;
/// Each hears of every order of its own.
const PLAYERS: u32 = 50;
/// How long the last push may take.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_millis(250);

/// Memory counts as flat if less than this many MB come to it after the warm-up: what a
/// minute's leak of a hundred bytes an order would be.
const GROWTH_MAX: f64 = 2.0;

pub(crate) async fn measure() -> [Goal; 2] {
    let line = Role::start("serve", Stack::OneFile).await;
    let requests: Vec<_> = (0..ORDERS)
        .map(|number| order::paid(order_of(number), &player_of(number)))
        .collect();
    let mut players = Vec::new();
    for number in 0..PLAYERS {
        players.push(Player::connect(&line, &player_of(number)).await);
    }
    let warm = order::paid(i64::from(u32::MAX), "nobody");
    let load = Load::connect(line.ingress, CONNECTIONS, &warm).await;
    let pace = Pace::of(PER_SECOND.into());
    let hearing = players
        .into_iter()
        .map(|player| tokio::spawn(booked(player, pace)));
    let hearing: Vec<_> = hearing.collect();
    let memory = tokio::spawn(follow(line.process(), pace));
    load.open_loop(pace, requests).await;
    let mut times = Vec::new();
    for heard in join_all(hearing).await {
        times.extend(heard.unwrap());
    }
    report(times, &memory.await.unwrap())
}

/// From one on.
fn order_of(number: u32) -> i64 {
    i64::from(number) + 1
}

fn player_of(number: u32) -> String {
    format!("player-{}", number % PLAYERS)
}

/// How long after it was due each of the player's orders was heard to be done, but for those
/// of the warm-up.
async fn booked(mut player: Player, pace: Pace) -> Vec<Duration> {
    let mut times = Vec::new();
    let until = pace.due(ORDERS) + PATIENCE;
    for _ in 0..ORDERS / PLAYERS {
        let order = async {
            loop {
                let (order, status) = player.hear().await;
                if status == "done" {
                    return order;
                }
            }
        };
        let heard = timeout_at(until.into(), order).await;
        let order = heard.expect("every accepted order is done soon");
        let number = u32::try_from(order - 1).unwrap();
        if number >= UNMEASURED {
            times.push(pace.due(number).elapsed());
        }
    }
    times
}

/// What the process has in memory, from the end of the warm-up to the last order.
async fn follow(process: u32, pace: Pace) -> Vec<Resident> {
    let mut seen = Vec::new();
    let (mut next, end) = (pace.due(UNMEASURED), pace.due(ORDERS));
    while next < end {
        sleep_until(next.into()).await;
        seen.push(Resident::of(process));
        next = Instant::max(next + LOOK_AT_MEMORY_EVERY, Instant::now());
    }
    seen
}

fn report(mut times: Vec<Duration>, memory: &[Resident]) -> [Goal; 2] {
    times.sort();
    let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| ms(percentile(&times, share)));
    println!(
        "one file: {PER_SECOND} orders a second for {SECONDS} s after {WARM_UP_SECONDS} s, from when each was due"
    );
    println!("                                   p50 ms   p99 ms   max ms");
    println!(
        "  {:<28} {half:10.2} {most:8.2} {worst:8.2}",
        "`done` received by a client"
    );
    let quarter = memory.len() / 4;
    let middle = |seen: &[Resident], of: fn(&Resident) -> f64| {
        median(&seen.iter().map(of).collect::<Vec<_>>())
    };
    let (first, last) = (&memory[..quarter], &memory[memory.len() - quarter..]);
    println!("                                    first     last  quarter of the time");
    let line = |name: &str, of: fn(&Resident) -> f64| {
        let (before, after) = (middle(first, of), middle(last, of));
        println!("  {name:<28} {before:7.1} MB {after:5.1} MB");
        after - before
    };
    let grown = line("resident memory", |seen| seen.all);
    line("of it no page of a file", |seen| seen.own);
    println!();
    [
        Goal {
            what: "one file: 1,000 orders a second, due to `done` pushed, p99",
            measured: format!("{most:.2} ms"),
            aim: "under 100 ms",
            met: most < 100.0,
        },
        Goal {
            what: "one file: memory that comes to it meanwhile",
            measured: format!("{grown:.1} MB"),
            aim: "under 2 MB",
            met: grown < GROWTH_MAX,
        },
    ]
}
