//! The ids of a notice whose shape nobody published.

use order::{OrderId, PlayerId, TransactionId};

use crate::ReadError;
use crate::document::Object;

/// The ids a notice names, looked for where the other types have them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// `purchase.order.id`, else `order.id`.
    pub order: Option<OrderId>,
    /// `transaction.id`, else `billing.transaction.id`.
    pub transaction: Option<TransactionId>,
    /// `user.id`, else `user.external_id`, `user.user_id` or `user_id`.
    pub player: Option<PlayerId>,
}

impl Named {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let order = match root.object("purchase")?.object("order")?.id("id")? {
            Some(order) => Some(order),
            None => root.object("order")?.id("id")?,
        };
        let transaction = match root.object("transaction")?.id("id")? {
            Some(transaction) => Some(transaction),
            None => root.object("billing")?.object("transaction")?.id("id")?,
        };
        Ok(Self {
            order,
            transaction,
            player: super::player(root)?,
        })
    }
}
