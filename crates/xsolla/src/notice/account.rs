//! `payment_account_add`, `payment_account_remove`, `redeem_key` and
//! `user_balance_operation`.

use order::{PlayerId, Sku, TransactionId};

use super::player;
use crate::ReadError;
use crate::document::Object;

/// A saved payment account was added or removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentAccount {
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `payment_account.id`.
    pub id: Option<Box<str>>,
}

/// `redeem_key`: a game key was activated. The key itself is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedeemKey {
    /// `user_id`, on the top level.
    pub player: Option<PlayerId>,
    /// `sku`.
    pub sku: Option<Sku>,
    /// `activation_date`. As it came.
    pub activated: Option<Box<str>>,
}

/// `user_balance_operation`, of the old virtual-currency module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserBalanceOperation {
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `transaction.id`.
    pub transaction: Option<TransactionId>,
    /// `operation_type`, such as `payment` or `coupon`.
    pub operation: Option<Box<str>>,
    /// `id_operation`.
    pub id: Option<Box<str>>,
}

impl PaymentAccount {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            player: player(root)?,
            id: root.object("payment_account")?.text("id")?,
        })
    }
}

impl RedeemKey {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            player: player(root)?,
            sku: root.id("sku")?,
            activated: root.text("activation_date")?,
        })
    }
}

impl UserBalanceOperation {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            player: player(root)?,
            transaction: root.object("transaction")?.id("id")?,
            operation: root.text("operation_type")?,
            id: root.text("id_operation")?,
        })
    }
}
