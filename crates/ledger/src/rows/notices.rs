//! Rows of `notices`.

use task::ParkedId;
use time::OffsetDateTime;

use super::{digest, message, numbers, texts, unreadable};
use crate::books::{FirstSeen, Ids};
use crate::{LedgerError, NoticeView, Outcome};

/// What is known of a notice that has been decided.
pub(crate) struct Found {
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    pub(crate) parked_id: Option<i64>,
    pub(crate) message_id: Vec<u8>,
    pub(crate) fingerprint: Vec<u8>,
    pub(crate) order_id: Option<i64>,
    pub(crate) transaction_id: Option<i64>,
    pub(crate) player: Option<String>,
    pub(crate) trace_id: Option<String>,
}

impl Found {
    pub(crate) fn first_seen(self) -> Result<FirstSeen, LedgerError> {
        let outcome = Outcome::from_words(&self.outcome, self.reason.as_deref())
            .ok_or_else(|| unreadable("notices.outcome", self.outcome))?;
        Ok(FirstSeen {
            message: message(&self.message_id)?,
            fingerprint: digest("notices.fingerprint", &self.fingerprint)?,
            outcome,
            parked: self.parked_id.map(ParkedId),
            ids: Ids {
                order: numbers("notices.order_id", self.order_id)?,
                transaction: numbers("notices.transaction_id", self.transaction_id)?,
                player: texts("notices.player", self.player.as_deref())?,
            },
            trace_id: self.trace_id,
        })
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct Shown {
    pub(crate) kind: String,
    pub(crate) reference: String,
    pub(crate) message_id: Vec<u8>,
    pub(crate) seen: i64,
    pub(crate) first_at: OffsetDateTime,
    pub(crate) last_at: OffsetDateTime,
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
    pub(crate) parked_id: Option<i64>,
    pub(crate) trace_id: Option<String>,
}

impl Shown {
    pub(crate) fn view(self) -> Result<NoticeView, LedgerError> {
        Ok(NoticeView {
            kind: self.kind.as_str().into(),
            reference: self.reference,
            message: message(&self.message_id)?,
            seen: self.seen,
            first_at: self.first_at,
            last_at: self.last_at,
            outcome: self.outcome,
            reason: self.reason,
            parked: self.parked_id.map(ParkedId),
            trace_id: self.trace_id,
        })
    }
}
