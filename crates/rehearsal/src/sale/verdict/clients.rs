//! Whether what clients were told is one story, and their own.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use order::Status;

use crate::sale::journal::{Follows, Row, Seen, Sight};

use super::evidence::{Evidence, Player};
use super::stream::{Listener, missing_of, wrong_history};
use super::{Invariant, Judged, Violation};

/// A client that listens so long hears of everything: a hint that was lost is made up for
/// every half minute.
const HEARS_WITHIN: Duration = Duration::from_secs(40);

/// What is wrong, and with which order.
type Wrong = (Option<i64>, String);

/// I11: live pushes ascend without gaps, a history has everything that was pushed, a poll
/// shows no less than was told before, one place in a stream has one row, no order's status
/// ever goes down, and in the end all of them say what the instance says.
pub(super) fn one_story_is_told(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations: Vec<Violation> = Vec::new();
    for (player, of) in &evidence.players {
        let mut wrong = Vec::new();
        let mut told = Told::default();
        wrong.extend(listeners(evidence, of, &mut told));
        wrong.extend(told.twice.clone());
        wrong.extend(polls(of));
        wrong.extend(told.falling());
        wrong.extend(end(evidence, player, of, &told));
        wrong.extend(unheard(evidence, of));
        examined += of.sights.len() + usize::from(evidence.findings.streams.contains_key(*player));
        // One fault shows in several of these; a person needs it once for each order.
        let mut named = BTreeSet::new();
        wrong.retain(|(order, _)| named.insert(*order));
        let wrong = wrong.into_iter();
        violations.extend(
            wrong.map(|(order, what)| evidence.of_player(Invariant::I11, player, order, what)),
        );
    }
    (examined, violations)
}

/// Everything that any client of a player was told, by epoch and offset.
#[derive(Default)]
struct Told {
    rows: BTreeMap<String, BTreeMap<u64, Row>>,
    /// Places of which two different rows were told.
    twice: Vec<Wrong>,
}

impl Told {
    fn take(&mut self, epoch: &str, row: Row) {
        let rows = self.rows.entry(epoch.to_owned()).or_default();
        let first = *rows.entry(row.offset).or_insert(row);
        if first != row {
            let what = format!(
                "offset {} was told as order {} {} and as order {} {}",
                row.offset,
                first.order,
                first.status.as_str(),
                row.order,
                row.status.as_str()
            );
            self.twice.push((Some(row.order), what));
        }
    }

    /// Rows whose order stood as high or higher before.
    fn falling(&self) -> Vec<Wrong> {
        let mut falling = Vec::new();
        for rows in self.rows.values() {
            let mut highest: BTreeMap<i64, Status> = BTreeMap::new();
            for row in rows.values() {
                let before = highest.insert(row.order, row.status);
                if let Some(before) = before.filter(|before| rank(*before) >= rank(row.status)) {
                    let what = format!(
                        "went from {} to {} at offset {}",
                        before.as_str(),
                        row.status.as_str(),
                        row.offset
                    );
                    falling.push((Some(row.order), what));
                }
            }
        }
        falling
    }
}

/// The order of statuses, as the documents have it: new, paid, done, canceled.
const fn rank(status: Status) -> u8 {
    match status {
        Status::New => 0,
        Status::Paid => 1,
        Status::Done => 2,
        Status::Canceled => 3,
    }
}

fn listeners(evidence: &Evidence<'_>, of: &Player<'_>, told: &mut Told) -> Vec<Wrong> {
    let mut listeners: BTreeMap<u32, Listener> = BTreeMap::new();
    let mut wrong = Vec::new();
    for sight in &of.sights {
        let listener = listeners.entry(sight.client).or_default();
        let found = listener.hear(&sight.seen, evidence.limits.history_rows);
        wrong
            .extend(found.map(|(order, what)| (order, format!("client {}: {what}", sight.client))));
        match &sight.seen {
            Seen::Pushed(row) => told.take(listener.epoch().unwrap_or_default(), *row),
            Seen::History { epoch, rows, .. } => {
                for row in rows {
                    told.take(epoch, *row);
                }
            }
            Seen::Subscribed { .. } | Seen::Polled { .. } | Seen::Closed { .. } => {}
        }
    }
    wrong
}

/// A status and when it had been told to which client.
struct Known {
    client: u32,
    at: Duration,
    status: Status,
}

/// Polls that show less than had been told before they were asked.
///
/// A client asks after it was told what it was told before: what others had been told by then
/// bounds the answer as well.
fn polls(of: &Player<'_>) -> Vec<Wrong> {
    let mut known: BTreeMap<i64, Vec<Known>> = BTreeMap::new();
    let mut last: BTreeMap<u32, Duration> = BTreeMap::new();
    let mut wrong = Vec::new();
    for sight in &of.sights {
        let Sight {
            client, at, seen, ..
        } = *sight;
        let asked_after = last.insert(*client, *at);
        if let Seen::Polled { order, status } = seen {
            let before = known.get(order).map_or(&[][..], Vec::as_slice);
            let before = before.iter().filter(|known| {
                known.client == *client || asked_after.is_some_and(|after| known.at < after)
            });
            let higher = before.max_by_key(|known| rank(known.status));
            let higher = higher.filter(|known| rank(known.status) > rank(*status));
            if let Some(higher) = higher {
                let what = format!(
                    "client {client} polled {} after {} had been told",
                    status.as_str(),
                    higher.status.as_str()
                );
                wrong.push((Some(*order), what));
            }
        }
        for (order, status) in statuses(seen) {
            known.entry(order).or_default().push(Known {
                client: *client,
                at: *at,
                status,
            });
        }
    }
    wrong
}

fn statuses(seen: &Seen) -> Vec<(i64, Status)> {
    match seen {
        Seen::Pushed(row) => vec![(row.order, row.status)],
        Seen::History { rows, .. } => rows.iter().map(|row| (row.order, row.status)).collect(),
        Seen::Polled { order, status } => vec![(*order, *status)],
        Seen::Subscribed { .. } | Seen::Closed { .. } => Vec::new(),
    }
}

/// What the end of it says: history and polling against what was told, and against the api.
fn end(evidence: &Evidence<'_>, player: &str, of: &Player<'_>, told: &Told) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let stream = evidence.findings.streams.get(player);
    if let Some(stream) = stream {
        wrong.extend(wrong_history(
            stream.offset,
            &stream.rows,
            evidence.limits.history_rows,
        ));
        if let Some(told) = told.rows.get(&stream.epoch) {
            let told: Vec<Row> = told.values().copied().collect();
            wrong.extend(missing_of(&told, &stream.rows));
            let differs = |row: &&Row| {
                let at = stream
                    .rows
                    .binary_search_by_key(&row.offset, |row| row.offset);
                at.is_ok_and(|at| stream.rows.get(at) != Some(*row))
            };
            wrong.extend(told.iter().find(differs).map(|row| {
                let what = format!("offset {} was told as something else", row.offset);
                (Some(row.order), what)
            }));
        }
    }
    let highest = highest(of);
    for place in &of.cases {
        let Some(case) = evidence.cases.get(*place) else {
            continue;
        };
        let order = case.shopper.purchase.order;
        let stands = case.outcome().status;
        // What nobody is certain of may still have been applied between two readings.
        let agrees = |shown: Option<Status>| {
            let (shown, stands) = (shown.map(rank), stands.map(rank));
            shown == stands || (case.is_doubtful() && shown > stands)
        };
        let words = |status: Option<Status>| status.map_or("nothing", Status::as_str);
        if let Some(polled) = evidence.findings.polls.get(&order) {
            let told = highest.get(&order).copied();
            if !agrees(*polled) {
                let what = format!("polling says {}, the api {}", words(*polled), words(stands));
                wrong.push((Some(order), what));
            } else if told.map(rank) > polled.map(rank) {
                let what = format!(
                    "polling ends at {}, {} was told",
                    words(*polled),
                    words(told)
                );
                wrong.push((Some(order), what));
            }
        }
        let is_whole = |stream: &&crate::sale::findings::Stream| {
            stream.rows.first().is_none_or(|row| row.offset == 1)
        };
        if let Some(stream) = stream.filter(is_whole) {
            let last = stream.rows.iter().rev().find(|row| row.order == order);
            let last = last.map(|row| row.status);
            if !agrees(last) {
                let what = format!(
                    "history ends at {}, the api at {}",
                    words(last),
                    words(stands)
                );
                wrong.push((Some(order), what));
            }
        }
    }
    wrong
}

/// Orders that came to an end of which nobody heard who had listened for long: they were
/// followed, and everything about them was taken and worked off, so long before the clients
/// left.
fn unheard(evidence: &Evidence<'_>, of: &Player<'_>) -> Vec<Wrong> {
    let Some(worked_off) = evidence.worked_off(HEARS_WITHIN) else {
        return Vec::new();
    };
    let told = highest(of);
    let cases = of
        .cases
        .iter()
        .filter_map(|place| evidence.cases.get(*place));
    let followed = cases.filter(|case| {
        let is_early = case.posts.iter().all(|post| post.ended < worked_off);
        is_early && case.shopper.follows != Follows::Nothing && !case.is_doubtful()
    });
    followed
        .filter_map(|case| {
            let order = case.shopper.purchase.order;
            let end = case.found.map(|found| found.status);
            let end = end.filter(|end| matches!(end, Status::Done | Status::Canceled))?;
            let heard = told.get(&order).map(|told| rank(*told));
            let what = format!("it was {} and nobody heard it who listened", end.as_str());
            (heard < Some(rank(Status::Done))).then_some((Some(order), what))
        })
        .collect()
}

/// The highest status of each order that any client was told.
fn highest(of: &Player<'_>) -> BTreeMap<i64, Status> {
    let mut highest: BTreeMap<i64, Status> = BTreeMap::new();
    for (order, status) in of.sights.iter().flat_map(|sight| statuses(&sight.seen)) {
        let known = highest.entry(order).or_insert(status);
        if rank(status) > rank(*known) {
            *known = status;
        }
    }
    highest
}

/// I12: whatever a client is told is about an order of its own player.
pub(super) fn nobody_sees_what_is_not_theirs(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations = Vec::new();
    for (player, of) in &evidence.players {
        let cases = of
            .cases
            .iter()
            .filter_map(|place| evidence.cases.get(*place));
        let own: BTreeSet<i64> = cases.map(|case| case.shopper.purchase.order).collect();
        let mut told: Vec<i64> = of
            .sights
            .iter()
            .flat_map(|sight| statuses(&sight.seen))
            .map(|(order, _)| order)
            .collect();
        let stream = evidence.findings.streams.get(*player);
        told.extend(
            stream
                .into_iter()
                .flat_map(|stream| &stream.rows)
                .map(|row| row.order),
        );
        examined += told.len();
        let strange: BTreeSet<i64> = told
            .into_iter()
            .filter(|order| !own.contains(order))
            .collect();
        for order in strange {
            let what = format!("{player} was told of an order that is not theirs");
            let mut violation = evidence.of_player(Invariant::I12, player, None, what);
            violation.order = Some(order);
            violations.push(violation);
        }
    }
    for stranger in &evidence.findings.strangers {
        examined += 1;
        if let Some(status) = stranger.told {
            let (player, order) = (&stranger.player, stranger.order);
            let what = format!(
                "{player} asked for the order of another and heard {}",
                status.as_str()
            );
            violations.push(evidence.of_player(Invariant::I12, player, Some(order), what));
        }
    }
    (examined, violations)
}
