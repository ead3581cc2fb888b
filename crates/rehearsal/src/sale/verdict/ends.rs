//! Whether every notice came to an end, and to the right one.

use std::collections::BTreeSet;

use crate::sale::findings::Unread;
use crate::sale::journal::{Kind, Notice, Post, Says};
use crate::sale::oracle::Arrival;

use super::evidence::{Case, Evidence};
use super::{Invariant, Judged, Violation};

/// The outcomes a notice may have.
const OUTCOMES: [&str; 3] = ["booked", "no_op", "parked"];

/// Of so many orders one task may be given up because of a fault, and nobody is at fault.
const ORDERS_PER_EXCUSE: usize = 50;
/// So many are excused in any case.
const EXCUSES: usize = 3;
/// The most orders named where there are too many.
const MAX_NAMED: usize = 5;

/// I1: every notice that was answered 2xx has ended as booked, as a no-op with its reason, or
/// parked with its reason, and is found by its order.
pub(super) fn nothing_is_lost(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations: Vec<Violation> = Vec::new();
    for unread in &evidence.findings.unread {
        examined += 1;
        violations.push(could_not_be_read(evidence, unread));
    }
    for case in &evidence.cases {
        let is_accepted = |(_, arrival): &(Notice, Arrival)| *arrival == Arrival::Surely;
        examined += case.notices().filter(is_accepted).count();
        let lost = case.lost();
        if !lost.is_empty() && !is_unread(evidence, case) {
            let mut what = format!("accepted and lost: {}", lost.join(", "));
            let order = case.shopper.purchase.order;
            if evidence.findings.drain.waiting.contains(&order) {
                let waited = evidence.findings.drain.took.as_secs_f64();
                what = format!("{what}; waited for {waited:.1} s");
            }
            violations.push(evidence.of_order(Invariant::I1, case, what));
        }
        let unclear = case.ended().find(|ended| {
            let is_known = OUTCOMES.contains(&ended.outcome.as_str());
            !is_known || (ended.outcome != "booked" && ended.reason.is_none())
        });
        if let Some(ended) = unclear {
            let what = format!(
                "{} ended as `{}` without a reason",
                ended.kind, ended.outcome
            );
            violations.push(evidence.of_order(Invariant::I1, case, what));
        }
    }
    (examined, violations)
}

fn is_unread(evidence: &Evidence<'_>, case: &Case<'_>) -> bool {
    let order = Some(case.shopper.purchase.order);
    evidence
        .findings
        .unread
        .iter()
        .any(|unread| unread.order == order)
}

fn could_not_be_read(evidence: &Evidence<'_>, unread: &Unread) -> Violation {
    let what = format!("could not be read: {}", unread.what);
    let player = unread.player.as_deref().unwrap_or_default();
    evidence.of_player(Invariant::I1, player, unread.order, what)
}

/// I2: what was forged is refused, and nothing is there that no signed notice can have
/// brought.
pub(super) fn nothing_is_made_up(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations = Vec::new();
    for case in &evidence.cases {
        let forged = |post: &&&Post| case.notice(post).is_some_and(|it| it.kind == Kind::Forged);
        let forged: Vec<&&Post> = case.posts.iter().filter(forged).collect();
        examined += forged.len() + usize::from(case.found.is_some());
        if forged.iter().any(|post| post.answer.is_success()) {
            let what = "a forged notice was accepted";
            violations.push(evidence.of_order(Invariant::I2, case, what));
        }
        let made_up = made_up(case);
        if !made_up.is_empty() {
            let what = format!("nobody signed and sent: {}", made_up.join(", "));
            violations.push(evidence.of_order(Invariant::I2, case, what));
        }
    }
    for (player, orders) in &evidence.findings.orders_of {
        let known = evidence.players.get(player.as_str());
        let known: BTreeSet<i64> = known
            .into_iter()
            .flat_map(|known| &known.cases)
            .filter_map(|place| evidence.cases.get(*place))
            .map(|case| case.shopper.purchase.order)
            .collect();
        examined += orders.len();
        for order in orders.iter().filter(|order| !known.contains(order)) {
            let what = "the player has an order that nobody sent";
            violations.push(evidence.of_player(Invariant::I2, player, Some(*order), what));
        }
    }
    (examined, violations)
}

/// What is known of an order that nothing sent can have told.
fn made_up(case: &Case<'_>) -> Vec<String> {
    let sent: Vec<Notice> = case
        .notices()
        .filter(|(_, arrival)| *arrival > Arrival::Never)
        .map(|(notice, _)| notice)
        .collect();
    let says = |fits: fn(Says) -> bool| sent.iter().any(|notice| fits(notice.says));
    let mut made_up: Vec<String> = case
        .ended()
        .filter(|ended| !sent.iter().any(|notice| notice.says.kind() == ended.kind))
        .map(|ended| format!("the notice {}", ended.kind))
        .collect();
    let Some(found) = case.found else {
        return made_up;
    };
    let paid = says(|says| matches!(says, Says::OrderPaid { .. }));
    let payment = says(|says| {
        matches!(
            says,
            Says::Payment { .. } | Says::OrderPaid { combined: true }
        )
    });
    let canceled = says(|says| matches!(says, Says::OrderCanceled { .. }));
    let refunded =
        says(|says| matches!(says, Says::Refund | Says::OrderCanceled { combined: true }));
    let facts = [
        (found.facts.paid, paid, "paid"),
        (found.facts.payment, payment, "payment"),
        (found.facts.canceled, canceled, "canceled"),
        (found.facts.refunded, refunded, "refunded"),
    ];
    for (is_seen, may_be, name) in facts {
        if is_seen && !may_be {
            made_up.push(format!("the fact `{name}`"));
        }
    }
    for (direction, may_be) in [("grant", paid), ("revoke", canceled)] {
        if !may_be && found.booked(direction).next().is_some() {
            made_up.push(format!("a {direction}"));
        }
    }
    made_up
}

/// I8: an order of which some notice was not answered 2xx ends as if that notice had come, or
/// as if it had not.
pub(super) fn doubtful_notices_count_once_at_most(evidence: &Evidence<'_>) -> Judged {
    let doubtful = evidence.cases.iter().filter(|case| case.is_doubtful());
    let doubtful: Vec<&Case<'_>> = doubtful.collect();
    let violations = doubtful.iter().filter_map(|case| {
        let what = case.surprise()?;
        Some(evidence.of_order(Invariant::I8, case, what))
    });
    (doubtful.len(), violations.collect())
}

/// I14: what waits for a person has a reason and is in the list of what waits; what a worker
/// can process does not wait.
pub(super) fn only_what_must_waits_for_a_person(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations = Vec::new();
    for case in &evidence.cases {
        let may_park = case.expected().iter().any(|outcome| outcome.parked);
        for ended in case.ended().filter(|ended| ended.outcome == "parked") {
            examined += 1;
            let parked = evidence.findings.parked.get(&case.shopper.purchase.order);
            let listed = parked.into_iter().flatten();
            let mut listed = listed.filter(|parked| parked.kind == ended.kind);
            let reason = ended.reason.as_deref().unwrap_or("no reason");
            let kind = &ended.kind;
            let what = match listed.next() {
                _ if !may_park && !case.is_given_up(ended) => {
                    format!("{kind} waits for a person ({reason}) and could have been processed")
                }
                None => format!("{kind} is parked and not among the parked entries"),
                Some(parked) if parked.reason.is_empty() => {
                    format!("{kind} is parked and nobody knows why")
                }
                Some(_) => continue,
            };
            violations.push(evidence.of_order(Invariant::I14, case, what));
        }
    }
    violations.extend(too_much_is_given_up(evidence));
    (examined, violations)
}

/// A fault explains that some task came back too often, not that all of them did.
fn too_much_is_given_up(evidence: &Evidence<'_>) -> Vec<Violation> {
    let (given_up, orders) = (evidence.given_up(), evidence.cases.len());
    let excused = EXCUSES.max(orders / ORDERS_PER_EXCUSE);
    if given_up <= excused {
        return Vec::new();
    }
    let cases = evidence.cases.iter();
    let cases = cases.filter(|case| case.given_up().next().is_some());
    let what = format!(
        "the broker gave up on {given_up} tasks of {orders} orders; faults excuse {excused}"
    );
    let named = cases.take(MAX_NAMED);
    named
        .map(|case| evidence.of_order(Invariant::I14, case, what.as_str()))
        .collect()
}
