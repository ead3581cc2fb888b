//! Who is killed, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::report::say;
use crate::roles::{ROLES, Roles};
use crate::servers::{Server, Servers};
use tests::Chance;

/// A process that is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Victim {
    Server(Server),
    /// A role, by its number in [`ROLES`].
    Role(usize),
}

const INGRESS: Victim = Victim::Role(0);
const WORKER: Victim = Victim::Role(1);
const OTHER_WORKER: Victim = Victim::Role(2);
const PUBLISHER: Victim = Victim::Role(3);
const API: Victim = Victim::Role(4);
const BROKER: Victim = Victim::Server(Server::Broker);
const POSTGRES: Victim = Victim::Server(Server::Postgres);
const REDIS: Victim = Victim::Server(Server::Redis);

/// Few kills are these. A worker that dies while PostgreSQL is away holds what it could not
/// book: an early acknowledgement would lose it.
const FEW: [&[Victim]; 2] = [&[BROKER], &[POSTGRES, WORKER]];
/// Many are drawn from this bag until it is empty, again and again.
const BAG: [Victim; 12] = [
    BROKER,
    BROKER,
    POSTGRES,
    POSTGRES,
    REDIS,
    INGRESS,
    INGRESS,
    WORKER,
    WORKER,
    OTHER_WORKER,
    PUBLISHER,
    API,
];

/// New orders still come in for so long after the last victim is back.
const AFTERMATH: Duration = Duration::from_secs(3);

impl Victim {
    /// As the report calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Server(Server::Broker) => "RabbitMQ",
            Self::Server(Server::Postgres) => "PostgreSQL",
            Self::Server(Server::Redis) => "Redis",
            Self::Role(number) => ROLES[number].0,
        }
    }
}

/// Quiet, one kill or two in short succession, some time without them, and all are back.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    calm: Duration,
    /// Redis is emptied before anybody is killed.
    flush: bool,
    victims: Vec<Victim>,
    /// How long each stands still before it is killed.
    stall: Duration,
    between: Duration,
    away: Duration,
}

/// The rounds of so many kills; three at least.
pub(crate) fn schedule(seed: u64, kills: usize) -> Vec<Round> {
    let mut chance = Chance::new(seed, 0);
    let few: usize = FEW.iter().map(|victims| victims.len()).sum();
    // With few kills each has to find work on its victim's hands.
    let (groups, stall) = if kills <= few {
        let mut groups = FEW.map(<[Victim]>::to_vec).to_vec();
        chance.shuffle(&mut groups);
        (groups, 300)
    } else {
        (draw(&mut chance, kills), 0)
    };
    let round = |victims| Round {
        calm: chance.millis(1_500, 4_000),
        flush: chance.percent(25),
        victims,
        stall: chance.millis(stall, 600),
        between: chance.millis(0, 400),
        away: chance.millis(0, 2_500),
    };
    groups.into_iter().map(round).collect()
}

/// Victims alone and in pairs.
fn draw(chance: &mut Chance, kills: usize) -> Vec<Vec<Victim>> {
    let mut victims = Vec::new();
    while victims.len() < kills {
        let mut bag = BAG;
        chance.shuffle(&mut bag);
        victims.extend(bag);
    }
    victims.truncate(kills);
    let mut groups = Vec::new();
    while let Some(first) = victims.pop() {
        let mut together = vec![first];
        if chance.percent(30) {
            together.extend(victims.pop_if(|second| *second != first));
        }
        groups.push(together);
    }
    groups
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Damage {
    pub(crate) kills: Vec<Kill>,
    pub(crate) flushes: u64,
    /// Where the last round begins in `kills`.
    last_round: usize,
}

/// One kill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kill {
    pub(crate) victim: Victim,
    pub(crate) at: Instant,
    /// The victim runs again (roles) or can be used again (servers).
    pub(crate) back: Instant,
    /// The next round's first kill, or the end of it all.
    pub(crate) until: Instant,
}

impl Damage {
    /// What goes wrong until now may be the last round's doing.
    fn lasts_until_now(&mut self) {
        for kill in &mut self.kills[self.last_round..] {
            kill.until = Instant::now();
        }
    }

    /// Kills by victim.
    pub(crate) fn by_victim(&self) -> BTreeMap<Victim, Vec<Kill>> {
        let mut by_victim: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for kill in &self.kills {
            by_victim.entry(kill.victim).or_default().push(*kill);
        }
        by_victim
    }
}

/// Does what was drawn. All are back when it is over.
pub(crate) async fn strike(rounds: &[Round], servers: &mut Servers, roles: &mut Roles) -> Damage {
    let began = Instant::now();
    let mut damage = Damage::default();
    for round in rounds {
        sleep(round.calm).await;
        damage.lasts_until_now();
        if round.flush {
            servers.flush_redis().await;
            damage.flushes += 1;
        }
        let mut killed = Vec::new();
        for victim in &round.victims {
            if !killed.is_empty() {
                sleep(round.between).await;
            }
            killed.push((*victim, Instant::now()));
            match *victim {
                Victim::Server(server) => servers.kill(server, round.stall).await,
                Victim::Role(number) => roles.kill(ROLES[number].0, round.stall).await,
            }
        }
        sleep(round.away).await;
        if round
            .victims
            .iter()
            .any(|victim| matches!(victim, Victim::Server(_)))
        {
            servers.start_missing().await;
        }
        roles.start_missing();
        let back = Instant::now();
        let names: Vec<_> = round.victims.iter().map(|victim| victim.name()).collect();
        say(&format!(
            "{:6.1} s  killed {}{}, back after {:.1} s",
            (killed[0].1 - began).as_secs_f64(),
            names.join(" and "),
            if round.flush {
                " after emptying Redis"
            } else {
                ""
            },
            (back - killed[0].1).as_secs_f64(),
        ));
        let kills = killed.into_iter().map(|(victim, at)| Kill {
            victim,
            at,
            back,
            until: back,
        });
        damage.last_round = damage.kills.len();
        damage.kills.extend(kills);
    }
    sleep(AFTERMATH).await;
    damage.lasts_until_now();
    damage
}
