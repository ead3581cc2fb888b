//! Rows of `orders`.

use order::{Facts, Status};
use serde_json::Value;
use time::OffsetDateTime;

use super::{named, number, numbers, texts};
use crate::books::{OrderKey, OrderRow};
use crate::{LedgerError, OrderView, content};

#[derive(sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "one column per fact")]
pub(crate) struct Found {
    pub(crate) project: i64,
    pub(crate) order_id: i64,
    pub(crate) player: Option<String>,
    pub(crate) transaction_id: Option<i64>,
    pub(crate) sandbox: bool,
    pub(crate) created: bool,
    pub(crate) paid: bool,
    pub(crate) payment: bool,
    pub(crate) canceled: bool,
    pub(crate) refunded: bool,
    pub(crate) status: String,
    pub(crate) shown: Option<String>,
    pub(crate) content: Option<Value>,
    pub(crate) first_at: OffsetDateTime,
    pub(crate) last_at: OffsetDateTime,
}

impl Found {
    const fn facts(&self) -> Facts {
        Facts {
            created: self.created,
            paid: self.paid,
            payment: self.payment,
            canceled: self.canceled,
            refunded: self.refunded,
        }
    }

    pub(crate) fn row(self) -> Result<(OrderKey, OrderRow), LedgerError> {
        let project = number("orders.project", self.project)?;
        let key = (project, number("orders.order_id", self.order_id)?);
        let shown = self
            .shown
            .as_deref()
            .map(|shown| named("orders.shown", shown, Status::from_name));
        let row = OrderRow {
            facts: self.facts(),
            player: texts("orders.player", self.player.as_deref())?,
            transaction: numbers("orders.transaction_id", self.transaction_id)?,
            sandbox: self.sandbox,
            shown: shown.transpose()?,
            content: self.content.map(content::from_json).transpose()?,
        };
        Ok((key, row))
    }

    pub(crate) fn view(self) -> Result<OrderView, LedgerError> {
        Ok(OrderView {
            order: number("orders.order_id", self.order_id)?,
            player: texts("orders.player", self.player.as_deref())?,
            status: named("orders.status", &self.status, Status::from_name)?,
            facts: self.facts(),
            sandbox: self.sandbox,
            transaction: numbers("orders.transaction_id", self.transaction_id)?,
            content: self.content.map(content::from_json).transpose()?,
            first_at: self.first_at,
            last_at: self.last_at,
            statuses: Vec::new(),
            bookings: Vec::new(),
            notices: Vec::new(),
            conflicts: Vec::new(),
        })
    }
}
