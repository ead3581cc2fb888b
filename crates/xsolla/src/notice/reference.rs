//! What makes two notices of one kind the same one.

use std::fmt::Write as _;

use order::{Money, Reference};
use sha1::{Digest as _, Sha1};

use super::{Dispute, Notice, PartialRefund};

impl Notice {
    /// What, beside project and kind, makes this notice the same as another.
    ///
    /// `message` is the digest of the body, in hexadecimal: the last resort, which takes
    /// only byte-equal repeats for one notice.
    #[must_use]
    pub fn reference(&self, message: &str) -> Reference {
        match self {
            Self::OrderPaid(paid) => Reference::order(paid.order.id),
            Self::OrderCanceled(canceled) => Reference::order(canceled.order.id),
            Self::Payment(payment) => Reference::transaction(payment.transaction.id),
            Self::Refund(refund) => Reference::transaction(refund.transaction.id),
            Self::PartialRefund(refund) => part(refund, message),
            Self::Dispute(dispute) => stage(dispute, message),
            Self::UpdateSubscription(subscription) => {
                match (&subscription.id, &subscription.next_charge) {
                    (Some(id), Some(date)) => Reference::subscription(id, date),
                    (Some(_) | None, _) => Reference::message(message),
                }
            }
            Self::UserValidation(_)
            | Self::UserSearch(_)
            | Self::PartnerSideCatalog(_)
            | Self::GetPincode(_)
            | Self::AfsReject(_)
            | Self::AfsBlackList(_)
            | Self::PsDeclined(_)
            | Self::CreateSubscription(_)
            | Self::CancelSubscription(_)
            | Self::NonRenewalSubscription(_)
            | Self::PaymentAccountAdd(_)
            | Self::PaymentAccountRemove(_)
            | Self::RedeemKey(_)
            | Self::UserBalanceOperation(_)
            | Self::UpgradeRefund(_)
            | Self::KeysAvailability(_)
            | Self::WebStoreUserValidation(_)
            | Self::WebStorePaymentValidation(_)
            | Self::Other { .. } => Reference::message(message),
        }
    }
}

/// A payment may go back in several equal parts, so without a date only the whole body
/// tells two of them apart.
fn part(refund: &PartialRefund, message: &str) -> Reference {
    let Some(transaction) = refund.transaction else {
        return Reference::message(message);
    };
    let Some(date) = refund.date.as_deref() else {
        return Reference::part(transaction, message);
    };
    let code = refund.code.map(|code| code.to_string());
    let returned = refund.returned.as_ref();
    let amount = returned.map(|money| money.amount.to_string());
    let currency = returned.map(|money: &Money| &*money.currency);
    let fields = [Some(date), code.as_deref(), amount.as_deref(), currency];
    Reference::part(transaction, &digest(&fields))
}

fn stage(dispute: &Dispute, message: &str) -> Reference {
    let Some(transaction) = dispute.transaction else {
        return Reference::message(message);
    };
    let fields = [
        &dispute.action,
        &dispute.incoming_date,
        &dispute.reason,
        &dispute.dispute_type,
        &dispute.status,
    ];
    Reference::part(transaction, &digest(&fields.map(Option::as_deref)))
}

/// A digest of fields, each with its length so that their borders cannot be mistaken.
///
/// Stored in the ledger: what goes into it must not change between versions.
fn digest(fields: &[Option<&str>]) -> String {
    let mut text = String::new();
    for field in fields {
        // Writing to a String cannot fail.
        let _ = match field {
            Some(field) => write!(text, "{}:{field};", field.len()),
            None => write!(text, "-;"),
        };
    }
    hex::encode(Sha1::digest(text))
}
