//! What was sent and answered, and what players' clients showed: all that a verdict may
//! know of a rehearsal.
//!
//! Times are counted from the beginning of the rehearsal, on the clock of this process
//! alone.

use std::time::Duration;

use order::Status;

use crate::purchase::Purchase;

/// The record of a rehearsal.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Draws every shopper, and with them every body.
    pub seed: u64,
    /// The shoppers in the order in which they arrived.
    pub shoppers: Vec<Shopper>,
    /// Every request that left, in the order in which the answers came.
    pub posts: Vec<Post>,
    /// Every status that a client of a player was told, in the order in which it was.
    pub sights: Vec<Sight>,
    /// What was done to the instance on purpose, in order.
    pub faults: Vec<Fault>,
    /// How the instance stood, second by second, as it says of itself.
    pub gauges: Vec<Gauge>,
}

/// A purchase and all that Xsolla tells of it.
#[derive(Clone, Debug)]
pub struct Shopper {
    /// Who buys, and the ids. Players buy more than once.
    pub purchase: Purchase,
    /// When the shopper arrived.
    pub arrived: Duration,
    /// What the order brings, by SKU, once it is granted: content of bundles, no headings.
    pub lines: Vec<(String, i64)>,
    /// A test purchase: it is told as paid and nothing is granted.
    pub sandbox: bool,
    /// Registered as an order over the api before anything was sent: the api said so. Where
    /// it did not answer, the order may be registered all the same.
    pub registered: bool,
    /// How its player follows it.
    pub follows: Follows,
    /// The notices, in the order in which Xsolla would send them.
    pub notices: Vec<Notice>,
}

/// How a player follows the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Not at all.
    Nothing,
    /// Over a WebSocket, as the snippet of Xsolla's page does.
    Socket,
    /// By asking every few seconds.
    Polling,
}

/// A notice about an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it says.
    pub says: Says,
    /// Whether it is what Xsolla would send.
    pub kind: Kind,
}

/// What a notice says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Says {
    /// `user_validation` of a player who is registered.
    KnownPlayer,
    /// `user_validation` of one who is not.
    UnknownPlayer,
    /// `payment`; whether it names its order.
    Payment {
        /// `purchase.order.id` is in it.
        names_order: bool,
    },
    /// `order_paid`; whether it carries the payment's data.
    OrderPaid {
        /// `billing` is in it.
        combined: bool,
    },
    /// `refund`.
    Refund,
    /// `partial_refund`.
    PartialRefund,
    /// `dispute`: a chargeback.
    Dispute,
    /// `order_canceled`; whether it carries the refund's data.
    OrderCanceled {
        /// `billing` is in it.
        combined: bool,
    },
}

/// Whether a notice is what Xsolla would send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is.
    Genuine,
    /// Genuine in everything but its bytes: members in another order, white space, escapes,
    /// numbers as texts.
    Odd,
    /// Somebody else's signature, over a body that would change what is granted.
    Forged,
    /// Genuine, but other items than the notice of the same name before it.
    Conflicting,
}

/// One request that left.
#[derive(Clone, Copy, Debug)]
pub struct Post {
    /// Which shopper's, by place in the journal.
    pub shopper: u32,
    /// Which of its notices, by place.
    pub notice: u8,
    /// The attempt, from 1. Copies that leave at one instant share it.
    pub attempt: u8,
    /// When it should have left by the plan: lateness of our own is the server's too.
    pub due: Duration,
    /// When it left.
    pub sent: Duration,
    /// When the answer was whole, or was given up.
    pub ended: Duration,
    /// The answer.
    pub answer: Answer,
}

impl Post {
    /// Whether Xsolla takes the answer for a yes.
    #[must_use]
    pub const fn is_acknowledged(&self) -> bool {
        matches!(self.answer, Answer::Code(200 | 201 | 204))
    }
}

/// What came back to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// A status code.
    Code(u16),
    /// None came, and none could have: no connection was made.
    Unsent,
    /// None came: it may have been accepted, or not.
    Unknown,
}

/// A status that a client was told.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Whose client: the player's name.
    pub player: String,
    /// Which of the player's clients; a number of its own for each.
    pub client: u32,
    /// When.
    pub at: Duration,
    /// How.
    pub seen: Seen,
}

/// What a client saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The channel was subscribed: from here on pushes follow the position.
    Subscribed {
        /// The epoch of the stream.
        epoch: String,
        /// The position that pushes follow: its newest row, or where the client had been if it
        /// recovered. What it had missed comes as pushes.
        offset: u64,
        /// The client asked for what it had missed, and the server gave all of it.
        recovered: bool,
    },
    /// A publication, live or recovered.
    Pushed(Row),
    /// All rows that a history request returned.
    History {
        /// The epoch of the stream.
        epoch: String,
        /// The offset of its newest row.
        offset: u64,
        /// Ascending by offset.
        rows: Vec<Row>,
    },
    /// The answer to a poll.
    Polled {
        /// The order.
        order: i64,
        /// Its status.
        status: Status,
    },
    /// The connection ended.
    Closed {
        /// The close code; 0 when it broke without any.
        code: u16,
    },
}

/// A row of a player's status stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its place in the stream, from 1.
    pub offset: u64,
    /// The order, whoever's it is.
    pub order: i64,
    /// Where it stood from then on.
    pub status: Status,
}

/// Something done to the instance on purpose.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What, in a few words: `worker-2 killed`.
    pub what: String,
    /// When it began.
    pub from: Duration,
    /// When it was over, if it is something that lasts.
    pub to: Option<Duration>,
}

/// How the instance stood at one moment, as far as it was asked.
#[derive(Clone, Copy, Debug)]
pub struct Gauge {
    /// When.
    pub at: Duration,
    /// Tasks that are queued.
    pub backlog: Option<u64>,
}
