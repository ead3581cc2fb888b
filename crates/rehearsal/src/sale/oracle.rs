//! What may come of the notices about one order: written from the documents, on the
//! journal's words alone, never from the rules it judges.
//!
//! A notice that was answered 2xx counts. One that was answered otherwise, or not at all, may
//! count as well: it may have been enqueued before the answer was lost. So there is not one
//! outcome but a set of them, one for each way in which the doubtful notices went and for
//! each order in which all of them were booked.

use std::collections::BTreeSet;

use order::Status;

use super::journal::{Kind, Notice, Says, Shopper};

/// What the answers say of a notice's way to the instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Arrival {
    /// It was not sent, or cannot have come.
    Never,
    /// It was sent and nobody said that it was taken. It may be applied later, once.
    Maybe,
    /// It was answered 2xx.
    Surely,
}

/// Where an order may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome {
    /// What its player is told; `None` while nothing has named the order.
    pub status: Option<Status>,
    /// How often its items were granted: 0 or 1.
    pub grants: usize,
    /// How often they were taken back: 0 or 1, and never without a grant.
    pub revokes: usize,
    /// Whether two notices disagreed, and that was written down.
    pub conflict: bool,
    /// Whether one of them waits for a person.
    pub parked: bool,
}

/// What of an order has been heard. A payment that does not name it, a refund, a partial one
/// and a chargeback are recorded and change none of this.
#[derive(Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Heard {
    money: bool,
    paid: bool,
    paid_otherwise: bool,
    canceled: bool,
}

impl Heard {
    const EVERYTHING: u8 = 1 << 4;

    fn from_bits(bits: u8) -> Self {
        Self {
            money: bits & 1 != 0,
            paid: bits & 2 != 0,
            paid_otherwise: bits & 4 != 0,
            canceled: bits & 8 != 0,
        }
    }

    fn bit(notice: Notice) -> u8 {
        match (notice.kind, notice.says) {
            (
                Kind::Genuine | Kind::Odd | Kind::Conflicting,
                Says::Payment { names_order: true },
            ) => 1,
            (Kind::Genuine | Kind::Odd, Says::OrderPaid { .. }) => 2,
            (Kind::Conflicting, Says::OrderPaid { .. }) => 4,
            (Kind::Genuine | Kind::Odd | Kind::Conflicting, Says::OrderCanceled { .. }) => 8,
            // Nothing forged has ever been heard.
            (Kind::Forged, _)
            | (
                _,
                Says::KnownPlayer
                | Says::UnknownPlayer
                | Says::Payment { names_order: false }
                | Says::Refund
                | Says::PartialRefund
                | Says::Dispute,
            ) => 0,
        }
    }
}

/// Every outcome that is right for an order whose notices arrived so. `arrivals` go with
/// `shopper.notices`, place by place; a notice without one never arrived.
#[must_use]
pub fn outcomes(shopper: &Shopper, arrivals: &[Arrival]) -> BTreeSet<Outcome> {
    let bits = |least: Arrival| {
        let arrived = shopper.notices.iter().zip(arrivals);
        let arrived = arrived.filter(|(_, arrival)| **arrival >= least);
        arrived.fold(0, |bits, (notice, _)| bits | Heard::bit(*notice))
    };
    let (surely, at_most) = (bits(Arrival::Surely), bits(Arrival::Maybe));
    (0..Heard::EVERYTHING)
        .filter(|heard| heard & surely == surely && heard & !at_most == 0)
        .flat_map(|heard| ends(shopper, Heard::from_bits(heard)))
        .collect()
}

/// The ends of an order of which just this was heard.
fn ends(shopper: &Shopper, heard: Heard) -> Vec<Outcome> {
    let paid = heard.paid || heard.paid_otherwise;
    let nothing = Outcome {
        status: None,
        grants: 0,
        revokes: 0,
        // The same notice with other items: the first one counts, and a person is told.
        conflict: heard.paid && heard.paid_otherwise,
        parked: false,
    };
    let at = |status| Outcome {
        status: Some(status),
        ..nothing
    };
    // A test purchase is told as paid; an order that brings nothing waits for a person.
    let parks = paid && !shopper.sandbox && shopper.lines.is_empty();
    let grants = paid && !shopper.sandbox && !shopper.lines.is_empty();
    let granted = |revokes| Outcome {
        grants: 1,
        revokes,
        ..at(if revokes == 0 {
            Status::Done
        } else {
            Status::Canceled
        })
    };
    let parked = |outcome| Outcome {
        parked: true,
        ..outcome
    };
    match (heard.canceled, paid || heard.money) {
        // Whichever was booked first: the cancellation leaves nothing in either case.
        (true, _) if grants => vec![granted(1), at(Status::Canceled)],
        (true, _) if parks => vec![parked(at(Status::Canceled)), at(Status::Canceled)],
        (true, _) => vec![at(Status::Canceled)],
        (false, _) if grants => vec![granted(0)],
        (false, _) if parks => vec![parked(at(Status::Paid))],
        (false, true) => vec![at(Status::Paid)],
        (false, false) if shopper.registered => vec![at(Status::New)],
        // A registration that was not answered may have been carried out.
        (false, false) => vec![nothing, at(Status::New)],
    }
}
