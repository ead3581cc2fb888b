//! The orders that players make, and what Xsolla sends about each.

use std::time::Duration;

use serde_json::{Value, json};

use crate::oracle::{self, Sent};
use tests::Chance;

pub(crate) const PROJECT: i64 = 271_904;

const PLAYERS: u64 = 24;
const SKUS: [&str; 4] = ["blade", "shield", "potion", "crown"];
const FIRST_ORDER: i64 = 1_000_000;
const FIRST_TRANSACTION: i64 = 500_000_000;

/// One order, all notices about it, and when each copy of them is sent.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) id: i64,
    pub(crate) player: String,
    pub(crate) sku: &'static str,
    pub(crate) quantity: i64,
    pub(crate) notices: Vec<Planned>,
}

/// A notice and the times of its copies, counted from the first moment of the order.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    pub(crate) sent: Sent,
    pub(crate) copies: Vec<Duration>,
}

impl Order {
    /// The order of this number, as the seed draws it.
    pub(crate) fn draw(seed: u64, number: u64) -> Self {
        let mut chance = Chance::new(seed, 1 + number);
        let sku = SKUS[usize::try_from(chance.below(SKUS.len() as u64)).unwrap()];
        let notices = history(&mut chance)
            .into_iter()
            .map(|(sent, at)| Planned {
                sent,
                copies: copies(&mut chance, at),
            })
            .collect();
        Self {
            id: FIRST_ORDER + i64::try_from(number).unwrap(),
            player: format!("player-{}", chance.below(PLAYERS)),
            sku,
            quantity: 1 + i64::try_from(chance.below(3)).unwrap(),
            notices,
        }
    }

    fn transaction(&self) -> i64 {
        FIRST_TRANSACTION + self.id
    }

    /// What the ledger calls a notice: its type and reference.
    pub(crate) fn name_of(&self, sent: Sent) -> (&'static str, String) {
        match sent {
            Sent::Paid => ("order_paid", self.id.to_string()),
            Sent::Canceled => ("order_canceled", self.id.to_string()),
            Sent::PaymentOfOrder | Sent::Payment => ("payment", self.transaction().to_string()),
            Sent::Refund => ("refund", self.transaction().to_string()),
        }
    }

    /// The status in the end, and the pieces held.
    pub(crate) fn expected(&self) -> (&'static str, i64) {
        let sent: Vec<_> = self.notices.iter().map(|planned| planned.sent).collect();
        let outcome = oracle::outcome(&sent);
        let held = if outcome.blades > 0 { self.quantity } else { 0 };
        (outcome.status.unwrap(), held)
    }

    /// The body of a notice.
    pub(crate) fn body(&self, sent: Sent) -> String {
        let notice = match sent {
            Sent::Paid => self.about_order("order_paid", "paid"),
            Sent::Canceled => self.about_order("order_canceled", "canceled"),
            Sent::Payment => self.about_transaction("payment"),
            Sent::PaymentOfOrder => {
                let mut notice = self.about_transaction("payment");
                notice["purchase"]["order"] = json!({"id": self.id, "lineitems": []});
                notice
            }
            Sent::Refund => {
                let mut notice = self.about_transaction("refund");
                notice["refund_details"] = json!({"code": 1, "reason": "asked for"});
                notice
            }
        };
        notice.to_string()
    }

    fn about_order(&self, kind: &str, status: &str) -> Value {
        json!({
            "notification_type": kind,
            "items": [{
                "sku": self.sku, "type": "virtual_good", "quantity": self.quantity,
                "amount": "3.9800"
            }],
            "order": {
                "id": self.id, "mode": "default", "currency_type": "real", "currency": "EUR",
                "amount": "3.9800", "status": status,
                "invoice_id": self.transaction().to_string()
            },
            "user": {"external_id": self.player}
        })
    }

    fn about_transaction(&self, kind: &str) -> Value {
        json!({
            "notification_type": kind,
            "settings": {"project_id": PROJECT, "merchant_id": 1},
            "purchase": {"total": {"currency": "EUR", "amount": 3.98}},
            "user": {"id": self.player},
            "transaction": {"id": self.transaction(), "payment_method": 1380}
        })
    }
}

/// What happens to one order and when, in milliseconds from its first moment.
fn history(chance: &mut Chance) -> Vec<(Sent, u64)> {
    let payment = if chance.percent(50) {
        Sent::Payment
    } else {
        Sent::PaymentOfOrder
    };
    match chance.below(100) {
        0..40 => vec![(Sent::Paid, 0)],
        40..60 => vec![(payment, 0), (Sent::Paid, chance.below(500))],
        60..72 => vec![(Sent::Paid, 0), (Sent::Canceled, chance.below(3_000))],
        // The cancellation overtakes the payment.
        72..80 => vec![(Sent::Canceled, 0), (Sent::Paid, chance.below(2_000))],
        80..88 => vec![
            (payment, 0),
            (Sent::Paid, chance.below(300)),
            (Sent::Refund, chance.below(2_000)),
            (Sent::Canceled, chance.below(2_000)),
        ],
        // All at the same instant.
        88..94 => vec![
            (Sent::Refund, 0),
            (Sent::Canceled, 0),
            (payment, 0),
            (Sent::Paid, 0),
        ],
        94..97 => vec![(Sent::Paid, 0), (Sent::Refund, chance.below(1_000))],
        _ => vec![(Sent::PaymentOfOrder, 0)],
    }
}

/// One copy, or some more: at once, shortly after, or long after the first was answered.
fn copies(chance: &mut Chance, at: u64) -> Vec<Duration> {
    let mut copies = vec![Duration::from_millis(at)];
    if chance.percent(15) {
        for _ in 0..=chance.below(3) {
            let later = [0, 50, 1_000, 8_000][usize::try_from(chance.below(4)).unwrap()];
            copies.push(Duration::from_millis(at + chance.below(later + 1)));
        }
    }
    copies
}
