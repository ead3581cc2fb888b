//! What a notice is about, and what makes two notices the same one.

use std::fmt;

use crate::{OrderId, TransactionId};

macro_rules! kinds {
    ($($variant:ident = $name:literal),+ $(,)?) => {
        /// Xsolla's `notification_type`.
        ///
        /// Xsolla may add types at any time: an unknown one is kept by its name and
        /// travels the whole line.
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = concat!("`", $name, "`")] $variant,)+
            /// A type this version does not know.
            Other(Box<str>),
            /// A signed body in which no type could be found.
            Unreadable,
        }

        impl Kind {
            /// Every type known by name.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant),+];

            /// Xsolla's name of the type.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(name) => name,
                    Self::Unreadable => "unreadable",
                }
            }
        }

        impl From<&str> for Kind {
            /// Never fails: an unknown name becomes [`Kind::Other`], cut to 64 characters.
            fn from(name: &str) -> Self {
                match name {
                    $($name => Self::$variant,)+
                    "" | "unreadable" => Self::Unreadable,
                    other => Self::Other(other.chars().filter(|c| !c.is_control()).take(64).collect()),
                }
            }
        }
    };
}

kinds! {
    UserValidation = "user_validation",
    UserSearch = "user_search",
    PartnerSideCatalog = "partner_side_catalog",
    GetPincode = "get_pincode",
    Payment = "payment",
    OrderPaid = "order_paid",
    Refund = "refund",
    PartialRefund = "partial_refund",
    OrderCanceled = "order_canceled",
    AfsReject = "afs_reject",
    AfsBlackList = "afs_black_list",
    PsDeclined = "ps_declined",
    Dispute = "dispute",
    CreateSubscription = "create_subscription",
    UpdateSubscription = "update_subscription",
    CancelSubscription = "cancel_subscription",
    NonRenewalSubscription = "non_renewal_subscription",
    PaymentAccountAdd = "payment_account_add",
    PaymentAccountRemove = "payment_account_remove",
    RedeemKey = "redeem_key",
    UserBalanceOperation = "user_balance_operation",
    UpgradeRefund = "upgrade_refund",
    KeysAvailability = "keys_availability",
    WebStoreUserValidation = "web_store_user_validation",
    WebStorePaymentValidation = "web_store_payment_validation",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What, beside project and kind, makes two notices the same one.
///
/// The order for order notices, the transaction for payments and refunds; where the
/// notice has neither, a digest, so that only a byte-equal repeat counts as one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference(Box<str>);

impl Reference {
    /// The order's number.
    #[must_use]
    pub fn order(order: OrderId) -> Self {
        Self(order.to_string().into())
    }

    /// The transaction's number.
    #[must_use]
    pub fn transaction(transaction: TransactionId) -> Self {
        Self(transaction.to_string().into())
    }

    /// One of several notices about a transaction, told apart by a digest of the fields
    /// that matter.
    #[must_use]
    pub fn part(transaction: TransactionId, digest: &str) -> Self {
        Self(format!("{transaction}:{digest}").into())
    }

    /// A renewal: the subscription and the date of its next charge.
    #[must_use]
    pub fn subscription(id: &str, next_charge: &str) -> Self {
        Self(format!("{id}:{next_charge}").into())
    }

    /// The message's own digest, for notices that name nothing.
    #[must_use]
    pub fn message(digest: &str) -> Self {
        Self(digest.into())
    }

    /// As stored in the ledger and in Redis keys.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_kind_is_found_by_its_name() {
        for kind in Kind::KNOWN {
            assert_eq!(&Kind::from(kind.as_str()), kind);
        }
    }

    #[test]
    fn an_unknown_kind_keeps_its_name_within_bounds() {
        assert_eq!(Kind::from("brand_new").as_str(), "brand_new");
        assert_eq!(Kind::from("x".repeat(99).as_str()).as_str().len(), 64);
        assert_eq!(Kind::from(""), Kind::Unreadable);
    }
}
