//! Rows of `transactions`.

use super::{number, numbers, texts};
use crate::LedgerError;
use crate::books::{TransactionKey, TransactionRow};

#[derive(sqlx::FromRow)]
pub(crate) struct Found {
    pub(crate) project: i64,
    pub(crate) transaction_id: i64,
    pub(crate) order_id: Option<i64>,
    pub(crate) player: Option<String>,
    pub(crate) payment: bool,
    pub(crate) refund: bool,
    pub(crate) refund_code: Option<i64>,
    pub(crate) sandbox: Option<bool>,
}

impl Found {
    pub(crate) fn row(self) -> Result<(TransactionKey, TransactionRow), LedgerError> {
        let project = number("transactions.project", self.project)?;
        let key = (
            project,
            number("transactions.transaction_id", self.transaction_id)?,
        );
        let row = TransactionRow {
            order: numbers("transactions.order_id", self.order_id)?,
            player: texts("transactions.player", self.player.as_deref())?,
            payment: self.payment,
            refund: self.refund,
            refund_code: self.refund_code,
            sandbox: self.sandbox,
        };
        Ok((key, row))
    }
}
