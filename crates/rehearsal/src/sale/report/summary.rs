//! The numbers of a rehearsal.

use std::collections::BTreeMap;
use std::time::Duration;

use order::Status;

use crate::sale::findings::{Ended, Findings};
use crate::sale::journal::{Answer, Follows, Journal, Kind, Notice, Post, Row, Says, Seen};

/// What was played, answered, seen and found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Draws the same shoppers again.
    pub seed: u64,
    /// From the beginning to the last thing that happened.
    pub lasted: Duration,
    /// Shoppers, each with one order.
    pub orders: usize,
    /// Players who had them.
    pub players: usize,
    /// Orders that were registered over the api first.
    pub registered: usize,
    /// Test purchases.
    pub sandbox: usize,
    /// Orders followed over a WebSocket.
    pub sockets: usize,
    /// Orders followed by polling.
    pub polling: usize,
    /// Requests that left.
    pub requests: usize,
    /// Those of them that repeated a notice.
    pub repeats: usize,
    /// By type of notice, in words.
    pub answers: BTreeMap<String, Answers>,
    /// Until a notice that changes something was answered 2xx, from when it was due.
    pub acknowledged: Quantiles,
    /// Until a question was answered 2xx.
    pub questions: Quantiles,
    /// From when the accepted `order_paid` was sent until a client on a WebSocket was told
    /// `done`.
    pub pushed_done: Quantiles,
    /// The same for a client that polls.
    pub polled_done: Quantiles,
    /// Orders granted.
    pub granted: usize,
    /// Orders taken back.
    pub revoked: usize,
    /// Notices that were recorded and moved nothing.
    pub no_op: usize,
    /// Notices that wait for a person.
    pub parked: usize,
    /// Disagreements that were written down.
    pub conflicts: usize,
    /// What was broken on purpose.
    pub faults: usize,
    /// Until everything accepted was found to have ended.
    pub drain: Duration,
    /// Orders that were still waited for when we gave up.
    pub undrained: usize,
}

/// How the requests of one type were answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    /// By status code.
    pub codes: BTreeMap<u16, usize>,
    /// No connection was made.
    pub unsent: usize,
    /// No answer came.
    pub unknown: usize,
}

/// Of how many values, and where they lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quantiles {
    /// How many there are. Without any, the rest is zero.
    pub count: usize,
    /// Half of them are not above it.
    pub p50: Duration,
    /// 90 of 100 are not above it.
    pub p90: Duration,
    /// 99 of 100 are not above it.
    pub p99: Duration,
    /// None is above it.
    pub max: Duration,
}

impl Quantiles {
    /// Sorts them.
    #[must_use]
    pub fn of(values: &mut [Duration]) -> Self {
        values.sort_unstable();
        Self {
            count: values.len(),
            p50: quantile(values, 50),
            p90: quantile(values, 90),
            p99: quantile(values, 99),
            max: values.last().copied().unwrap_or_default(),
        }
    }
}

/// Of ascending values, the one that so many of a hundred do not exceed.
pub(super) fn quantile(ascending: &[Duration], percent: usize) -> Duration {
    let place = (ascending.len() * percent).div_ceil(100).saturating_sub(1);
    ascending.get(place).copied().unwrap_or_default()
}

impl Answers {
    fn count(&mut self, answer: Answer) {
        match answer {
            Answer::Code(code) => *self.codes.entry(code).or_default() += 1,
            Answer::Unsent => self.unsent += 1,
            Answer::Unknown => self.unknown += 1,
        }
    }

    /// How many codes are in this hundred: 2 for 2xx.
    #[must_use]
    pub fn hundred(&self, hundred: u16) -> usize {
        let of_it = self
            .codes
            .iter()
            .filter(|(code, _)| **code / 100 == hundred);
        of_it.map(|(_, count)| count).sum()
    }
}

impl Summary {
    pub(super) fn of(journal: &Journal, findings: &Findings) -> Self {
        let follows = |how| {
            journal
                .shoppers
                .iter()
                .filter(move |it| it.follows == how)
                .count()
        };
        let players: std::collections::BTreeSet<&str> = journal
            .shoppers
            .iter()
            .map(|it| it.purchase.player.as_str())
            .collect();
        let booked = |direction: &'static str| {
            let found = findings.orders.values();
            found
                .filter(|found| found.booked(direction).next().is_some())
                .count()
        };
        let ended = |outcome: &'static str| {
            let ended = findings.orders.values().flat_map(|found| &found.notices);
            let ended = ended.chain(findings.payments.values().flatten());
            ended
                .filter(|ended: &&Ended| ended.outcome == outcome)
                .count()
        };
        let found = findings.orders.values();
        let mut waits: Vec<Duration> = acknowledgements(journal)
            .into_iter()
            .map(|(_, waited)| waited)
            .collect();
        let [pushed_done, polled_done] =
            told_done(journal).map(|mut times| Quantiles::of(&mut times));
        Self {
            seed: journal.seed,
            lasted: end(journal),
            orders: journal.shoppers.len(),
            players: players.len(),
            registered: journal.shoppers.iter().filter(|it| it.registered).count(),
            sandbox: journal.shoppers.iter().filter(|it| it.sandbox).count(),
            sockets: follows(Follows::Socket),
            polling: follows(Follows::Polling),
            requests: journal.posts.len(),
            repeats: repeats(journal),
            answers: answers(journal),
            acknowledged: Quantiles::of(&mut waits),
            questions: questions(journal),
            pushed_done,
            polled_done,
            granted: booked("grant"),
            revoked: booked("revoke"),
            no_op: ended("no_op"),
            parked: ended("parked"),
            conflicts: found.map(|found| found.conflicts.len()).sum(),
            faults: journal.faults.len(),
            drain: findings.drain.took,
            undrained: findings.drain.waiting.len(),
        }
    }
}

/// The last moment of which the journal says anything.
pub(super) fn end(journal: &Journal) -> Duration {
    let posts = journal.posts.iter().map(|post| post.ended);
    let sights = journal.sights.iter().map(|sight| sight.at);
    let gauges = journal.gauges.iter().map(|gauge| gauge.at);
    let faults = journal
        .faults
        .iter()
        .map(|fault| fault.to.unwrap_or(fault.from));
    let all = posts.chain(sights).chain(gauges).chain(faults);
    all.max().unwrap_or_default()
}

/// What a request carried.
pub(super) fn notice_of(journal: &Journal, post: &Post) -> Option<Notice> {
    let shopper = journal.shoppers.get(post.shopper as usize)?;
    shopper.notices.get(usize::from(post.notice)).copied()
}

/// Notices that change something and were answered 2xx: when each was due, and how long it
/// waited.
pub(super) fn acknowledgements(journal: &Journal) -> Vec<(Duration, Duration)> {
    let posts = journal.posts.iter().filter(|post| {
        let notice = notice_of(journal, post);
        post.answer.is_success() && notice.is_some_and(|notice| !notice.says.is_question())
    });
    posts
        .map(|post| (post.sent.min(post.due), post.waited()))
        .collect()
}

fn questions(journal: &Journal) -> Quantiles {
    let posts = journal.posts.iter().filter(|post| {
        let notice = notice_of(journal, post);
        post.answer.is_success() && notice.is_some_and(|notice| notice.says.is_question())
    });
    let mut times: Vec<Duration> = posts.map(Post::waited).collect();
    Quantiles::of(&mut times)
}

fn repeats(journal: &Journal) -> usize {
    let mut first = std::collections::BTreeSet::new();
    let posts = journal.posts.iter();
    posts
        .filter(|post| !first.insert((post.shopper, post.notice)))
        .count()
}

fn answers(journal: &Journal) -> BTreeMap<String, Answers> {
    let mut answers: BTreeMap<String, Answers> = BTreeMap::new();
    for post in &journal.posts {
        let Some(notice) = notice_of(journal, post) else {
            continue;
        };
        let mut name = notice.says.kind().to_owned();
        if notice.says == Says::UnknownPlayer {
            name.push_str(", unknown player");
        }
        if notice.kind == Kind::Forged {
            name.push_str(", forged");
        }
        answers.entry(name).or_default().count(post.answer);
    }
    answers
}

/// From the sending of what made it so until a client was told `done`: over a WebSocket, and
/// by polling.
pub(super) fn told_done(journal: &Journal) -> [Vec<Duration>; 2] {
    let mut sent: BTreeMap<i64, Duration> = BTreeMap::new();
    for post in journal.posts.iter().filter(|post| post.answer.is_success()) {
        let notice = notice_of(journal, post);
        let is_paid = notice.is_some_and(|notice| {
            matches!(notice.says, Says::OrderPaid { .. }) && notice.kind != Kind::Forged
        });
        if let Some(shopper) = journal
            .shoppers
            .get(post.shopper as usize)
            .filter(|_| is_paid)
        {
            let first = sent.entry(shopper.purchase.order).or_insert(post.sent);
            *first = (*first).min(post.sent);
        }
    }
    let follows = journal.shoppers.iter();
    let follows: BTreeMap<i64, Follows> =
        follows.map(|it| (it.purchase.order, it.follows)).collect();
    let mut pushed = BTreeMap::new();
    let mut polled = BTreeMap::new();
    for sight in &journal.sights {
        let done = |row: &Row| (row.status == Status::Done).then_some(row.order);
        let orders: Vec<i64> = match &sight.seen {
            Seen::Pushed(row) => done(row).into_iter().collect(),
            Seen::History { rows, .. } => rows.iter().filter_map(done).collect(),
            Seen::Polled {
                order,
                status: Status::Done,
            } => vec![*order],
            Seen::Polled { .. } | Seen::Subscribed { .. } | Seen::Closed { .. } => continue,
        };
        for order in orders {
            let times = match follows.get(&order) {
                Some(Follows::Socket) => &mut pushed,
                Some(Follows::Polling) => &mut polled,
                Some(Follows::Nothing) | None => continue,
            };
            if let Some(sent) = sent.get(&order) {
                let took = sight.at.saturating_sub(*sent);
                times.entry(order).or_insert(took);
            }
        }
    }
    [pushed, polled].map(|times| times.into_values().collect())
}
