//! The whole line at a steady rate: how late orders are booked, and whether memory grows.

use std::ops::Range;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::time::{sleep_until, timeout};

use crate::clock::{median, ms, percentile};
use crate::goal::Goal;
use crate::load::{Load, Pace};
use crate::memory::Resident;
use crate::order;
use crate::player::Player;
use crate::roles::{Role, Stack};

const PER_SECOND: u32 = 1_000;
const SECONDS: u32 = 20;
const ORDERS: u32 = SECONDS * PER_SECOND;
/// Orders before them, as fast as they are taken: enough to fill every cache.
const WARM_UP: u32 = 25_000;

const CONNECTIONS: usize = 64;
/// Each hears of every order of its own.
const PLAYERS: u32 = 50;
/// How long nothing may be heard.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_millis(250);

/// Memory counts as flat if it grows by less than this many MB: 100 bytes an order.
const GROWTH_MAX: f64 = 2.0;

pub(crate) async fn measure() -> [Goal; 2] {
    let line = Role::start("serve", Stack::OneFile).await;
    let mut players = Vec::new();
    for number in 0..PLAYERS {
        players.push(Player::connect(&line, &player_of(number)).await);
    }
    let load = posters(&line).await;
    let (_, players) = play(load, players, Pace::of(f64::INFINITY), 0..WARM_UP).await;
    let load = posters(&line).await;
    let pace = Pace::of(PER_SECOND.into());
    let memory = tokio::spawn(follow(line.process(), pace));
    let (times, _) = play(load, players, pace, WARM_UP..WARM_UP + ORDERS).await;
    report(&times, &memory.await.unwrap())
}

async fn posters(line: &Role) -> Load {
    let unheard = order::paid(i64::MAX, "nobody");
    Load::connect(line.ingress, CONNECTIONS, &unheard).await
}

/// Sends the orders of these numbers. How long after it was due each was heard to be done.
async fn play(
    load: Load,
    players: Vec<Player>,
    pace: Pace,
    numbers: Range<u32>,
) -> (Vec<Duration>, Vec<Player>) {
    let hearing = players
        .into_iter()
        .map(|player| tokio::spawn(booked(player, pace, numbers.clone())));
    let hearing: Vec<_> = hearing.collect();
    let requests = numbers.map(|number| order::paid(order_of(number), &player_of(number)));
    load.open_loop(pace, requests).await;
    let (mut times, mut players) = (Vec::new(), Vec::new());
    for heard in join_all(hearing).await {
        let (heard, player) = heard.unwrap();
        times.extend(heard);
        players.push(player);
    }
    times.sort();
    (times, players)
}

/// From one on.
fn order_of(number: u32) -> i64 {
    i64::from(number) + 1
}

fn player_of(number: u32) -> String {
    format!("player-{}", number % PLAYERS)
}

/// Each player has every `PLAYERS`th of the orders.
async fn booked(mut player: Player, pace: Pace, numbers: Range<u32>) -> (Vec<Duration>, Player) {
    let mut times = Vec::new();
    for _ in 0..numbers.len() / PLAYERS as usize {
        let order = loop {
            let heard = timeout(PATIENCE, player.hear()).await;
            let (order, status) = heard.expect("every accepted order is done soon");
            if status == "done" {
                break order;
            }
        };
        let number = u32::try_from(order - 1).unwrap();
        times.push(pace.due(number - numbers.start).elapsed());
    }
    (times, player)
}

/// What the process has in memory until the last order.
async fn follow(process: u32, pace: Pace) -> Vec<Resident> {
    let mut seen = Vec::new();
    let (mut next, end) = (pace.began, pace.due(ORDERS));
    while next < end {
        sleep_until(next.into()).await;
        seen.push(Resident::of(process));
        next = Instant::max(next + LOOK_AT_MEMORY_EVERY, Instant::now());
    }
    seen
}

fn report(times: &[Duration], memory: &[Resident]) -> [Goal; 2] {
    let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| ms(percentile(times, share)));
    println!(
        "one file: {PER_SECOND} orders a second for {SECONDS} s, from when each was due (after {WARM_UP} others)"
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
