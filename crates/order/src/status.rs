//! Where an order stands.
//!
//! Xsolla repeats notices and does not promise their order, so a status is a function of
//! the facts seen so far and of what was delivered: no clock, no arrival order, no I/O. A
//! late notice still records its fact; it is never an error.
//!
//! Invariant: facts only grow, so [`Status::Canceled`] is absorbing. Nothing leaves it.

/// What has been seen of an order. Each only ever turns from `false` to `true`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not a state machine"
)]
pub struct Facts {
    /// A game server registered the order.
    pub created: bool,
    /// `order_paid` was seen: the order may be granted.
    pub paid: bool,
    /// The payment of its transaction was seen. Shown as paid, grants nothing.
    pub payment: bool,
    /// `order_canceled` was seen.
    pub canceled: bool,
    /// A refund of its transaction was seen. Revokes nothing: `order_canceled` does.
    pub refunded: bool,
}

impl Facts {
    /// Everything either side has seen.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            created: self.created || other.created,
            paid: self.paid || other.paid,
            payment: self.payment || other.payment,
            canceled: self.canceled || other.canceled,
            refunded: self.refunded || other.refunded,
        }
    }
}

/// How far the grant of an order has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Delivery {
    /// No grant is booked: not yet, or never (sandbox, parked, canceled first).
    Nothing,
    /// Booked, not yet handed over.
    Owed,
    /// Handed over, outcome unknown.
    Sent,
    /// The player holds it.
    Held,
}

/// What a game client is told of an order. Ordered: it never goes down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Created, not paid.
    New,
    /// Paid, not yet delivered.
    Paid,
    /// Delivered.
    Done,
    /// Canceled; what was granted is taken back.
    Canceled,
}

impl Status {
    /// The status that follows from what was seen and delivered.
    #[must_use]
    pub const fn of(facts: Facts, delivery: Delivery) -> Self {
        match (facts.canceled, facts.paid || facts.payment, delivery) {
            (true, _, _) => Self::Canceled,
            (false, true, Delivery::Held) => Self::Done,
            (false, true, Delivery::Nothing | Delivery::Owed | Delivery::Sent) => Self::Paid,
            (false, false, _) => Self::New,
        }
    }

    /// The statuses to show, in order, to somebody who has last seen `shown`.
    ///
    /// Paid is shown before done even when both were reached at once; a cancellation is
    /// shown alone. Empty when there is nothing new.
    #[must_use]
    pub fn steps_from(self, shown: Option<Self>) -> &'static [Self] {
        match (shown, self) {
            (Some(shown), now) if shown >= now => &[],
            (Some(Self::Paid), Self::Done) => &[Self::Done],
            (_, Self::New) => &[Self::New],
            (_, Self::Paid) => &[Self::Paid],
            (_, Self::Done) => &[Self::Paid, Self::Done],
            (_, Self::Canceled) => &[Self::Canceled],
        }
    }

    /// The word of the Xsolla page and of every SDK.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Paid => "paid",
            Self::Done => "done",
            Self::Canceled => "canceled",
        }
    }

    /// The inverse of [`Status::as_str`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::New, Self::Paid, Self::Done, Self::Canceled]
            .into_iter()
            .find(|s| s.as_str() == name)
    }

    /// Whether a client may stop listening.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Canceled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENTS: [Facts; 5] = [
        Facts {
            created: true,
            paid: false,
            payment: false,
            canceled: false,
            refunded: false,
        },
        Facts {
            created: false,
            paid: true,
            payment: false,
            canceled: false,
            refunded: false,
        },
        Facts {
            created: false,
            paid: false,
            payment: true,
            canceled: false,
            refunded: false,
        },
        Facts {
            created: false,
            paid: false,
            payment: false,
            canceled: true,
            refunded: false,
        },
        Facts {
            created: false,
            paid: false,
            payment: false,
            canceled: false,
            refunded: true,
        },
    ];

    /// Every sequence of up to six events, repeats included, is walked depth first.
    fn walk(
        facts: Facts,
        shown: Option<Status>,
        depth: usize,
        visit: &mut impl FnMut(&[Status], Status),
    ) {
        if depth == 0 {
            return;
        }
        for event in EVENTS {
            let facts = facts.union(event);
            let delivery = if facts.paid && !facts.canceled {
                Delivery::Held
            } else {
                Delivery::Nothing
            };
            let status = Status::of(facts, delivery);
            visit(status.steps_from(shown), status);
            walk(facts, shown.max(Some(status)), depth - 1, visit);
        }
    }

    #[test]
    fn status_never_goes_down_under_any_order_of_events() {
        fn check(facts: Facts, shown: Option<Status>, depth: usize) {
            if depth == 0 {
                return;
            }
            for event in EVENTS {
                let facts = facts.union(event);
                let delivery = if facts.paid {
                    Delivery::Held
                } else {
                    Delivery::Nothing
                };
                let status = Status::of(facts, delivery);
                assert!(
                    Some(status) >= shown,
                    "{facts:?} after {shown:?} gave {status:?}"
                );
                check(facts, Some(status), depth - 1);
            }
        }
        check(Facts::default(), None, 6);
    }

    #[test]
    fn steps_rise_and_end_at_the_status() {
        walk(Facts::default(), None, 5, &mut |steps, status| {
            assert!(steps.is_sorted_by(|a, b| a < b));
            assert!(steps.is_empty() || steps.last() == Some(&status));
        });
    }

    #[test]
    fn done_is_preceded_by_paid() {
        assert_eq!(Status::Done.steps_from(None), [Status::Paid, Status::Done]);
        assert_eq!(
            Status::Done.steps_from(Some(Status::New)),
            [Status::Paid, Status::Done]
        );
        assert_eq!(Status::Done.steps_from(Some(Status::Paid)), [Status::Done]);
        assert_eq!(Status::Canceled.steps_from(None), [Status::Canceled]);
    }

    #[test]
    fn a_refund_alone_changes_nothing_shown() {
        let refunded = Facts {
            paid: true,
            refunded: true,
            ..Facts::default()
        };
        assert_eq!(Status::of(refunded, Delivery::Held), Status::Done);
    }
}
