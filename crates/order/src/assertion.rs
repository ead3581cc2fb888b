//! What a notice claims has happened, in our own terms.

use std::fmt::Write as _;

use crate::{Content, OrderId, Plan, PlayerId, TransactionId};

/// What one notice asserts. The ledger books it; nothing of Xsolla's JSON is left in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Assertion {
    /// A game server created an order.
    Created {
        /// The order.
        order: OrderId,
        /// Its player.
        player: PlayerId,
        /// What it contains, where the game server says so.
        content: Content,
    },
    /// `order_paid`.
    Paid {
        /// The order.
        order: OrderId,
        /// Its player.
        player: PlayerId,
        /// The real-money transaction. `None` for free and virtual-currency orders.
        transaction: Option<TransactionId>,
        /// Whether the notice also reports the payment itself (combined mode).
        payment: bool,
        /// Whether this is a test purchase.
        sandbox: bool,
        /// What was bought.
        content: Content,
        /// What of it is granted.
        grant: Grant,
    },
    /// `order_canceled`.
    Canceled {
        /// The order.
        order: OrderId,
        /// Its player, where the notice names one.
        player: Option<PlayerId>,
        /// The real-money transaction.
        transaction: Option<TransactionId>,
        /// Whether the notice also reports the refund itself (combined mode).
        refund: bool,
        /// Whether this is a test purchase.
        sandbox: bool,
    },
    /// `payment`.
    Payment {
        /// The transaction.
        transaction: TransactionId,
        /// The order it pays, where the notice names one.
        order: Option<OrderId>,
        /// Who paid.
        player: Option<PlayerId>,
        /// Whether this is a test payment.
        sandbox: bool,
    },
    /// `refund`.
    Refund {
        /// The transaction given back.
        transaction: TransactionId,
        /// Who had paid.
        player: Option<PlayerId>,
        /// Xsolla's refund code.
        code: Option<i64>,
    },
    /// Anything else that is only kept.
    Recorded {
        /// The order, where the notice names one.
        order: Option<OrderId>,
        /// The transaction, where the notice names one.
        transaction: Option<TransactionId>,
        /// The player, where the notice names one.
        player: Option<PlayerId>,
    },
    /// Nothing can be made of it: a person has to look.
    Unprocessable {
        /// Why.
        reason: ParkReason,
        /// What was found and what was expected. No personal data.
        detail: String,
    },
}

/// What a paid order entitles its player to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Grant {
    /// Grant this.
    Lines(Plan),
    /// A test purchase, and the project does not grant those.
    Sandbox,
    /// A person has to decide.
    Unclear {
        /// Why.
        reason: ParkReason,
        /// What was found and what was expected. No personal data.
        detail: String,
    },
}

/// Why something waits for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ParkReason {
    /// The body is no notice we can read.
    Unreadable,
    /// The body names another project than the URL.
    OtherProject,
    /// A field that is needed is missing or has an impossible value.
    MissingField,
    /// A paid order without anything to grant.
    NothingToGrant,
    /// The order belongs to another player.
    OtherPlayer,
    /// The transaction belongs to another order.
    OtherOrder,
    /// The ledger does not accept the data.
    Rejected,
    /// The broker gave up after too many deliveries.
    DeliveryLimit,
    /// The broker had no queue for it.
    Unrouted,
}

impl ParkReason {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::Unreadable,
        Self::OtherProject,
        Self::MissingField,
        Self::NothingToGrant,
        Self::OtherPlayer,
        Self::OtherOrder,
        Self::Rejected,
        Self::DeliveryLimit,
        Self::Unrouted,
    ];

    /// As stored, shown and counted.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::OtherProject => "other_project",
            Self::MissingField => "missing_field",
            Self::NothingToGrant => "nothing_to_grant",
            Self::OtherPlayer => "other_player",
            Self::OtherOrder => "other_order",
            Self::Rejected => "rejected",
            Self::DeliveryLimit => "delivery_limit",
            Self::Unrouted => "unrouted",
        }
    }

    /// The inverse of [`ParkReason::as_str`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == name)
    }
}

impl Assertion {
    /// The order it is about.
    #[must_use]
    pub const fn order(&self) -> Option<OrderId> {
        match self {
            Self::Created { order, .. }
            | Self::Paid { order, .. }
            | Self::Canceled { order, .. } => Some(*order),
            Self::Payment { order, .. } | Self::Recorded { order, .. } => *order,
            Self::Refund { .. } | Self::Unprocessable { .. } => None,
        }
    }

    /// The transaction it is about.
    #[must_use]
    pub const fn transaction(&self) -> Option<TransactionId> {
        match self {
            Self::Paid { transaction, .. }
            | Self::Canceled { transaction, .. }
            | Self::Recorded { transaction, .. } => *transaction,
            Self::Payment { transaction, .. } | Self::Refund { transaction, .. } => {
                Some(*transaction)
            }
            Self::Created { .. } | Self::Unprocessable { .. } => None,
        }
    }

    /// The player it is about.
    #[must_use]
    pub const fn player(&self) -> Option<&PlayerId> {
        match self {
            Self::Created { player, .. } | Self::Paid { player, .. } => Some(player),
            Self::Canceled { player, .. }
            | Self::Payment { player, .. }
            | Self::Refund { player, .. }
            | Self::Recorded { player, .. } => player.as_ref(),
            Self::Unprocessable { .. } => None,
        }
    }

    /// Everything that must be equal in a repeat: ids, player, mode, items and amounts.
    ///
    /// Stable over versions, for the digests in Redis and in the ledger are made of it.
    /// A repeat need not be byte-equal, so the body itself is not part of it.
    #[must_use]
    pub fn canonical(&self) -> String {
        let mut text = String::with_capacity(128);
        let number = |id: Option<i64>| id.map_or_else(String::new, |id| id.to_string());
        let player = self.player().map_or("", PlayerId::as_str);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "{}\n{}\n{}\n",
            number(self.order().map(OrderId::get)),
            number(self.transaction().map(TransactionId::get)),
            player,
        );
        match self {
            Self::Paid {
                content,
                sandbox,
                payment: billing,
                ..
            } => {
                write_mode(&mut text, *sandbox, *billing);
                write_content(&mut text, content);
            }
            Self::Canceled {
                sandbox,
                refund: billing,
                ..
            } => write_mode(&mut text, *sandbox, *billing),
            Self::Payment { sandbox, .. } => write_mode(&mut text, *sandbox, false),
            Self::Created { .. }
            | Self::Refund { .. }
            | Self::Recorded { .. }
            | Self::Unprocessable { .. } => {}
        }
        text
    }
}

fn write_mode(text: &mut String, sandbox: bool, billing: bool) {
    let purchase = if sandbox { "sandbox" } else { "live" };
    let store = if billing { "combined" } else { "separate" };
    let _ = writeln!(text, "{purchase}\t{store}");
}

fn write_content(text: &mut String, content: &Content) {
    let money = |money: &Option<crate::Money>| {
        money
            .as_ref()
            .map_or_else(String::new, |m| format!("{} {}", m.amount, m.currency))
    };
    let _ = writeln!(text, "{}", money(&content.price));
    for item in &content.items {
        let _ = writeln!(
            text,
            "{}\t{}\t{}",
            item.sku,
            item.quantity,
            money(&item.price)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_park_reason_is_found_by_its_name() {
        for reason in ParkReason::ALL {
            assert_eq!(ParkReason::from_name(reason.as_str()), Some(reason));
        }
    }

    #[test]
    fn a_repeat_for_another_player_has_another_canonical_form() {
        let payment = |player: &str| Assertion::Payment {
            transaction: "7".parse().unwrap(),
            order: None,
            player: Some(player.parse().unwrap()),
            sandbox: false,
        };
        assert_eq!(payment("a").canonical(), payment("a").canonical());
        assert_ne!(payment("a").canonical(), payment("b").canonical());
    }

    #[test]
    fn a_repeat_in_another_mode_has_another_canonical_form() {
        let forms = |sandbox, billing| {
            let (order, player) = ("7".parse().unwrap(), "a".parse().unwrap());
            [
                Assertion::Paid {
                    order,
                    player,
                    transaction: None,
                    payment: billing,
                    sandbox,
                    content: Content::default(),
                    grant: Grant::Sandbox,
                },
                Assertion::Canceled {
                    order,
                    player: None,
                    transaction: None,
                    refund: billing,
                    sandbox,
                },
                Assertion::Payment {
                    transaction: "8".parse().unwrap(),
                    order: Some(order),
                    player: None,
                    sandbox,
                },
            ]
            .map(|assertion| assertion.canonical())
        };
        assert_eq!(forms(true, true), forms(true, true));
        for (live, test) in forms(false, false).iter().zip(forms(true, false)) {
            assert_ne!(*live, test);
        }
        // A payment has no billing beside itself.
        for (separate, combined) in forms(false, false)[..2].iter().zip(forms(false, true)) {
            assert_ne!(*separate, combined);
        }
    }
}
