//! What is broken, and when: a function of a seed and nothing else, so that a seed repeats
//! its schedule. What the processes make of it is not repeated to the microsecond.

use std::fmt;
use std::time::Duration;

use ::tests::Chance;

use crate::roles::ROLES;
use crate::servers::Server;

/// A process that can be ended or held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Victim {
    Server(Server),
    /// A role, by its number in [`ROLES`].
    Role(usize),
}

/// What the broker's node runs short of, by its own account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Short {
    Memory,
    Disk,
}

/// Something that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9`, after the process stood still for a while, and its start.
    Kill(Victim, Duration),
    /// `SIGSTOP` and `SIGCONT`.
    Halt(Victim),
    /// Every connection to the server is closed, and new ones at once.
    Cut(Server),
    /// Nothing passes to the server or from it, and nothing is closed.
    Stall(Server),
    /// Everything to the server and from it passes so much later.
    Delay(Server, Duration),
    /// Nothing passes any more on the connections to the server that there are, and nobody
    /// closes them.
    Lose(Server),
    /// Redis forgets everything.
    Flush,
    /// The broker takes nothing more.
    Alarm(Short),
    /// The disk of PostgreSQL is full.
    Full,
    /// Every role is asked to end and started again, one after the other.
    Roll,
}

/// A fault of a round: when it begins, counted from the beginning of the round, and how long
/// it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Strike {
    pub(crate) after: Duration,
    pub(crate) fault: Fault,
    pub(crate) lasts: Duration,
}

/// Some time in which nothing is broken, and then one fault or two that overlap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    pub(crate) calm: Duration,
    pub(crate) strikes: Vec<Strike>,
}

/// Of so many seeds one has a broker of three nodes.
pub(crate) const CLUSTERED: u64 = 5;

/// What a round takes beside its faults, until the line works again.
const RETURN: Duration = Duration::from_secs(3);

impl Fault {
    /// Everything that can go wrong, what hurts most more than once; which role is halted is
    /// drawn when it is. Emptied and filled again until the time is over.
    fn bag() -> Vec<Self> {
        let at_once = Duration::ZERO;
        let roles = 0..ROLES.len();
        let mut bag: Vec<Self> = roles
            .clone()
            .map(|role| Self::Kill(Victim::Role(role), at_once))
            .collect();
        bag.extend(roles.step_by(3).map(|role| Self::Halt(Victim::Role(role))));
        for server in Server::ALL {
            bag.extend([
                Self::Kill(Victim::Server(server), at_once),
                Self::Kill(Victim::Server(server), at_once),
                Self::Halt(Victim::Server(server)),
                Self::Cut(server),
                Self::Stall(server),
                Self::Delay(server, at_once),
                Self::Lose(server),
            ]);
        }
        bag.extend([
            Self::Flush,
            Self::Flush,
            Self::Alarm(Short::Memory),
            Self::Alarm(Short::Disk),
            Self::Full,
            Self::Roll,
            Self::Roll,
        ]);
        bag
    }

    /// The same with its own times drawn.
    fn drawn(self, chance: &mut Chance) -> Self {
        match self {
            // With some work on its hands, half of the time.
            Self::Kill(victim, _) if chance.percent(50) => {
                Self::Kill(victim, chance.millis(100, 600))
            }
            Self::Delay(server, _) => Self::Delay(server, chance.millis(20, 400)),
            Self::Halt(Victim::Role(_)) => {
                let role = usize::try_from(chance.below(ROLES.len() as u64));
                Self::Halt(Victim::Role(role.unwrap_or_default()))
            }
            Self::Kill(..)
            | Self::Halt(Victim::Server(_))
            | Self::Cut(_)
            | Self::Stall(_)
            | Self::Lose(_)
            | Self::Flush
            | Self::Alarm(_)
            | Self::Full
            | Self::Roll => self,
        }
    }

    fn lasts(self, chance: &mut Chance) -> Duration {
        match self {
            Self::Kill(..) => chance.millis(0, 2_500),
            Self::Halt(_) | Self::Cut(_) | Self::Stall(_) => chance.millis(500, 5_000),
            Self::Delay(..) | Self::Alarm(_) | Self::Full => chance.millis(2_000, 6_000),
            Self::Lose(_) | Self::Flush | Self::Roll => Duration::ZERO,
        }
    }

    /// The server it is about.
    pub(crate) const fn server(self) -> Option<Server> {
        match self {
            Self::Kill(Victim::Server(server), _)
            | Self::Halt(Victim::Server(server))
            | Self::Cut(server)
            | Self::Stall(server)
            | Self::Delay(server, _)
            | Self::Lose(server) => Some(server),
            Self::Flush => Some(Server::Redis),
            Self::Alarm(_) => Some(Server::Broker),
            Self::Full => Some(Server::Postgres),
            Self::Kill(Victim::Role(_), _) | Self::Halt(Victim::Role(_)) | Self::Roll => None,
        }
    }

    /// Whether it needs every process to itself.
    const fn is_alone(self) -> bool {
        matches!(self, Self::Full | Self::Roll)
    }

    /// Whether a process of a server is away: the servers are started again all at once.
    const fn holds_servers(self) -> bool {
        matches!(
            self,
            Self::Kill(Victim::Server(_), _) | Self::Halt(Victim::Server(_))
        )
    }

    /// Whether it can be on together with another one.
    fn goes_with(self, other: Self) -> bool {
        let is_same = match (self.server(), other.server()) {
            (Some(one), Some(other)) => one == other,
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        let both_hold = self.holds_servers() && other.holds_servers();
        !(is_same || self.is_alone() || other.is_alone() || both_hold)
    }
}

/// The rounds of so much time. A broker of three nodes loses the one that leads first of all.
pub(crate) fn schedule(seed: u64, time: Duration) -> Vec<Round> {
    let mut chance = Chance::new(seed, 0);
    let mut rounds = Vec::new();
    let mut bag = Vec::new();
    let mut taken = Duration::ZERO;
    if seed.is_multiple_of(CLUSTERED) {
        let round = Round::of_the_leader(&mut Chance::new(seed, 1));
        taken += round.takes();
        rounds.push(round);
    }
    while taken < time {
        let round = Round::draw(&mut chance, &mut bag);
        taken += round.takes();
        rounds.push(round);
    }
    rounds
}

impl Round {
    fn draw(chance: &mut Chance, bag: &mut Vec<Fault>) -> Self {
        let first = next(chance, bag);
        let mut strikes = vec![Strike::draw(chance, first, Duration::ZERO)];
        if chance.percent(35)
            && let Some(place) = bag.iter().rposition(|fault| fault.goes_with(first))
        {
            let second = bag.remove(place);
            let after = chance.millis(0, 1_500);
            strikes.push(Strike::draw(chance, second, after));
        }
        Self {
            calm: chance.millis(1_000, 3_000),
            strikes,
        }
    }

    fn of_the_leader(chance: &mut Chance) -> Self {
        let kill = Fault::Kill(Victim::Server(Server::Broker), Duration::ZERO);
        Self {
            calm: chance.millis(1_000, 3_000),
            strikes: vec![Strike::draw(chance, kill, Duration::ZERO)],
        }
    }

    /// How long it takes on a quiet machine.
    fn takes(&self) -> Duration {
        let ends = self
            .strikes
            .iter()
            .map(|strike| strike.after + strike.lasts);
        self.calm + ends.max().unwrap_or_default() + RETURN
    }
}

impl Strike {
    fn draw(chance: &mut Chance, fault: Fault, after: Duration) -> Self {
        let fault = fault.drawn(chance);
        Self {
            after,
            fault,
            lasts: fault.lasts(chance),
        }
    }
}

fn next(chance: &mut Chance, bag: &mut Vec<Fault>) -> Fault {
    if bag.is_empty() {
        *bag = Fault::bag();
        chance.shuffle(bag);
    }
    bag.pop().expect("it was filled")
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Server(server) => server.title(),
            Self::Role(number) => ROLES[*number].0,
        })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(victim, stall) if stall.is_zero() => write!(f, "{victim} killed"),
            Self::Kill(victim, _) => write!(f, "{victim} halted and killed"),
            Self::Halt(victim) => write!(f, "{victim} halted"),
            Self::Cut(server) => write!(f, "{} cut off", server.title()),
            Self::Stall(server) => write!(f, "{} silent", server.title()),
            Self::Delay(server, by) => write!(f, "{} {} ms away", server.title(), by.as_millis()),
            Self::Lose(server) => write!(f, "connections to {} half-open", server.title()),
            Self::Flush => f.write_str("Redis emptied"),
            Self::Alarm(Short::Memory) => f.write_str("RabbitMQ out of memory"),
            Self::Alarm(Short::Disk) => f.write_str("RabbitMQ out of disk"),
            Self::Full => f.write_str("disk of PostgreSQL full"),
            Self::Roll => f.write_str("rolling restart"),
        }
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (
            place,
            Strike {
                after,
                fault,
                lasts,
            },
        ) in self.strikes.iter().enumerate()
        {
            let joint = if place == 0 { "" } else { ", and " };
            write!(f, "{joint}{fault}")?;
            if !after.is_zero() {
                write!(f, " {:.1} s later", after.as_secs_f64())?;
            }
            if !lasts.is_zero() {
                write!(f, " for {:.1} s", lasts.as_secs_f64())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::chaos::{SECONDS, SEED};

    const MINUTE: Duration = Duration::from_mins(1);

    #[test]
    fn a_seed_repeats_its_schedule_and_another_one_has_another() {
        for seed in [0, 1, 7, u64::MAX] {
            assert_eq!(schedule(seed, MINUTE), schedule(seed, MINUTE));
            assert_ne!(schedule(seed, MINUTE), schedule(seed ^ 1, MINUTE));
        }
    }

    /// A worker that dies while PostgreSQL is away holds what it could not book: an early
    /// acknowledgement would lose it.
    #[test]
    fn the_short_run_hits_where_it_hurts_most() {
        let rounds = schedule(SEED, Duration::from_secs(SECONDS));
        let faults: Vec<Vec<Fault>> = rounds
            .iter()
            .map(|round| round.strikes.iter().map(|it| it.fault.stripped()).collect())
            .collect();
        let kill = |victim| Fault::Kill(victim, Duration::ZERO);
        let server = |server| kill(Victim::Server(server));
        let (worker, broker) = (kill(Victim::Role(2)), server(Server::Broker));
        let expected = [
            vec![server(Server::Postgres), worker],
            vec![Fault::Flush],
            vec![broker],
        ];
        assert_eq!(faults, expected);
        assert!(!SEED.is_multiple_of(CLUSTERED));
    }

    #[test]
    fn a_broker_of_three_nodes_loses_its_leader_first() {
        let leader = Fault::Kill(Victim::Server(Server::Broker), Duration::ZERO);
        let first = |seed| schedule(seed, MINUTE)[0].strikes[0].fault.stripped();
        for seed in (0..50).map(|seed| seed * CLUSTERED) {
            assert_eq!(first(seed), leader);
        }
        assert!((0..50).any(|seed| first(seed) != leader));
    }

    #[test]
    fn more_time_only_adds_rounds() {
        let (short, long) = (schedule(5, MINUTE), schedule(5, MINUTE * 3));
        assert!(short.len() < long.len() && long.starts_with(&short));
    }

    #[test]
    fn an_hour_breaks_everything() {
        let broken: BTreeSet<String> = schedule(3, MINUTE * 60)
            .iter()
            .flat_map(|round| &round.strikes)
            .map(|strike| format!("{:?}", strike.fault.stripped()))
            .collect();
        let halts = (0..ROLES.len()).map(|role| Fault::Halt(Victim::Role(role)));
        let all = Fault::bag().into_iter().chain(halts);
        let all: BTreeSet<String> = all.map(|it| format!("{it:?}")).collect();
        assert_eq!(broken, all);
    }

    #[test]
    fn faults_that_would_undo_one_another_are_never_on_together() {
        let mut pairs = 0;
        for seed in 0..200 {
            for round in schedule(seed, MINUTE) {
                if let [one, other] = round.strikes[..] {
                    assert!(one.fault.goes_with(other.fault), "{round}");
                    pairs += 1;
                }
            }
        }
        assert!(pairs > 100, "{pairs}");
    }

    #[test]
    fn nothing_lasts_longer_than_a_worker_holds_a_batch() {
        for round in (0..200).flat_map(|seed| schedule(seed, MINUTE)) {
            assert!(round.takes() < Duration::from_secs(30), "{round}");
        }
    }

    impl Fault {
        /// Without the times of its own.
        fn stripped(mut self) -> Self {
            if let Self::Kill(_, time) | Self::Delay(_, time) = &mut self {
                *time = Duration::ZERO;
            }
            self
        }
    }
}
