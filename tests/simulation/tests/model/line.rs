//! Two workers, a broker, a Redis that forgets, a ledger, a publisher and one client, around
//! one order that is paid and canceled. Either notice comes twice.

use order::{Delivery, Facts, Status};
use stateright::{Model, Property};

use crate::mutants::Mutant;

pub(crate) const ACKNOWLEDGED: &str = "2: what is acknowledged is committed";
pub(crate) const MARKED: &str = "3: a mark speaks of a commit, and nothing else skips the ledger";
pub(crate) const ONCE: &str = "4: one grant and one revoke at most";
pub(crate) const TOMBSTONE: &str = "5: a canceled order holds nothing";
pub(crate) const FORGOTTEN: &str = "7: what was accepted is booked or still on the broker";
pub(crate) const SHOWN: &str = "8: the client is shown the stream, ascending and without gaps";

pub(crate) const PROMISES: [&str; 6] = [ACKNOWLEDGED, MARKED, ONCE, TOMBSTONE, FORGOTTEN, SHOWN];

/// That the promises were put to the test: each of these can happen.
pub(crate) const REACHED: [&str; 4] = [
    "everything is acknowledged, and the client was shown it",
    "Redis spares the ledger a repeat",
    "the cancellation comes first",
    "two workers book the same notice",
];

/// One of the order's two notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Notice {
    Paid,
    Canceled,
}

const NOTICES: [Notice; 2] = [Notice::Paid, Notice::Canceled];

/// Where one copy of a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    Queued,
    Held(usize),
    Acknowledged,
}

/// What a worker does next, under the name of the effect in `worker::batch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Claim,
    Book,
    Hint,
    Mark,
    Acknowledge,
}

/// The order in which `worker::batch` asks for its effects.
pub(crate) const WAY: [Step; 5] = [
    Step::Claim,
    Step::Book,
    Step::Hint,
    Step::Mark,
    Step::Acknowledge,
];

/// What stands in Redis for a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Key {
    Nothing,
    Claim(usize),
    Mark,
}

/// A worker and the batch it is at.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Worker {
    /// How many steps of its way are done.
    done: usize,
    /// What it books, by notice.
    books: [bool; 2],
    /// The rows its commit has appended, one bit an offset.
    appended: u8,
}

/// What is committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Ledger {
    /// The unique keys of notices.
    seen: [bool; 2],
    facts: Facts,
    grants: u8,
    revokes: u8,
    stream: Vec<Status>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    copies: [(Notice, Place); 3],
    workers: [Worker; 2],
    redis: [Key; 2],
    ledger: Ledger,
    /// Sent to the publisher, one bit an offset.
    hints: u8,
    /// What the client was shown.
    shown: Vec<Status>,
    /// Redis has spared the ledger a repeat.
    spared: bool,
}

/// What can happen next. A retry queue is no action of its own: to the line it is a crash
/// after which the copy comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The broker hands a copy to a worker.
    Deliver { copy: usize, worker: usize },
    /// A worker does its next step.
    Do(Step, usize),
    /// It does it, and nothing tells it so: it claims without knowing, or books again.
    Unanswered(Step, usize),
    /// It goes on without having done it: Redis is away.
    Skip(Step, usize),
    /// Its process dies, or its connection: what it holds is delivered again.
    Crash(usize),
    /// A lease is over, a mark has expired, or Redis has lost everything, one key after the
    /// other.
    Expire(Notice),
    /// A hint arrives: the first time, or again. One that is lost is one that never does.
    Hear(u8),
    /// The publisher compares positions with the ledger.
    Compare,
}

/// The line, or one with a rule less.
pub(crate) struct Line {
    pub(crate) mutant: Option<Mutant>,
}

impl Model for Line {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let accepted = |repeated| {
            let copies = [Notice::Paid, Notice::Canceled, repeated];
            let mut copies = copies.map(|notice| (notice, Place::Queued));
            copies.sort_unstable();
            State {
                copies,
                workers: [Worker::default(), Worker::default()],
                redis: [Key::Nothing; 2],
                ledger: Ledger::default(),
                hints: 0,
                shown: Vec::new(),
                spared: false,
            }
        };
        NOTICES.map(accepted).to_vec()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for worker in 0..state.workers.len() {
            self.offer_steps(state, worker, actions);
        }
        let stands = |notice: &Notice| state.redis[*notice as usize] != Key::Nothing;
        actions.extend(NOTICES.into_iter().filter(stands).map(Action::Expire));
        let sent = (0..8).filter(|offset| state.hints & (1 << offset) != 0);
        actions.extend(sent.map(Action::Hear));
        if state.shown.len() < state.ledger.stream.len() {
            actions.push(Action::Compare);
        }
    }

    fn next_state(&self, before: &State, action: Action) -> Option<State> {
        let mut state = before.clone();
        match action {
            Action::Deliver { copy, worker } => {
                let (notice, place) = &mut state.copies[copy];
                *place = Place::Held(worker);
                state.workers[worker].books[*notice as usize] = true;
            }
            Action::Do(step, worker) => {
                self.carry_out(&mut state, step, worker);
                state.go_on(worker);
            }
            Action::Unanswered(Step::Claim, worker) => {
                for (notice, books) in NOTICES.into_iter().zip(state.workers[worker].books) {
                    let key = &mut state.redis[notice as usize];
                    if books && *key == Key::Nothing {
                        *key = Key::Claim(worker);
                    }
                }
                state.go_on(worker);
            }
            Action::Unanswered(step, worker) => {
                self.carry_out(&mut state, step, worker);
                // A repeat appends nothing, so the rows of this commit are never hinted.
                state.workers[worker].appended = 0;
            }
            Action::Skip(_, worker) => state.go_on(worker),
            Action::Crash(worker) => {
                state.bring(worker, Place::Queued);
                state.workers[worker] = Worker::default();
            }
            Action::Expire(notice) => state.redis[notice as usize] = Key::Nothing,
            Action::Hear(offset) => self.hear(&mut state, offset),
            Action::Compare => state.shown.clone_from(&state.ledger.stream),
        }
        let state = state.without_names();
        (state != *before).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = promises();
        properties.extend(reached());
        properties
    }

    /// A mutant's ledger or client may grow for ever; what is wrong by then stays wrong.
    fn within_boundary(&self, state: &State) -> bool {
        state.ledger.grants <= 2 && state.ledger.revokes <= 2 && state.shown.len() <= 3
    }
}

impl Line {
    fn lacks(&self, rule: Mutant) -> bool {
        self.mutant == Some(rule)
    }

    fn way(&self) -> [Step; 5] {
        self.mutant.and_then(Mutant::way).unwrap_or(WAY)
    }

    fn offer_steps(&self, state: &State, worker: usize, actions: &mut Vec<Action>) {
        let Worker { done, books, .. } = &state.workers[worker];
        if *done == 0 {
            let copies = state.copies.iter().enumerate();
            let queued = copies.filter(|(_, (_, place))| *place == Place::Queued);
            actions.extend(queued.map(|(copy, _)| Action::Deliver { copy, worker }));
        }
        if !books.contains(&true) {
            return;
        }
        let step = self.way()[*done];
        actions.push(Action::Do(step, worker));
        match step {
            Step::Claim | Step::Book => actions.push(Action::Unanswered(step, worker)),
            Step::Mark => actions.push(Action::Skip(step, worker)),
            Step::Hint | Step::Acknowledge => {}
        }
        if step == Step::Claim {
            actions.push(Action::Skip(step, worker));
        }
        actions.push(Action::Crash(worker));
    }

    fn carry_out(&self, state: &mut State, step: Step, worker: usize) {
        match step {
            Step::Claim => self.claim(state, worker),
            Step::Book => {
                for (notice, books) in NOTICES.into_iter().zip(state.workers[worker].books) {
                    if books {
                        state.workers[worker].appended |= self.book(&mut state.ledger, notice);
                    }
                }
            }
            Step::Hint => state.hints |= std::mem::take(&mut state.workers[worker].appended),
            Step::Mark => {
                for (key, books) in state.redis.iter_mut().zip(state.workers[worker].books) {
                    if books {
                        *key = Key::Mark;
                    }
                }
            }
            Step::Acknowledge => state.bring(worker, Place::Acknowledged),
        }
    }

    /// Claims what is free and leaves out what is marked. What another worker claims is booked
    /// all the same, for that one may be dead.
    fn claim(&self, state: &mut State, worker: usize) {
        for notice in NOTICES {
            if !state.workers[worker].books[notice as usize] {
                continue;
            }
            let left_at = match state.redis[notice as usize] {
                Key::Nothing => {
                    state.redis[notice as usize] = Key::Claim(worker);
                    continue;
                }
                Key::Mark => {
                    state.spared = true;
                    Place::Acknowledged
                }
                Key::Claim(holder) if holder == worker => continue,
                Key::Claim(_) if self.lacks(Mutant::BusyMeansAcknowledge) => Place::Acknowledged,
                Key::Claim(_) if self.lacks(Mutant::RedisAsTruth) => Place::Queued,
                Key::Claim(_) => continue,
            };
            state.workers[worker].books[notice as usize] = false;
            for (_, place) in state.copies.iter_mut().filter(|copy| copy.0 == notice) {
                if *place == Place::Held(worker) {
                    *place = left_at;
                }
            }
        }
    }

    /// One notice, in a transaction. Gives the rows it appends, one bit an offset.
    fn book(&self, ledger: &mut Ledger, notice: Notice) -> u8 {
        let is_keyed = !self.lacks(Mutant::RedisAsTruth);
        if is_keyed && std::mem::replace(&mut ledger.seen[notice as usize], true) {
            return 0;
        }
        ledger.seen[notice as usize] = true;
        match notice {
            Notice::Paid => {
                ledger.facts.paid = true;
                if !ledger.facts.canceled {
                    ledger.grants += 1;
                }
            }
            Notice::Canceled if ledger.grants == 0 => {
                ledger.facts.canceled = !self.lacks(Mutant::NoTombstone);
            }
            Notice::Canceled => {
                ledger.facts.canceled = true;
                ledger.revokes += 1;
            }
        }
        let is_held = ledger.grants > ledger.revokes;
        let delivery = if is_held {
            Delivery::Held
        } else {
            Delivery::Nothing
        };
        let status = Status::of(ledger.facts, delivery);
        let before = ledger.stream.len();
        let steps = status.steps_from(ledger.stream.last().copied());
        ledger.stream.extend(steps);
        (before..ledger.stream.len()).fold(0, |rows, offset| rows | 1 << offset)
    }

    /// The publisher pushes the row that comes next, and reads the ledger where one is
    /// missing.
    fn hear(&self, state: &mut State, offset: u8) {
        let offset = usize::from(offset);
        let (stream, shown) = (&state.ledger.stream, &mut state.shown);
        if self.lacks(Mutant::PushWithoutLedger) || offset == shown.len() {
            shown.push(stream[offset]);
        } else if offset > shown.len() {
            shown.clone_from(stream);
        }
    }
}

impl State {
    /// Nobody tells copies of a notice apart, nor one worker from the other: states that
    /// differ in their names alone are one.
    fn without_names(mut self) -> Self {
        self.copies.sort_unstable();
        let mut other = self.clone();
        other.workers.reverse();
        for (_, place) in &mut other.copies {
            if let Place::Held(worker) = place {
                *worker = 1 - *worker;
            }
        }
        for key in &mut other.redis {
            if let Key::Claim(worker) = key {
                *worker = 1 - *worker;
            }
        }
        other.copies.sort_unstable();
        let rank = |state: &Self| (state.workers.clone(), state.copies, state.redis);
        if rank(&other) < rank(&self) {
            other
        } else {
            self
        }
    }

    /// On to the next step; after the last one, or with nothing left to book, to the next
    /// batch.
    fn go_on(&mut self, worker: usize) {
        let Worker { done, books, .. } = &mut self.workers[worker];
        *done += 1;
        if *done == WAY.len() || !books.contains(&true) {
            self.workers[worker] = Worker::default();
        }
    }

    /// What a worker holds comes to its end, or goes back to the queue.
    fn bring(&mut self, worker: usize, to: Place) {
        for (_, place) in &mut self.copies {
            if *place == Place::Held(worker) {
                *place = to;
            }
        }
    }

    fn is_booked(&self, notice: Notice) -> bool {
        self.ledger.seen[notice as usize]
    }

    fn is_acknowledged(&self, notice: Notice) -> bool {
        self.copies.contains(&(notice, Place::Acknowledged))
    }
}

fn promises() -> Vec<Property<Line>> {
    let always = Property::<Line>::always;
    vec![
        always(ACKNOWLEDGED, |_, state| {
            let mut notices = NOTICES.into_iter();
            notices.all(|notice| !state.is_acknowledged(notice) || state.is_booked(notice))
        }),
        always(MARKED, |_, state| {
            let marked = |notice: &Notice| state.redis[*notice as usize] == Key::Mark;
            NOTICES
                .into_iter()
                .filter(marked)
                .all(|notice| state.is_booked(notice))
        }),
        always(ONCE, |_, state| {
            state.ledger.grants <= 1 && state.ledger.revokes <= 1
        }),
        always(TOMBSTONE, |_, state| {
            !state.is_booked(Notice::Canceled) || state.ledger.grants == state.ledger.revokes
        }),
        always(FORGOTTEN, |_, state| {
            let is_gone = |notice: Notice| {
                let mut copies = state.copies.iter().filter(|copy| copy.0 == notice);
                copies.all(|(_, place)| *place == Place::Acknowledged)
            };
            let mut notices = NOTICES.into_iter();
            notices.all(|notice| state.is_booked(notice) || !is_gone(notice))
        }),
        always(SHOWN, |_, state| {
            let stream = &state.ledger.stream;
            stream.is_sorted_by(|one, next| one < next) && stream.starts_with(&state.shown)
        }),
    ]
}

fn reached() -> Vec<Property<Line>> {
    let [ended, spared, canceled_first, at_once] = REACHED;
    let sometimes = Property::<Line>::sometimes;
    vec![
        sometimes(ended, |_, state| {
            let mut copies = state.copies.iter();
            copies.all(|(_, place)| *place == Place::Acknowledged)
                && state.shown == [Status::Paid, Status::Done, Status::Canceled]
        }),
        sometimes(spared, |_, state| state.spared),
        sometimes(canceled_first, |_, state| {
            NOTICES.into_iter().all(|notice| state.is_booked(notice)) && state.ledger.grants == 0
        }),
        sometimes(at_once, |_, state| {
            let books = |worker: &Worker| WAY[worker.done] == Step::Book && worker.books[0];
            state.workers.iter().all(books)
        }),
    ]
}
