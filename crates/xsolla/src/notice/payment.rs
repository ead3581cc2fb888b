//! `payment`, `refund` and `partial_refund`: separate mode, and purchases without a Store
//! order.

use order::{Money, OrderId, PlayerId, TransactionId};

use super::{NUMBER, player};
use crate::ReadError;
use crate::document::Object;

/// `payment`: money came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The transaction.
    pub transaction: Transaction,
    /// `purchase.order.id`; only with an account's toggle.
    pub order: Option<OrderId>,
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `purchase.total`.
    pub total: Option<Money>,
    /// `purchase.subscription.subscription_id`.
    pub subscription: Option<Box<str>>,
}

/// `transaction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// `transaction.id`.
    pub id: TransactionId,
    /// `transaction.dry_run`: a test payment.
    pub dry_run: bool,
}

/// `refund`: the whole payment went back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// The transaction of the original payment.
    pub transaction: Transaction,
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `refund_details.code`.
    pub code: Option<i64>,
}

/// `partial_refund`: a part of the payment went back. Nothing says for which items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialRefund {
    /// The transaction of the original payment.
    pub transaction: Option<TransactionId>,
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `refund_details.code`.
    pub code: Option<i64>,
    /// `transaction.date`: when the part went back. As it came.
    pub date: Option<Box<str>>,
    /// `payment_details.payment`: the part that went back, by its name.
    pub returned: Option<Money>,
}

impl Transaction {
    fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let transaction = root.object("transaction")?;
        Ok(Self {
            id: transaction.key("id", NUMBER)?,
            dry_run: transaction.mark("dry_run")?.unwrap_or(false),
        })
    }
}

impl Payment {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let purchase = root.object("purchase")?;
        Ok(Self {
            transaction: Transaction::read(root)?,
            order: purchase.object("order")?.id("id")?,
            player: player(root)?,
            total: purchase.object("total")?.money()?,
            subscription: purchase.object("subscription")?.text("subscription_id")?,
        })
    }
}

impl Refund {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            transaction: Transaction::read(root)?,
            player: player(root)?,
            code: root.object("refund_details")?.whole("code")?,
        })
    }
}

impl PartialRefund {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let transaction = root.object("transaction")?;
        Ok(Self {
            transaction: transaction.id("id")?,
            player: player(root)?,
            code: root.object("refund_details")?.whole("code")?,
            date: transaction.text("date")?,
            returned: root.object("payment_details")?.object("payment")?.money()?,
        })
    }
}
