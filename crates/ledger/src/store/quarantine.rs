//! The quarantine as its callers see it.

use std::collections::BTreeMap;

use order::ProjectId;
use time::OffsetDateTime;

use super::{Ledger, Store};
use crate::LedgerError;
use crate::quarantine::{Custody, QuarantineId, QuarantineRoom, QuarantinedBody, SealedBody};

impl Ledger {
    /// Keeps a body while there is room. A body that is there already is not kept twice,
    /// and takes the place of its likeness that was unreadable or sealed with another key.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn quarantine(
        &self,
        body: &SealedBody,
        room: QuarantineRoom,
    ) -> Result<Custody, LedgerError> {
        either!(self.quarantine(body, room))
    }

    /// Bodies after `after` that `key` sealed, oldest first: a few at a time, none only at
    /// the end. Leaves out what is being put on the queue and what could not be opened.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn quarantined(
        &self,
        project: ProjectId,
        key: [u8; 8],
        after: QuarantineId,
        at: OffsetDateTime,
    ) -> Result<Vec<QuarantinedBody>, LedgerError> {
        either!(self.quarantined(project, key, after, at))
    }

    /// Takes a body until then, for putting it on the queue. `false` when another process
    /// has taken it, or has done with it.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn take_quarantined(
        &self,
        id: QuarantineId,
        at: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        either!(self.take_quarantined(id, at, until))
    }

    /// Puts back a body that was taken.
    ///
    /// # Errors
    /// When the database is not available; then it is free when its time is over.
    pub async fn put_back_quarantined(&self, id: QuarantineId) -> Result<(), LedgerError> {
        either!(self.put_back_quarantined(id))
    }

    /// Removes a body that is on the queue.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn release_quarantined(&self, id: QuarantineId) -> Result<(), LedgerError> {
        either!(self.release_quarantined(id))
    }

    /// Notes that a body cannot be opened with the key that it names. It is not read again
    /// and stays until it expires. `false` when that was known.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn quarantined_is_unreadable(
        &self,
        id: QuarantineId,
        at: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        either!(self.quarantined_is_unreadable(id, at))
    }

    /// Gives up what has expired, of every project. Says how many bodies of which.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn expire_quarantined(
        &self,
        at: OffsetDateTime,
    ) -> Result<BTreeMap<ProjectId, u64>, LedgerError> {
        either!(self.expire_quarantined(at))
    }

    /// How many bodies of a project are in the quarantine.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn quarantine_size(&self, project: ProjectId) -> Result<u64, LedgerError> {
        either!(self.quarantine_size(project))
    }
}
