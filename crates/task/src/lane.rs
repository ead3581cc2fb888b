//! The work queues.

use std::fmt;
use std::str::FromStr;

use order::Kind;

/// Which work queue a notice takes: one per handler, so that a flood of grants does not
/// hold up revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Paid orders.
    Grant,
    /// Cancellations and refunds.
    Revoke,
    /// Everything that is only recorded.
    Record,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 3] = [Self::Grant, Self::Revoke, Self::Record];

    /// The lane of a kind of notice.
    #[must_use]
    pub fn of(kind: &Kind) -> Self {
        match kind {
            Kind::OrderPaid => Self::Grant,
            Kind::OrderCanceled | Kind::Refund => Self::Revoke,
            Kind::UserValidation
            | Kind::UserSearch
            | Kind::PartnerSideCatalog
            | Kind::GetPincode
            | Kind::Payment
            | Kind::PartialRefund
            | Kind::AfsReject
            | Kind::AfsBlackList
            | Kind::PsDeclined
            | Kind::Dispute
            | Kind::CreateSubscription
            | Kind::UpdateSubscription
            | Kind::CancelSubscription
            | Kind::NonRenewalSubscription
            | Kind::PaymentAccountAdd
            | Kind::PaymentAccountRemove
            | Kind::RedeemKey
            | Kind::UserBalanceOperation
            | Kind::UpgradeRefund
            | Kind::KeysAvailability
            | Kind::WebStoreUserValidation
            | Kind::WebStorePaymentValidation
            | Kind::Other(_)
            | Kind::Unreadable => Self::Record,
        }
    }

    /// The routing key, and the word of `--kinds`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Record => "record",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|lane| lane.as_str() == text)
            .ok_or_else(|| format!("expected grant, revoke or record, found `{text}`"))
    }
}
