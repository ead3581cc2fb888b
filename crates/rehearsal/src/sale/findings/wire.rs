//! The api's answers, as far as a verdict needs them.

use std::time::Duration;

use order::{Facts, Status};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use time::OffsetDateTime;
use time::serde::rfc3339;

use super::{Booking, Ended, Found, Held, Parked};

#[derive(Deserialize)]
pub(super) struct Order {
    player: Option<String>,
    #[serde(deserialize_with = "status")]
    status: Status,
    facts: OrderFacts,
    bookings: Vec<OrderBooking>,
    notices: Vec<Notice>,
    conflicts: Vec<Conflict>,
}

#[derive(Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct OrderFacts {
    created: bool,
    paid: bool,
    payment: bool,
    canceled: bool,
    refunded: bool,
}

#[derive(Deserialize)]
struct OrderBooking {
    direction: String,
    player: String,
    state: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    sku: String,
    quantity: i64,
}

#[derive(Deserialize)]
struct Notice {
    kind: String,
    reference: String,
    seen: i64,
    outcome: String,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Conflict {
    what: String,
}

#[derive(Deserialize)]
pub(super) struct Transaction {
    notices: Vec<Notice>,
}

#[derive(Deserialize)]
pub(super) struct Inventory {
    items: Vec<Line>,
}

#[derive(Deserialize)]
pub(super) struct OrdersPage {
    orders: Vec<Listed>,
    pub(super) next_before: Option<i64>,
}

#[derive(Deserialize)]
struct Listed {
    order: i64,
}

#[derive(Deserialize)]
pub(super) struct ParkedPage {
    parked: Vec<ParkedEntry>,
}

#[derive(Deserialize)]
struct ParkedEntry {
    kind: String,
    reason: String,
    attempts: i64,
    #[serde(with = "rfc3339")]
    received_at: OffsetDateTime,
    #[serde(with = "rfc3339")]
    parked_at: OffsetDateTime,
}

fn status<'de, D: Deserializer<'de>>(source: D) -> Result<Status, D::Error> {
    let name = String::deserialize(source)?;
    Status::from_name(&name).ok_or_else(|| D::Error::custom(format!("`{name}` is no status")))
}

fn lines(lines: Vec<Line>) -> Vec<(String, i64)> {
    lines
        .into_iter()
        .map(|line| (line.sku, line.quantity))
        .collect()
}

fn ended(notices: Vec<Notice>) -> Vec<Ended> {
    let ended = |notice: Notice| Ended {
        kind: notice.kind,
        reference: notice.reference,
        seen: notice.seen,
        outcome: notice.outcome,
        reason: notice.reason,
    };
    notices.into_iter().map(ended).collect()
}

impl Order {
    pub(super) fn found(self) -> Found {
        let booking = |booking: OrderBooking| Booking {
            direction: booking.direction,
            player: booking.player,
            state: booking.state,
            lines: lines(booking.lines),
        };
        Found {
            player: self.player,
            status: self.status,
            facts: Facts {
                created: self.facts.created,
                paid: self.facts.paid,
                payment: self.facts.payment,
                canceled: self.facts.canceled,
                refunded: self.facts.refunded,
            },
            bookings: self.bookings.into_iter().map(booking).collect(),
            notices: ended(self.notices),
            conflicts: self
                .conflicts
                .into_iter()
                .map(|conflict| conflict.what)
                .collect(),
        }
    }
}

impl Transaction {
    pub(super) fn ended(self) -> Vec<Ended> {
        ended(self.notices)
    }
}

impl Inventory {
    /// A SKU that is listed twice counts twice.
    pub(super) fn held(self) -> Held {
        let mut held = Held::new();
        for line in self.items {
            *held.entry(line.sku).or_default() += line.quantity;
        }
        held
    }
}

impl OrdersPage {
    pub(super) fn numbers(&self) -> impl Iterator<Item = i64> {
        self.orders.iter().map(|listed| listed.order)
    }
}

impl ParkedPage {
    pub(super) fn parked(self) -> Vec<Parked> {
        let parked = |entry: ParkedEntry| Parked {
            kind: entry.kind,
            reason: entry.reason,
            attempts: entry.attempts,
            // Two clocks of the instance may disagree a little.
            waited: Duration::try_from(entry.parked_at - entry.received_at).unwrap_or_default(),
        };
        self.parked.into_iter().map(parked).collect()
    }
}
