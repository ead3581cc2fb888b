//! The judgement of a rehearsal: what was sent and answered and seen, against what the
//! instance says in the end.
//!
//! Each invariant has one checker. It names what it found wrong with the order or the player
//! and everything that happened to them, and says how much it had to look at: an invariant
//! that nothing put to the test holds, but is not proven.

mod answers;
mod cases;
mod clients;
mod effects;
mod ends;
mod evidence;
mod story;
mod stream;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::findings::Findings;
use super::journal::Journal;
use evidence::Evidence;

pub(crate) use cases::Cases;
pub(crate) use evidence::Said;

/// What must hold of every rehearsal. The numbers are those of the list they come from. What
/// only broker, database, processes and logs can show is checked by whoever has access to
/// them ([`Verdict::also`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "each says itself what it is")]
pub enum Invariant {
    I1,
    I2,
    I3,
    I4,
    I5,
    I6,
    I7,
    I8,
    I9,
    I10,
    I11,
    I12,
    I13,
    I14,
    I15,
    I16,
    I17,
    I18,
    I20,
}

/// What a run is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// 99 of 100 answers come faster while nothing is broken on purpose.
    pub answer_p99: Duration,
    /// So long after a fault was over it still counts as being on.
    pub recovery: Duration,
    /// So many of a player's newest status rows a history has to contain.
    pub history_rows: usize,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// The order it is about.
    pub order: Option<i64>,
    /// The player it is about.
    pub player: Option<String>,
    /// What was found, and what should have been.
    pub what: String,
    /// What happened to the order or the player, one line each, oldest first.
    pub history: Vec<Moment>,
    /// What the instance says of it.
    pub instance: Vec<String>,
}

/// A line of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Since the beginning of the rehearsal.
    pub at: Duration,
    /// What happened.
    pub what: String,
}

/// What one checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What was checked.
    pub invariant: Invariant,
    /// How many things it was checked on. Nothing put it to the test where this is 0.
    pub examined: usize,
    /// How many of them broke it.
    pub broken: usize,
}

/// The judgement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// One for each invariant, in their order.
    pub checks: Vec<Check>,
    /// Everything that is wrong, by invariant.
    pub violations: Vec<Violation>,
    /// Tasks that wait for a person because the broker gave up on them under a fault. They
    /// are excused, unless there are too many of them.
    pub given_up: usize,
    /// What it was measured by.
    pub limits: Limits,
}

impl Invariant {
    /// Its number.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I1 => "I1",
            Self::I2 => "I2",
            Self::I3 => "I3",
            Self::I4 => "I4",
            Self::I5 => "I5",
            Self::I6 => "I6",
            Self::I7 => "I7",
            Self::I8 => "I8",
            Self::I9 => "I9",
            Self::I10 => "I10",
            Self::I11 => "I11",
            Self::I12 => "I12",
            Self::I13 => "I13",
            Self::I14 => "I14",
            Self::I15 => "I15",
            Self::I16 => "I16",
            Self::I17 => "I17",
            Self::I18 => "I18",
            Self::I20 => "I20",
        }
    }

    /// What it promises, for somebody who reads it for the first time.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::I1 => {
                "Nothing accepted is lost: what was answered 2xx has ended and can be found."
            }
            Self::I2 => "Nothing is made up: what nobody signed has changed nothing.",
            Self::I3 => {
                "Nothing is doubled: an order is granted at most once and taken back at most once."
            }
            Self::I4 => "Every order and every inventory is what the accepted notices make of it.",
            Self::I5 => {
                "A canceled order leaves its player with nothing of it, now and at any time after."
            }
            Self::I6 => "Copies of a notice, however written and however many, change nothing.",
            Self::I7 => {
                "Of two notices that disagree the first counts, and the conflict is written down."
            }
            Self::I8 => "What was not answered 2xx was applied once or not at all.",
            Self::I9 => {
                "No signed payment or order is refused, and no unknown player is let through."
            }
            Self::I10 => "Answers come in time: 99 of 100 within the limit, none missing in calm.",
            Self::I11 => {
                "A status never runs backwards: pushes, history and polling tell one story."
            }
            Self::I12 => "Nobody sees an order of somebody else.",
            Self::I13 => "Nothing is left on a queue, and nothing found no queue at all.",
            Self::I14 => {
                "What waits for a person says why and can be found, and nothing else waits."
            }
            Self::I15 => "All that was ever accepted changes nothing when it comes again.",
            Self::I16 => {
                "After a fault the line takes, books and tells again, and leaves nothing open."
            }
            Self::I17 => "Whoever is asked to stop leaves in order, and refuses with 503 alone.",
            Self::I18 => "Secrets and personal data are in no log and in no metric.",
            Self::I20 => "No transaction ever deadlocks.",
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            answer_p99: Duration::from_secs(3),
            recovery: Duration::from_secs(15),
            history_rows: 1_000,
        }
    }
}

impl Verdict {
    /// Judges a rehearsal that is over.
    #[must_use]
    pub fn judge(journal: &Journal, findings: &Findings, limits: &Limits) -> Self {
        let evidence = Evidence::new(journal, findings, limits);
        let mut verdict = Self {
            checks: Vec::new(),
            violations: Vec::new(),
            given_up: evidence.given_up(),
            limits: *limits,
        };
        for (invariant, check) in CHECKERS {
            let (examined, violations) = check(&evidence);
            verdict.also(invariant, examined, violations);
        }
        verdict
    }

    /// Adds what somebody found who saw more than journal and findings: on how many things an
    /// invariant was checked, and where it was broken.
    pub fn also(&mut self, invariant: Invariant, examined: usize, violations: Vec<Violation>) {
        self.checks.push(Check {
            invariant,
            examined,
            broken: violations.len(),
        });
        self.checks.sort_by_key(|check| check.invariant);
        self.violations.extend(violations);
        self.violations.sort_by_key(|violation| violation.invariant);
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }
}

/// How much a checker looked at, and what it found wrong.
type Judged = (usize, Vec<Violation>);

type Checker = fn(&Evidence<'_>) -> Judged;

/// What journal and findings can show.
const CHECKERS: [(Invariant, Checker); 13] = [
    (Invariant::I1, ends::nothing_is_lost),
    (Invariant::I2, ends::nothing_is_made_up),
    (Invariant::I3, effects::nothing_is_doubled),
    (Invariant::I4, effects::orders_and_inventories_are_right),
    (Invariant::I5, effects::canceled_leaves_nothing),
    (Invariant::I6, effects::copies_change_nothing),
    (Invariant::I7, effects::the_first_of_two_counts),
    (Invariant::I8, ends::doubtful_notices_count_once_at_most),
    (Invariant::I9, answers::nothing_signed_is_refused),
    (Invariant::I10, answers::answers_come_in_time),
    (Invariant::I11, clients::one_story_is_told),
    (Invariant::I12, clients::nobody_sees_what_is_not_theirs),
    (Invariant::I14, ends::only_what_must_waits_for_a_person),
];
