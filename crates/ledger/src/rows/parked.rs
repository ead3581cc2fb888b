//! Rows of `parked`.

use bytes::Bytes;
use task::ParkedId;
use time::OffsetDateTime;

use super::{message, numbers, texts};
use crate::{LedgerError, ParkedBody, ParkedView};

#[derive(sqlx::FromRow)]
pub(crate) struct Found {
    pub(crate) id: i64,
    pub(crate) project: Option<i64>,
    pub(crate) kind: String,
    pub(crate) order_id: Option<i64>,
    pub(crate) transaction_id: Option<i64>,
    pub(crate) player: Option<String>,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) attempts: i32,
    pub(crate) trace_id: Option<String>,
    pub(crate) received_at: OffsetDateTime,
    pub(crate) parked_at: OffsetDateTime,
    pub(crate) replayed_at: Option<OffsetDateTime>,
    pub(crate) settled_at: Option<OffsetDateTime>,
}

impl Found {
    pub(crate) fn view(self) -> Result<ParkedView, LedgerError> {
        Ok(ParkedView {
            id: ParkedId(self.id),
            project: numbers("parked.project", self.project)?,
            kind: self.kind.as_str().into(),
            order: numbers("parked.order_id", self.order_id)?,
            transaction: numbers("parked.transaction_id", self.transaction_id)?,
            player: texts("parked.player", self.player.as_deref())?,
            reason: self.reason,
            detail: self.detail,
            attempts: self.attempts,
            trace_id: self.trace_id,
            received_at: self.received_at,
            parked_at: self.parked_at,
            replayed_at: self.replayed_at,
            settled_at: self.settled_at,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct WithBody {
    #[sqlx(flatten)]
    pub(crate) found: Found,
    pub(crate) message_id: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl WithBody {
    pub(crate) fn view(self) -> Result<ParkedBody, LedgerError> {
        let (message, body) = (message(&self.message_id)?, Bytes::from(self.body));
        Ok(ParkedBody {
            view: self.found.view()?,
            message,
            body,
        })
    }
}
