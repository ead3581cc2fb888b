//! `afs_reject`, `afs_black_list` and `dispute`.

use order::{PlayerId, TransactionId};

use super::player;
use crate::ReadError;
use crate::document::Object;

/// `afs_reject`: the anti-fraud system declined a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfsReject {
    /// `transaction.id`.
    pub transaction: Option<TransactionId>,
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `refund_details.code`.
    pub code: Option<i64>,
    /// `transaction.dry_run`: a test payment.
    pub dry_run: bool,
}

/// `afs_black_list`: the anti-fraud block list changed. What was blocked is personal and
/// not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AfsBlackList {
    /// `event.transaction_id`.
    pub transaction: Option<TransactionId>,
    /// `event.action`, such as `adding` or `removing`.
    pub action: Option<Box<str>>,
    /// `event.reason`.
    pub reason: Option<Box<str>>,
}

/// `dispute`: a dispute was opened or its status changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dispute {
    /// `transaction.id`.
    pub transaction: Option<TransactionId>,
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `action`, `adding` or `updating`.
    pub action: Option<Box<str>>,
    /// `dispute.incoming_date`. As it came.
    pub incoming_date: Option<Box<str>>,
    /// `dispute.reason`.
    pub reason: Option<Box<str>>,
    /// `dispute.type`, such as `1st_time_chargeback`.
    pub dispute_type: Option<Box<str>>,
    /// `dispute.status`.
    pub status: Option<Box<str>>,
}

impl AfsReject {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let transaction = root.object("transaction")?;
        Ok(Self {
            transaction: transaction.id("id")?,
            player: player(root)?,
            code: root.object("refund_details")?.whole("code")?,
            dry_run: transaction.mark("dry_run")?.unwrap_or(false),
        })
    }
}

impl AfsBlackList {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let event = root.object("event")?;
        Ok(Self {
            transaction: event.id("transaction_id")?,
            action: event.text("action")?,
            reason: event.text("reason")?,
        })
    }
}

impl Dispute {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let dispute = root.object("dispute")?;
        Ok(Self {
            transaction: root.object("transaction")?.id("id")?,
            player: player(root)?,
            action: root.text("action")?,
            incoming_date: dispute.text("incoming_date")?,
            reason: dispute.text("reason")?,
            dispute_type: dispute.text("type")?,
            status: dispute.text("status")?,
        })
    }
}
