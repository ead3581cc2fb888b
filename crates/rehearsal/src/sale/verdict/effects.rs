//! Whether what was granted and taken back is what it should be.

use std::collections::{BTreeMap, BTreeSet};

use order::Status;

use crate::sale::findings::{Booking, Found, Held};
use crate::sale::journal::{Answer, Kind, Notice, Post, Row, Says, Seen};
use crate::sale::oracle::Arrival;

use super::evidence::{Case, Evidence};
use super::story::{held_words, line_words};
use super::{Invariant, Judged};

impl Case<'_> {
    /// How the order ended, where that is none of the ends it may have.
    pub(super) fn surprise(&self) -> Option<String> {
        let (found, expected) = (self.outcome(), self.expected());
        if expected.contains(&found) {
            return self.wrong_items();
        }
        let words = |status: Option<Status>| status.map_or("unknown", Status::as_str);
        let one = |outcome: &crate::sale::oracle::Outcome| {
            let mut one = format!(
                "{} with {} granted, {} taken back",
                words(outcome.status),
                outcome.grants,
                outcome.revokes
            );
            if outcome.conflict {
                one.push_str(", a conflict");
            }
            if outcome.parked {
                one.push_str(", parked");
            }
            one
        };
        let expected: Vec<String> = expected.iter().map(one).collect();
        Some(format!(
            "ended as {}; expected: {}",
            one(&found),
            expected.join("; or ")
        ))
    }

    /// What was granted or taken back, where it is not what was bought.
    fn wrong_items(&self) -> Option<String> {
        let found = self.found?;
        let grant = self.grant()?;
        let mut bought = self.shopper.lines.clone();
        bought.sort();
        let mut granted = grant.lines.clone();
        granted.sort();
        // Which of two notices that disagree came first only the instance knows.
        if granted != bought && !self.may_have_been_otherwise() {
            return Some(format!(
                "granted {} instead of {}",
                lines_words(&granted),
                lines_words(&bought)
            ));
        }
        if grant.player != self.shopper.purchase.player {
            return Some(format!("granted to {}", grant.player));
        }
        let unlike = |booking: &&Booking| {
            let mut lines = booking.lines.clone();
            lines.sort();
            lines != granted || booking.player != grant.player
        };
        if let Some(revoke) = found.booked("revoke").find(unlike) {
            let taken = lines_words(&revoke.lines);
            return Some(format!(
                "took back {taken} of {} instead of what was granted",
                revoke.player
            ));
        }
        let unfinished = |booking: &&Booking| {
            let end = if booking.direction == "grant" {
                "held"
            } else {
                "returned"
            };
            let is_undone = booking.direction == "grant" && found.booked("revoke").next().is_some();
            booking.state != end && !is_undone
        };
        let unfinished = found.bookings.iter().find(unfinished)?;
        Some(format!(
            "the {} is still {}",
            unfinished.direction, unfinished.state
        ))
    }

    fn conflicting_payments(&self, least: Arrival) -> bool {
        let other = |(notice, arrival): (Notice, Arrival)| {
            let is_paid = matches!(notice.says, Says::OrderPaid { .. });
            is_paid && notice.kind == Kind::Conflicting && arrival >= least
        };
        self.notices().any(other)
    }

    fn may_have_been_otherwise(&self) -> bool {
        self.conflicting_payments(Arrival::Maybe)
    }
}

fn lines_words(lines: &[(String, i64)]) -> String {
    let lines: Vec<String> = lines.iter().map(line_words).collect();
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    lines.join(", ")
}

/// I3: one effect per order and direction, and one end per notice.
pub(super) fn nothing_is_doubled(evidence: &Evidence<'_>) -> Judged {
    let known = evidence
        .cases
        .iter()
        .filter_map(|case| Some((case, case.found?)));
    let mut examined = 0;
    let mut violations = Vec::new();
    for (case, found) in known {
        examined += 1;
        if let Some(what) = doubled(case, found) {
            violations.push(evidence.of_order(Invariant::I3, case, what));
        }
    }
    (examined, violations)
}

fn doubled(case: &Case<'_>, found: &Found) -> Option<String> {
    for (direction, done) in [("grant", "granted"), ("revoke", "taken back")] {
        let times = found.booked(direction).count();
        if times > 1 {
            return Some(format!("{done} {times} times"));
        }
    }
    for booking in &found.bookings {
        let skus: BTreeSet<&str> = booking.lines.iter().map(|(sku, _)| sku.as_str()).collect();
        if skus.len() < booking.lines.len() {
            return Some(format!("a {} lists an item twice", booking.direction));
        }
    }
    let mut keys = BTreeSet::new();
    let twice = case
        .ended()
        .find(|ended| !keys.insert((&ended.kind, &ended.reference)));
    twice.map(|ended| format!("{} {} ended twice", ended.kind, ended.reference))
}

/// I4: each order all of whose notices are certain ends where the oracle says, and each
/// inventory is the sum of what its orders granted and took back.
pub(super) fn orders_and_inventories_are_right(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations = Vec::new();
    for case in evidence.cases.iter().filter(|case| !case.is_doubtful()) {
        examined += 1;
        if let Some(what) = case.surprise() {
            violations.push(evidence.of_order(Invariant::I4, case, what));
        }
    }
    for (player, of) in &evidence.players {
        let Some(held) = evidence.findings.holdings.get(*player) else {
            continue;
        };
        examined += 1;
        let cases = of
            .cases
            .iter()
            .filter_map(|place| evidence.cases.get(*place));
        let mut owed = Held::new();
        for found in cases.filter_map(|case| case.found) {
            for (sku, quantity) in found.net() {
                *owed.entry(sku).or_default() += quantity;
            }
        }
        let without_zeros = |held: &Held| -> Held {
            let lines = held.iter().filter(|(_, quantity)| **quantity != 0);
            lines
                .map(|(sku, quantity)| (sku.clone(), *quantity))
                .collect()
        };
        let (held, owed) = (without_zeros(held), without_zeros(&owed));
        if held != owed {
            let what = format!(
                "holds {}; the orders make {}",
                held_words(&held),
                held_words(&owed)
            );
            violations.push(evidence.of_player(Invariant::I4, player, None, what));
        }
    }
    (examined, violations)
}

/// I5: a canceled order is worth nothing, is told as canceled, and is never told as anything
/// else again.
pub(super) fn canceled_leaves_nothing(evidence: &Evidence<'_>) -> Judged {
    let after = told_after_canceled(evidence);
    let mut examined = 0;
    let mut violations = Vec::new();
    for case in &evidence.cases {
        let order = case.shopper.purchase.order;
        let found = case.found.filter(|found| found.facts.canceled);
        examined += usize::from(found.is_some());
        if let Some(found) = found {
            let net = found.net();
            let what = if !net.is_empty() {
                format!("canceled, and the player keeps {}", held_words(&net))
            } else if found.status == Status::Canceled {
                String::new()
            } else {
                format!("canceled, and told as {}", found.status.as_str())
            };
            if !what.is_empty() {
                violations.push(evidence.of_order(Invariant::I5, case, what));
            }
        }
        if let Some(row) = after.get(&order) {
            let what = format!("told as {} after it was canceled", row.status.as_str());
            violations.push(evidence.of_order(Invariant::I5, case, what));
        }
    }
    (examined, violations)
}

/// Rows that stand behind a cancellation of their order, in what any client was told.
fn told_after_canceled(evidence: &Evidence<'_>) -> BTreeMap<i64, Row> {
    let mut after = BTreeMap::new();
    let mut look = |rows: &[Row]| {
        let mut canceled = BTreeSet::new();
        for row in rows {
            if row.status == Status::Canceled {
                canceled.insert(row.order);
            } else if canceled.contains(&row.order) {
                after.insert(row.order, *row);
            }
        }
    };
    for sight in &evidence.journal.sights {
        if let Seen::History { rows, .. } = &sight.seen {
            look(rows);
        }
    }
    for stream in evidence.findings.streams.values() {
        look(&stream.rows);
    }
    after
}

/// I6: a copy of what was accepted is accepted as well, unless the instance says that it
/// cannot take anything now; and no copy is taken for another notice.
pub(super) fn copies_change_nothing(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations = Vec::new();
    for case in &evidence.cases {
        // However it is written, and whichever of two that disagree.
        let says = |post: &Post| {
            let notice = case.notice(post).filter(|notice| notice.counts());
            notice.map(|notice| notice.says)
        };
        let mut accepted_at = BTreeMap::new();
        for post in case.posts.iter().filter(|post| post.answer.is_success()) {
            accepted_at.entry(says(post)).or_insert(post.ended);
        }
        let is_copy = |post: &&&Post| {
            let accepted = accepted_at.get(&says(post));
            says(post).is_some() && accepted.is_some_and(|at| post.sent >= *at)
        };
        let copies: Vec<&&Post> = case.posts.iter().filter(is_copy).collect();
        examined += copies.len();
        let refused = copies.iter().find(|post| post.answer.is_refusal());
        if let Some(post) = refused {
            let what = format!(
                "a copy of what was accepted was answered {}",
                post.answer.words()
            );
            violations.push(evidence.of_order(Invariant::I6, case, what));
        }
        let disagrees = |notice: &Notice| notice.kind == Kind::Conflicting;
        let conflicts = case.found.map_or(&[][..], |found| &found.conflicts);
        if !conflicts.is_empty() && !case.shopper.notices.iter().any(disagrees) {
            let what = format!(
                "a conflict ({}) where all said the same",
                conflicts.join(", ")
            );
            violations.push(evidence.of_order(Invariant::I6, case, what));
        }
    }
    (examined, violations)
}

/// I7: of two notices of one name and other items the first one counts, and that they
/// disagreed is written down.
pub(super) fn the_first_of_two_counts(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations = Vec::new();
    for case in &evidence.cases {
        let is_paid = |notice: Notice| matches!(notice.says, Says::OrderPaid { .. });
        let surely = |kinds: &[Kind]| {
            case.notices().any(|(notice, arrival)| {
                is_paid(notice) && kinds.contains(&notice.kind) && arrival == Arrival::Surely
            })
        };
        if !surely(&[Kind::Conflicting]) || !surely(&[Kind::Genuine, Kind::Odd]) {
            continue;
        }
        let Some(found) = case.found else {
            continue;
        };
        examined += 1;
        let mut bought = case.shopper.lines.clone();
        bought.sort();
        let other = found.booked("grant").find(|grant| {
            let mut lines = grant.lines.clone();
            lines.sort();
            lines != bought
        });
        let other = other.filter(|_| was_done_before_the_other(evidence, case));
        if let Some(grant) = other {
            let what = format!(
                "the first notice had been granted, and {} of the second count",
                lines_words(&grant.lines)
            );
            violations.push(evidence.of_order(Invariant::I7, case, what));
        } else if found.conflicts.is_empty() {
            let what = "two notices of one name with other items, and no conflict written down";
            violations.push(evidence.of_order(Invariant::I7, case, what));
        }
    }
    (examined, violations)
}

/// Whether the player was told that the order is done before the notice with other items
/// left.
fn was_done_before_the_other(evidence: &Evidence<'_>, case: &Case<'_>) -> bool {
    let order = case.shopper.purchase.order;
    let is_other = |post: &&&Post| {
        let notice = case.notice(post);
        notice.is_some_and(|notice| notice.kind == Kind::Conflicting)
            && post.answer != Answer::Unsent
    };
    let others = case.posts.iter().filter(is_other);
    let Some(left) = others.map(|post| post.sent).min() else {
        return false;
    };
    let of = evidence.players.get(case.shopper.purchase.player.as_str());
    let sights = of.map_or(&[][..], |of| &of.sights);
    let is_done = |of: i64, status: Status| of == order && status == Status::Done;
    sights.iter().any(|sight| {
        let told = match &sight.seen {
            Seen::Pushed(row) => is_done(row.order, row.status),
            Seen::History { rows, .. } => rows.iter().any(|row| is_done(row.order, row.status)),
            Seen::Polled { order, status } => is_done(*order, *status),
            Seen::Subscribed { .. } | Seen::Closed { .. } => false,
        };
        told && sight.at < left
    })
}
