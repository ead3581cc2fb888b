//! What a store sends in one run.

use bytes::Bytes;
use ledger::{Entry, Notice};
use order::{
    Assertion, Content, Grant, Kind, Line, OrderId, ParkReason, Plan, PlayerId, ProjectId,
    Reference, TransactionId,
};
use task::MessageId;
use time::OffsetDateTime;

use crate::chance::Chance;

const ORDERS_MAX: usize = 4;
const PLAYERS: usize = 2;
/// The most times one notice is sent.
const SENT_MAX: usize = 3;

/// What the database does not accept of an order's payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Poison {
    None,
    /// Its lines. That it was paid can be booked.
    Lines,
    /// Anything but that somebody has to look.
    Payment,
    /// Anything at all: only its bytes are kept.
    Everything,
}

/// One notice of the run.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) entry: Entry,
    pub(crate) poison: Poison,
}

/// An order of the run.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: OrderId,
    pub(crate) player: usize,
    pub(crate) paid: Option<usize>,
    pub(crate) canceled: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) project: ProjectId,
    pub(crate) players: Vec<PlayerId>,
    pub(crate) orders: Vec<Order>,
    pub(crate) notices: Vec<Sent>,
    /// Which notice comes next, last first. Repeats and all.
    pub(crate) to_come: Vec<usize>,
}

impl Scenario {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let mut scenario = Self {
            project: "44056".parse().expect("a project's number"),
            players: (0..PLAYERS)
                .map(|player| format!("player-{player}").parse().expect("a player's name"))
                .collect(),
            orders: Vec::new(),
            notices: Vec::new(),
            to_come: Vec::new(),
        };
        for _ in 0..=chance.below(ORDERS_MAX) {
            scenario.add_order(chance);
        }
        for notice in 0..scenario.notices.len() {
            let times = 1 + chance.below(SENT_MAX);
            scenario.to_come.extend(std::iter::repeat_n(notice, times));
        }
        chance.shuffle(&mut scenario.to_come);
        scenario
    }

    fn add_order(&mut self, chance: &mut Chance) {
        let number = i64::try_from(self.orders.len()).unwrap_or(0) + 1;
        let id = OrderId::try_from(number).expect("an order's number");
        let player = chance.below(PLAYERS);
        let real = chance.percent(70);
        let transaction =
            real.then(|| TransactionId::try_from(900 + number).expect("a transaction's number"));
        let paid = chance.percent(85).then(|| {
            let poison = match chance.below(20) {
                0 => Poison::Lines,
                1 => Poison::Payment,
                2 => Poison::Everything,
                _ => Poison::None,
            };
            let assertion = self.paid(id, player, transaction);
            self.add(Kind::OrderPaid, Reference::order(id), assertion, poison)
        });
        let canceled = (paid.is_none() || chance.percent(50)).then(|| {
            let assertion = Assertion::Canceled {
                order: id,
                player: Some(self.players[player].clone()),
                transaction,
                refund: chance.percent(50),
                sandbox: false,
            };
            self.add(
                Kind::OrderCanceled,
                Reference::order(id),
                assertion,
                Poison::None,
            )
        });
        if let Some(transaction) = transaction {
            self.add_payment_and_refund(id, player, transaction, chance);
        }
        self.orders.push(Order {
            id,
            player,
            paid,
            canceled,
        });
    }

    fn paid(&self, order: OrderId, player: usize, transaction: Option<TransactionId>) -> Assertion {
        let line = Line {
            sku: "sword".parse().expect("an item"),
            quantity: order.get(),
        };
        Assertion::Paid {
            order,
            player: self.players[player].clone(),
            transaction,
            payment: false,
            sandbox: false,
            content: Content::default(),
            grant: Grant::Lines(Plan::new([line]).expect("one line")),
        }
    }

    fn add_payment_and_refund(
        &mut self,
        order: OrderId,
        player: usize,
        transaction: TransactionId,
        chance: &mut Chance,
    ) {
        let reference = Reference::transaction(transaction);
        if chance.percent(40) {
            let payment = Assertion::Payment {
                transaction,
                order: chance.percent(50).then_some(order),
                player: Some(self.players[player].clone()),
                sandbox: false,
            };
            self.add(Kind::Payment, reference.clone(), payment, Poison::None);
        }
        if chance.percent(20) {
            let refund = Assertion::Refund {
                transaction,
                player: None,
                code: Some(1),
            };
            self.add(Kind::Refund, reference, refund, Poison::None);
        }
    }

    fn add(
        &mut self,
        kind: Kind,
        reference: Reference,
        assertion: Assertion,
        poison: Poison,
    ) -> usize {
        let number = self.notices.len();
        let body = Bytes::from(format!("notice {number}"));
        let notice = Notice {
            kind,
            reference,
            message: MessageId::of(&body),
            fingerprint: [u8::try_from(number).unwrap_or(u8::MAX); 32],
            order: assertion.order(),
            transaction: assertion.transaction(),
            player: assertion.player().cloned(),
            received_at: OffsetDateTime::UNIX_EPOCH,
            attempt: 0,
            replay: None,
            trace_id: None,
            body,
        };
        let entry = Entry {
            project: self.project,
            assertion,
            notice: Some(notice),
        };
        self.notices.push(Sent { entry, poison });
        number
    }

    /// What a message of this notice is booked as.
    pub(crate) fn entry(&self, notice: usize, attempt: u32) -> Entry {
        let mut entry = self.notices[notice].entry.clone();
        if let Some(notice) = &mut entry.notice {
            notice.attempt = attempt;
        }
        entry
    }

    /// What a message that came from the parking queue is booked as, one after the other: by
    /// its digest, so that it does not stand in the way of a good copy.
    pub(crate) fn parked(&self, notice: usize, reason: ParkReason) -> [Entry; 2] {
        let mut as_it_stands = self.notices[notice].entry.clone();
        if let Some(notice) = &mut as_it_stands.notice {
            notice.reference = Reference::message(&notice.message.to_string());
        }
        let mut paid = as_it_stands.clone();
        let detail = String::new();
        as_it_stands.assertion = Assertion::Unprocessable {
            reason,
            detail: detail.clone(),
        };
        if let Assertion::Paid { grant, .. } = &mut paid.assertion {
            *grant = Grant::Unclear { reason, detail };
        } else {
            paid.clone_from(&as_it_stands);
        }
        [paid, as_it_stands]
    }

    /// Whether the database accepts an entry.
    pub(crate) fn accepts(&self, entry: &Entry) -> bool {
        let own = |sent: &&Sent| {
            let message = |entry: &Entry| entry.notice.as_ref().map(|notice| notice.message);
            message(&sent.entry) == message(entry)
        };
        let poison = self.notices.iter().find(own).map(|sent| sent.poison);
        let is_paid = matches!(entry.assertion, Assertion::Paid { .. });
        match poison.unwrap_or(Poison::None) {
            Poison::None => true,
            Poison::Lines => !matches!(
                entry.assertion,
                Assertion::Paid {
                    grant: Grant::Lines(_),
                    ..
                }
            ),
            Poison::Payment => !is_paid,
            Poison::Everything => false,
        }
    }
}
