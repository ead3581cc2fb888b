//! The journal, sorted by order and by client, beside what was found of each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::sale::findings::{Booking, Ended, Findings, Found, Parked};
use crate::sale::journal::{
    Answer, Fault, Gauge, Journal, Kind, Notice, Post, Says, Shopper, Sight,
};
use crate::sale::oracle::{Arrival, Outcome, outcomes};

use super::story::bounded;
use super::{Invariant, Limits, Violation};

/// All there is to judge by.
pub(super) struct Evidence<'a> {
    pub(super) journal: &'a Journal,
    pub(super) findings: &'a Findings,
    pub(super) limits: &'a Limits,
    /// By order.
    pub(super) cases: Vec<Case<'a>>,
    /// By player.
    pub(super) players: BTreeMap<&'a str, Player<'a>>,
}

/// One order: what was sent of it, what should come of that, and what was found.
pub(super) struct Case<'a> {
    pub(super) shopper: &'a Shopper,
    /// In the order in which the answers came.
    pub(super) posts: Vec<&'a Post>,
    /// By place of the notice.
    pub(super) arrivals: Vec<Arrival>,
    pub(super) found: Option<&'a Found>,
    said: Said<'a>,
    faults: Faults<'a>,
}

/// What the instance says of one order.
#[derive(Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    pub(crate) found: Option<&'a Found>,
    /// Notices about its payment that the order does not list.
    pub(crate) payment: &'a [Ended],
    /// What of it waits, or waited, for a person.
    pub(crate) parked: &'a [Parked],
}

/// What was broken on purpose, and what that excuses.
#[derive(Clone, Copy)]
pub(super) struct Faults<'a> {
    pub(super) all: &'a [Fault],
    /// So long after it was over a fault still counts as being on.
    pub(super) recovery: Duration,
}

/// One player: the orders, and what each client was told.
#[derive(Default)]
pub(super) struct Player<'a> {
    /// Places in [`Evidence::cases`].
    pub(super) cases: Vec<usize>,
    pub(super) sights: Vec<&'a Sight>,
}

impl Says {
    /// Xsolla's word.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::KnownPlayer | Self::UnknownPlayer => "user_validation",
            Self::Payment { .. } => "payment",
            Self::OrderPaid { .. } => "order_paid",
            Self::Refund => "refund",
            Self::PartialRefund => "partial_refund",
            Self::Dispute => "dispute",
            Self::OrderCanceled { .. } => "order_canceled",
        }
    }

    /// Whether it only asks.
    pub(crate) const fn is_question(self) -> bool {
        matches!(self, Self::KnownPlayer | Self::UnknownPlayer)
    }
}

impl Notice {
    /// Whether it is well signed and changes something.
    pub(super) fn counts(self) -> bool {
        self.kind != Kind::Forged && !self.says.is_question()
    }
}

impl Answer {
    /// Whether Xsolla takes it for a success.
    pub(crate) const fn is_success(self) -> bool {
        matches!(self, Self::Code(200..=299))
    }

    /// Whether Xsolla would not repeat what was answered so.
    pub(super) const fn is_refusal(self) -> bool {
        matches!(self, Self::Code(400..=499))
    }
}

impl<'a> Evidence<'a> {
    pub(super) fn new(journal: &'a Journal, findings: &'a Findings, limits: &'a Limits) -> Self {
        let mut players: BTreeMap<&str, Player<'_>> = BTreeMap::new();
        let mut cases = Vec::with_capacity(journal.shoppers.len());
        let posts = posts_of(journal);
        for (place, (shopper, posts)) in journal.shoppers.iter().zip(posts).enumerate() {
            let player = players.entry(&shopper.purchase.player).or_default();
            player.cases.push(place);
            let order = &shopper.purchase.order;
            let said = Said {
                found: findings.orders.get(order),
                payment: findings.payments.get(order).map_or(&[], Vec::as_slice),
                parked: findings.parked.get(order).map_or(&[], Vec::as_slice),
            };
            let faults = Faults::new(journal, limits.recovery);
            cases.push(Case::new(shopper, posts, said, faults));
        }
        for sight in &journal.sights {
            players.entry(&sight.player).or_default().sights.push(sight);
        }
        Self {
            journal,
            findings,
            limits,
            cases,
            players,
        }
    }

    /// Whether nothing was broken on purpose while the request was under way.
    pub(super) fn is_calm(&self, post: &Post) -> bool {
        Faults::new(self.journal, self.limits.recovery).are_off(post)
    }

    /// Tasks that a fault made the broker give up on.
    pub(super) fn given_up(&self) -> usize {
        let all = self.cases.iter();
        all.map(|case| case.given_up().count()).sum()
    }

    /// The last moment, so long or longer before the end, at which no task was queued; none
    /// where anything was broken on purpose.
    pub(super) fn worked_off(&self, before_end: Duration) -> Option<Duration> {
        let gauges = &self.journal.gauges;
        let end = gauges.last().map(|gauge| gauge.at)?;
        let is_empty = |gauge: &&Gauge| gauge.backlog == Some(0) && gauge.at + before_end <= end;
        let last = gauges.iter().rev().find(is_empty).map(|gauge| gauge.at);
        last.filter(|_| self.journal.faults.is_empty())
    }

    /// A violation of an order.
    pub(super) fn of_order(
        &self,
        invariant: Invariant,
        case: &Case<'_>,
        what: impl Into<String>,
    ) -> Violation {
        let purchase = &case.shopper.purchase;
        let sights = self.players.get(purchase.player.as_str());
        let sights = sights.map_or(&[][..], |player| &player.sights);
        Violation {
            invariant,
            order: Some(purchase.order),
            player: Some(purchase.player.clone()),
            what: what.into(),
            history: bounded(case.history(sights)),
            instance: case.says_the_instance(),
        }
    }

    /// A violation of what a player's clients were told, of an order if it is of one.
    pub(super) fn of_player(
        &self,
        invariant: Invariant,
        player: &str,
        order: Option<i64>,
        what: impl Into<String>,
    ) -> Violation {
        let of = self.players.get(player);
        let cases = of.map_or(&[][..], |of| &of.cases);
        let mut cases = cases.iter().filter_map(|place| self.cases.get(*place));
        if let Some(case) = cases.find(|case| Some(case.shopper.purchase.order) == order) {
            return self.of_order(invariant, case, what);
        }
        let sights = of.map_or(&[][..], |of| &of.sights);
        let moments = sights.iter().map(|sight| sight.moment()).collect();
        Violation {
            invariant,
            order,
            player: Some(player.to_owned()),
            what: what.into(),
            history: bounded(moments),
            instance: match self.findings.streams.get(player) {
                Some(stream) => vec![format!("history of {player}: up to {}", stream.offset)],
                None => Vec::new(),
            },
        }
    }
}

impl<'a> Faults<'a> {
    pub(super) fn new(journal: &'a Journal, recovery: Duration) -> Self {
        Self {
            all: &journal.faults,
            recovery,
        }
    }

    fn over(&self, fault: &Fault) -> Duration {
        fault.to.unwrap_or(fault.from) + self.recovery
    }

    /// Whether none was on, or not yet got over, while the request was under way.
    fn are_off(&self, post: &Post) -> bool {
        let begins_later = |fault: &Fault| post.ended < fault.from;
        let mut all = self.all.iter();
        all.all(|fault| begins_later(fault) || self.over(fault) < post.sent.min(post.due))
    }

    /// Whether a task that came with this request, and waited for so long before it was
    /// parked, may wait for a person for this reason with nobody at fault: the broker had no
    /// queue for it while something was broken, or gave up on it because something was broken
    /// while it was on its way.
    fn excuse(&self, reason: &str, post: &Post, waited: Duration) -> bool {
        let parked = post.ended + waited;
        let is_of_its_time = |fault: &Fault| fault.from <= parked && post.sent <= self.over(fault);
        match reason {
            "unrouted" => !self.are_off(post),
            "delivery_limit" => self.all.iter().any(is_of_its_time),
            _ => false,
        }
    }
}

/// The requests of each shopper, in the order in which the answers came.
pub(super) fn posts_of(journal: &Journal) -> Vec<Vec<&Post>> {
    let mut posts: Vec<Vec<&Post>> = vec![Vec::new(); journal.shoppers.len()];
    for post in &journal.posts {
        if let Some(of) = posts.get_mut(post.shopper as usize) {
            of.push(post);
        }
    }
    posts
}

fn arrivals(shopper: &Shopper, posts: &[&Post]) -> Vec<Arrival> {
    let mut arrivals = vec![Arrival::Never; shopper.notices.len()];
    for post in posts {
        if let Some(arrival) = arrivals.get_mut(usize::from(post.notice)) {
            *arrival = (*arrival).max(match post.answer {
                Answer::Unsent => Arrival::Never,
                answer if answer.is_success() => Arrival::Surely,
                Answer::Code(_) | Answer::Unknown => Arrival::Maybe,
            });
        }
    }
    arrivals
}

impl<'a> Case<'a> {
    /// An order with what was found of it and of its payment.
    pub(super) fn new(
        shopper: &'a Shopper,
        posts: Vec<&'a Post>,
        said: Said<'a>,
        faults: Faults<'a>,
    ) -> Self {
        let mut case = Self {
            shopper,
            arrivals: arrivals(shopper, &posts),
            posts,
            found: said.found,
            said,
            faults,
        };
        case.excuse_what_was_given_up();
        case
    }

    /// Accepted notices that have not ended, by their type.
    pub(super) fn lost(&self) -> Vec<&'static str> {
        let surely = self
            .notices()
            .filter(|(_, arrival)| *arrival == Arrival::Surely);
        let kinds: BTreeSet<&str> = surely.map(|(notice, _)| notice.says.kind()).collect();
        let is_missing = |kind: &&str| !self.ended().any(|ended| ended.kind == *kind);
        kinds.into_iter().filter(is_missing).collect()
    }

    /// Notices with what is known of their way, those that change something alone.
    pub(super) fn notices(&self) -> impl Iterator<Item = (Notice, Arrival)> {
        let all = self.shopper.notices.iter().zip(&self.arrivals);
        all.map(|(notice, arrival)| (*notice, *arrival))
            .filter(|(notice, _)| notice.counts())
    }

    /// The notice a request carried.
    pub(super) fn notice(&self, post: &Post) -> Option<Notice> {
        self.shopper.notices.get(usize::from(post.notice)).copied()
    }

    /// Whether nobody knows of a notice whether it came.
    pub(super) fn is_doubtful(&self) -> bool {
        self.notices().any(|(_, arrival)| arrival == Arrival::Maybe)
    }

    /// All that ended of it, however it is found.
    pub(super) fn ended(&self) -> impl Iterator<Item = &'a Ended> {
        let of_order = self.found.map_or(&[][..], |found| &found.notices);
        of_order.iter().chain(self.said.payment)
    }

    /// The grant whose items count, where there is one.
    pub(super) fn grant(&self) -> Option<&'a Booking> {
        self.found.and_then(|found| found.booked("grant").next())
    }

    pub(super) fn expected(&self) -> BTreeSet<Outcome> {
        outcomes(self.shopper, &self.arrivals)
    }

    /// Where it ended, in the oracle's terms.
    pub(super) fn outcome(&self) -> Outcome {
        let Some(found) = self.found else {
            return Outcome {
                status: None,
                grants: 0,
                revokes: 0,
                conflict: false,
                parked: self.parks(),
            };
        };
        Outcome {
            status: found.has_facts().then_some(found.status),
            grants: found.booked("grant").count(),
            revokes: found.booked("revoke").count(),
            conflict: !found.conflicts.is_empty(),
            parked: self.parks(),
        }
    }

    fn parks(&self) -> bool {
        self.ended()
            .any(|ended| ended.outcome == "parked" && !self.is_given_up(ended))
    }

    /// Whether the broker gave up on it because of a fault.
    pub(super) fn is_given_up(&self, ended: &Ended) -> bool {
        let reason = ended.reason.as_deref().unwrap_or_default();
        let entries = self.said.parked.iter();
        let entries = entries.filter(|entry| entry.kind == ended.kind && entry.reason == reason);
        let Some(waited) = entries.map(|entry| entry.waited).max() else {
            return false;
        };
        let is_of = |post: &&&Post| {
            let notice = self.notice(post);
            notice.is_some_and(|notice| notice.says.kind() == ended.kind)
                && post.answer != Answer::Unsent
        };
        let mut posts = self.posts.iter().filter(is_of);
        ended.outcome == "parked" && posts.any(|post| self.faults.excuse(reason, post, waited))
    }

    /// What the broker gave up on because of a fault.
    pub(super) fn given_up(&self) -> impl Iterator<Item = &'a Ended> {
        self.ended().filter(|ended| self.is_given_up(ended))
    }

    /// What was given up waits for a person, and has changed nothing, or it had before.
    fn excuse_what_was_given_up(&mut self) {
        let kinds: Vec<&str> = self.given_up().map(|ended| ended.kind.as_str()).collect();
        for (notice, arrival) in self.shopper.notices.iter().zip(&mut self.arrivals) {
            if kinds.contains(&notice.says.kind()) {
                *arrival = (*arrival).min(Arrival::Maybe);
            }
        }
    }
}
