//! What the instance says in the end, over the APIs that game servers and players have.

mod read;
mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use order::{Facts, Status};

use super::journal::Row;

pub use read::{Deadline, ReadError};

/// What a player holds, by SKU.
pub type Held = BTreeMap<String, i64>;

/// All that was read after the drain.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// How the drain went.
    pub drain: Drain,
    /// The orders of the journal that the instance knows.
    pub orders: BTreeMap<i64, Found>,
    /// By order: the notices about its payment that the order itself does not list, for
    /// nothing has told the instance that they belong together.
    pub payments: BTreeMap<i64, Vec<Ended>>,
    /// By order: its entries that wait, or waited, for a person.
    pub parked: BTreeMap<i64, Vec<Parked>>,
    /// What each player of the journal holds.
    pub holdings: BTreeMap<String, Held>,
    /// The orders that the instance says each player has.
    pub orders_of: BTreeMap<String, Vec<i64>>,
    /// The history of each player who was watched, as a new client gets it.
    pub streams: BTreeMap<String, Stream>,
    /// What polling says of each order that was watched; `None` for a refusal.
    pub polls: BTreeMap<i64, Option<Status>>,
    /// What players were told who asked for an order of somebody else.
    pub strangers: Vec<Stranger>,
    /// What could not be read, although it was asked for again and again.
    pub unread: Vec<Unread>,
}

/// How the drain went.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    /// Until every accepted notice was found to have ended, asking included, or we gave up.
    pub took: Duration,
    /// Orders with an accepted notice that had not ended when we gave up.
    pub waiting: Vec<i64>,
}

/// An order as the api shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose it is.
    pub player: Option<String>,
    /// Where it stands.
    pub status: Status,
    /// What has been seen of it.
    pub facts: Facts,
    /// What was granted and taken back.
    pub bookings: Vec<Booking>,
    /// The notices about it and about its payment.
    pub notices: Vec<Ended>,
    /// What notices disagreed about.
    pub conflicts: Vec<String>,
}

/// A grant or a revoke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// `grant` or `revoke`.
    pub direction: String,
    /// Who got or lost it.
    pub player: String,
    /// How far it has come: `held` and `returned` are the ends.
    pub state: String,
    /// SKU and number, line by line.
    pub lines: Vec<(String, i64)>,
}

/// A notice that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its type.
    pub kind: String,
    /// What makes it the same notice as another of its type.
    pub reference: String,
    /// How often it came, at least.
    pub seen: i64,
    /// `booked`, `no_op` or `parked`.
    pub outcome: String,
    /// Why, unless booked.
    pub reason: Option<String>,
}

/// An entry that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The notice's type.
    pub kind: String,
    /// Why.
    pub reason: String,
    /// How often it was tried.
    pub attempts: i64,
    /// From when it was received until it was parked, on the instance's own clocks.
    pub waited: Duration,
}

/// A player's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// The epoch of the stream.
    pub epoch: String,
    /// The offset of its newest row.
    pub offset: u64,
    /// Ascending by offset.
    pub rows: Vec<Row>,
}

/// A player who asked for somebody else's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// Who asked.
    pub player: String,
    /// For which order.
    pub order: i64,
    /// What they were told; `None` for a refusal.
    pub told: Option<Status>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The order it is about, if it is about one.
    pub order: Option<i64>,
    /// The player it is about, if it is about one.
    pub player: Option<String>,
    /// What, and what came instead.
    pub what: String,
}

impl Found {
    /// Whether anything but a notice of its number is known: a game server registered it, or
    /// a fact was recorded.
    pub(crate) fn has_facts(&self) -> bool {
        self.facts != Facts::default()
    }

    pub(crate) fn booked<'a>(&'a self, direction: &'a str) -> impl Iterator<Item = &'a Booking> {
        let of_it = move |booking: &&Booking| booking.direction == direction;
        self.bookings.iter().filter(of_it)
    }

    /// What the bookings leave the player with; lines that cancel out are not in it.
    pub(crate) fn net(&self) -> Held {
        let mut net = Held::new();
        for booking in &self.bookings {
            let sign = if booking.direction == "grant" { 1 } else { -1 };
            for (sku, quantity) in &booking.lines {
                *net.entry(sku.clone()).or_default() += sign * quantity;
            }
        }
        net.retain(|_, quantity| *quantity != 0);
        net
    }
}
