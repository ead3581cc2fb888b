//! A correct instance, as small as it can be, and the journal of playing against it.

use std::collections::BTreeMap;
use std::time::Duration;

use order::{Facts, Status};

use crate::purchase::Purchase;
use crate::sale::findings::{Booking, Ended, Findings, Found, Parked, Stranger, Stream};
use crate::sale::journal::{
    Answer, Follows, Journal, Kind, Notice, Post, Row, Says, Seen, Shopper, Sight,
};

pub(super) const PAID: Says = Says::OrderPaid { combined: true };
pub(super) const CANCELED: Says = Says::OrderCanceled { combined: true };
pub(super) const SEPARATE: Says = Says::OrderPaid { combined: false };
pub(super) const PAYMENT: Says = Says::Payment { names_order: false };
pub(super) const PAYMENT_OF_ORDER: Says = Says::Payment { names_order: true };
pub(super) const EPOCH: &str = "epoch-1";
pub(super) const OK: Answer = Answer::Code(204);

pub(super) const fn genuine(says: Says) -> Notice {
    Notice {
        says,
        kind: Kind::Genuine,
    }
}

/// The shopper of this number, whose order is told by these notices.
pub(super) fn shopper(number: i64, notices: &[Notice]) -> Shopper {
    Shopper {
        purchase: Purchase {
            project: 44_056,
            player: format!("player-{number}"),
            order: number,
            transaction: 1_000 + number,
        },
        arrived: Duration::from_secs(number.unsigned_abs()),
        lines: vec![("blade".to_owned(), 1), ("crystals".to_owned(), 250)],
        sandbox: false,
        registered: true,
        follows: Follows::Socket,
        notices: notices.to_vec(),
    }
}

/// What was played, and what came of it.
#[derive(Default)]
pub(super) struct World {
    pub(super) journal: Journal,
    pub(super) findings: Findings,
    now: Duration,
    /// Notices of payments that nothing has tied to an order yet.
    loose: BTreeMap<i64, Vec<Ended>>,
    /// By order and type: whether the notice that came first was the one with other items.
    first: BTreeMap<(i64, &'static str), bool>,
}

impl World {
    /// All notices of these are sent and accepted one after the other.
    pub(super) fn of(shoppers: Vec<Shopper>) -> Self {
        let mut world = Self::with(shoppers);
        for place in 0..world.journal.shoppers.len() {
            for notice in 0..world.journal.shoppers[place].notices.len() {
                world.send(place, notice, OK);
            }
        }
        world.look();
        world
    }

    /// These have arrived and nothing was sent.
    pub(super) fn with(shoppers: Vec<Shopper>) -> Self {
        let mut world = Self::default();
        for shopper in &shoppers {
            let (player, registered) = (shopper.purchase.player.clone(), shopper.registered);
            world.findings.holdings.entry(player.clone()).or_default();
            world
                .findings
                .streams
                .entry(player.clone())
                .or_insert(Stream {
                    epoch: EPOCH.to_owned(),
                    offset: 0,
                    rows: Vec::new(),
                });
            world.see(
                &player,
                Seen::Subscribed {
                    epoch: EPOCH.to_owned(),
                    offset: world.findings.streams[&player].offset,
                    recovered: false,
                },
            );
            if registered {
                let found = world.found(shopper);
                found.facts.created = true;
                world.show(shopper);
            }
        }
        world.journal.shoppers = shoppers;
        world
    }

    /// A request leaves, and does what it does.
    pub(super) fn send(&mut self, place: usize, notice: usize, answer: Answer) {
        self.post(place, notice, answer);
        self.apply(place, notice);
    }

    /// A request leaves and is answered; what it says is applied by [`World::apply`].
    pub(super) fn post(&mut self, place: usize, notice: usize, answer: Answer) {
        self.now += Duration::from_millis(10);
        self.journal.posts.push(Post {
            shopper: u32::try_from(place).unwrap(),
            notice: u8::try_from(notice).unwrap(),
            attempt: 1,
            due: self.now,
            sent: self.now,
            ended: self.now + Duration::from_millis(4),
            answer,
        });
    }

    pub(super) fn see(&mut self, player: &str, seen: Seen) {
        self.now += Duration::from_millis(10);
        self.journal.sights.push(Sight {
            player: player.to_owned(),
            client: 0,
            at: self.now,
            seen,
        });
    }

    fn found(&mut self, shopper: &Shopper) -> &mut Found {
        let new = Found {
            player: Some(shopper.purchase.player.clone()),
            status: Status::New,
            facts: Facts::default(),
            bookings: Vec::new(),
            notices: Vec::new(),
            conflicts: Vec::new(),
        };
        self.findings
            .orders
            .entry(shopper.purchase.order)
            .or_insert(new)
    }

    /// What a correct instance makes of a notice.
    pub(super) fn apply(&mut self, place: usize, notice: usize) {
        let shopper = self.journal.shoppers[place].clone();
        let notice = shopper.notices[notice];
        let order = shopper.purchase.order;
        if notice.kind == Kind::Forged || notice.says.is_question() {
            return;
        }
        let of_order = matches!(
            notice.says,
            PAID | SEPARATE | CANCELED | Says::OrderCanceled { .. } | PAYMENT_OF_ORDER
        );
        if !of_order && !self.is_linked(&shopper) {
            let loose = self.loose.entry(order).or_default();
            hear(loose, &shopper, notice);
            return;
        }
        let loose = self.loose.remove(&order).unwrap_or_default();
        let kind = notice.says.kind();
        let first = self.first.get(&(order, kind)).copied();
        self.first
            .entry((order, kind))
            .or_insert(notice.kind == Kind::Conflicting);
        let found = self.found(&shopper);
        for ended in loose {
            found.facts.payment |= ended.kind == "payment";
            found.facts.refunded |= ended.kind == "refund";
            found.notices.push(ended);
        }
        if !hear(&mut found.notices, &shopper, notice) {
            let is_paid = matches!(notice.says, Says::OrderPaid { .. });
            if is_paid && first != Some(notice.kind == Kind::Conflicting) {
                found.conflicts.push("repeat_differs".to_owned());
            }
            return;
        }
        match notice.says {
            Says::OrderPaid { combined } => {
                found.facts.paid = true;
                found.facts.payment |= combined;
                if !found.facts.canceled && !shopper.sandbox {
                    self.book(&shopper, "grant", "held", lines(&shopper, notice));
                }
            }
            Says::OrderCanceled { combined } => {
                found.facts.canceled = true;
                found.facts.refunded |= combined;
                let granted = found
                    .booked("grant")
                    .next()
                    .map(|grant| grant.lines.clone());
                if let Some(granted) = granted {
                    self.book(&shopper, "revoke", "returned", granted);
                }
            }
            Says::Payment { .. } => found.facts.payment = true,
            Says::Refund => found.facts.refunded = true,
            Says::PartialRefund | Says::Dispute | Says::KnownPlayer | Says::UnknownPlayer => {}
        }
        self.show(&shopper);
    }

    fn is_linked(&self, shopper: &Shopper) -> bool {
        let found = self.findings.orders.get(&shopper.purchase.order);
        found.is_some_and(|found| found.facts.paid || found.facts.canceled || found.facts.payment)
    }

    fn book(&mut self, of: &Shopper, direction: &str, state: &str, lines: Vec<(String, i64)>) {
        let sign = if direction == "grant" { 1 } else { -1 };
        let held = self
            .findings
            .holdings
            .entry(of.purchase.player.clone())
            .or_default();
        for (sku, quantity) in &lines {
            *held.entry(sku.clone()).or_default() += sign * quantity;
        }
        let player = of.purchase.player.clone();
        self.found(of).bookings.push(Booking {
            direction: direction.to_owned(),
            player,
            state: state.to_owned(),
            lines,
        });
    }

    /// Appends to the stream what is new, and tells the client.
    fn show(&mut self, of: &Shopper) {
        let order = of.purchase.order;
        let found = self.found(of);
        let is_held = found.booked("grant").next().is_some();
        let steps: &[Status] = match found.facts {
            Facts { canceled: true, .. } => &[Status::Canceled],
            Facts { paid: true, .. } if is_held => &[Status::Paid, Status::Done],
            Facts { paid: true, .. } | Facts { payment: true, .. } => &[Status::Paid],
            _ => &[Status::New],
        };
        found.status = steps[steps.len() - 1];
        let player = of.purchase.player.clone();
        let stream = self.findings.streams.get(&player).unwrap();
        let rows = stream.rows.iter().filter(|row| row.order == order);
        let shown = rows.map(|row| row.status).max();
        for status in steps.iter().filter(|status| shown < Some(**status)) {
            let stream = self.findings.streams.get_mut(&player).unwrap();
            stream.offset += 1;
            let row = Row {
                offset: stream.offset,
                order,
                status: *status,
            };
            stream.rows.push(row);
            self.see(&player, Seen::Pushed(row));
        }
    }

    /// Reads what polling and lists say in the end.
    pub(super) fn look(&mut self) {
        self.findings.payments = self.loose.clone();
        self.findings.strangers = vec![Stranger {
            player: "player-1".to_owned(),
            order: 2,
            told: None,
        }];
        for shopper in &self.journal.shoppers {
            let Purchase { order, player, .. } = &shopper.purchase;
            let found = self.findings.orders.get(order);
            self.findings
                .polls
                .insert(*order, found.map(|found| found.status));
            let orders = self.findings.orders_of.entry(player.clone()).or_default();
            orders.extend(found.map(|_| order));
        }
    }

    /// A notice has ended as parked, and is listed so.
    pub(super) fn park(&mut self, order: i64, kind: &str, reason: &str) {
        let found = self.findings.orders.get_mut(&order).unwrap();
        let ended = found
            .notices
            .iter_mut()
            .find(|ended| ended.kind == kind)
            .unwrap();
        ended.outcome = "parked".to_owned();
        ended.reason = Some(reason.to_owned());
        let parked = self.findings.parked.entry(order).or_default();
        parked.push(Parked {
            kind: kind.to_owned(),
            reason: reason.to_owned(),
            attempts: 1,
            waited: Duration::from_secs(30),
        });
    }
}

fn lines(of: &Shopper, notice: Notice) -> Vec<(String, i64)> {
    let more = i64::from(notice.kind == Kind::Conflicting);
    let lines = of.lines.iter();
    lines
        .map(|(sku, quantity)| (sku.clone(), quantity + more))
        .collect()
}

/// Whether it is heard for the first time.
fn hear(ended: &mut Vec<Ended>, of: &Shopper, notice: Notice) -> bool {
    let kind = notice.says.kind();
    if let Some(known) = ended.iter_mut().find(|known| known.kind == kind) {
        known.seen += 1;
        return false;
    }
    ended.push(Ended {
        kind: kind.to_owned(),
        reference: of.purchase.order.to_string(),
        seen: 1,
        outcome: "no_op".to_owned(),
        reason: Some("recorded".to_owned()),
    });
    true
}
