//! `quarantine`: what no secret fits yet. Ciphertext comes in and goes out.
//!
//! Every call is one statement: a webhook's answer may be dropped at any time, and a
//! statement of its own leaves no transaction behind.

use std::collections::BTreeMap;

use order::ProjectId;
use time::OffsetDateTime;

use super::Ledger;
use super::pool::Lent;
use crate::LedgerError;
use crate::quarantine::{Custody, QuarantineId, QuarantineRoom, QuarantinedBody, SealedBody};
use crate::rows::{number, unreadable};

/// Bodies read at once: with the largest ones, a few megabytes.
const PAGE_ROWS: i64 = 16;

#[derive(sqlx::FromRow)]
struct Found {
    id: i64,
    digest: Vec<u8>,
    sealed: Vec<u8>,
    received_at: OffsetDateTime,
}

impl Ledger {
    pub(crate) async fn quarantine(
        &self,
        body: &SealedBody,
        room: QuarantineRoom,
    ) -> Result<Custody, LedgerError> {
        let write = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
            "WITH used AS MATERIALIZED (
                 SELECT count(*) < $7 AND coalesce(sum(octet_length(sealed)), 0) + octet_length($4::bytea) <= $8
                        AS has_room
                 FROM quarantine WHERE project = $1
             ), known AS MATERIALIZED (
                 SELECT EXISTS (SELECT FROM quarantine WHERE project = $1 AND digest = $2) AS is_known
             ), added AS (
                 INSERT INTO quarantine (project, digest, key_id, sealed, received_at, expires_at)
                 SELECT $1, $2, $3, $4, $5, $6 FROM used, known WHERE has_room OR is_known
                 ON CONFLICT (project, digest) DO UPDATE
                 SET key_id = excluded.key_id, sealed = excluded.sealed,
                     taken_until = NULL, unreadable_at = NULL
                 WHERE quarantine.unreadable_at IS NOT NULL OR quarantine.key_id <> excluded.key_id
                 RETURNING id
             )
             SELECT EXISTS (SELECT FROM added), is_known, has_room FROM used, known",
        )
        .bind(body.project.get())
        .bind(body.digest.as_slice())
        .bind(body.key.as_slice())
        .bind(body.sealed.as_slice())
        .bind(body.received_at)
        .bind(body.expires_at)
        .bind(i64::from(room.bodies))
        .bind(i64::try_from(room.bytes).unwrap_or(i64::MAX))
        .fetch_one(&mut *connection)
        .await?)
        };
        let (added, known, has_room): (bool, bool, bool) = self.pool.within(write).await?;
        Ok(match (added, known, has_room) {
            (true, _, _) => Custody::Kept,
            // With room and nothing added, another process has just kept the same body.
            (false, true, _) | (false, false, true) => Custody::Known,
            (false, false, false) => Custody::Full,
        })
    }

    pub(crate) async fn quarantined(
        &self,
        project: ProjectId,
        key: [u8; 8],
        after: QuarantineId,
        at: OffsetDateTime,
    ) -> Result<Vec<QuarantinedBody>, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
                "SELECT id, digest, sealed, received_at FROM quarantine
             WHERE project = $1 AND key_id = $2 AND id > $3 AND unreadable_at IS NULL
               AND (taken_until IS NULL OR taken_until <= $4)
             ORDER BY id LIMIT $5",
            )
            .bind(project.get())
            .bind(key.as_slice())
            .bind(after.0)
            .bind(at)
            .bind(PAGE_ROWS)
            .fetch_all(&mut *connection)
            .await?)
        };
        let found: Vec<Found> = self.pool.within(read).await?;
        found.into_iter().map(Found::body).collect()
    }

    pub(crate) async fn take_quarantined(
        &self,
        id: QuarantineId,
        at: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        let write = |mut connection: Lent| async move {
            Ok(sqlx::query(
                "UPDATE quarantine SET taken_until = $3
             WHERE id = $1 AND (taken_until IS NULL OR taken_until <= $2)",
            )
            .bind(id.0)
            .bind(at)
            .bind(until)
            .execute(&mut *connection)
            .await?)
        };
        let taken = self.pool.within(write).await?;
        Ok(taken.rows_affected() == 1)
    }

    pub(crate) async fn put_back_quarantined(&self, id: QuarantineId) -> Result<(), LedgerError> {
        let write = |mut connection: Lent| async move {
            Ok(
                sqlx::query("UPDATE quarantine SET taken_until = NULL WHERE id = $1")
                    .bind(id.0)
                    .execute(&mut *connection)
                    .await?,
            )
        };
        self.pool.within(write).await?;
        Ok(())
    }

    pub(crate) async fn release_quarantined(&self, id: QuarantineId) -> Result<(), LedgerError> {
        let write = |mut connection: Lent| async move {
            Ok(sqlx::query("DELETE FROM quarantine WHERE id = $1")
                .bind(id.0)
                .execute(&mut *connection)
                .await?)
        };
        self.pool.within(write).await?;
        Ok(())
    }

    pub(crate) async fn quarantined_is_unreadable(
        &self,
        id: QuarantineId,
        at: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        let write = |mut connection: Lent| async move {
            Ok(sqlx::query(
                "UPDATE quarantine SET unreadable_at = $2 WHERE id = $1 AND unreadable_at IS NULL",
            )
            .bind(id.0)
            .bind(at)
            .execute(&mut *connection)
            .await?)
        };
        let noted = self.pool.within(write).await?;
        Ok(noted.rows_affected() == 1)
    }

    pub(crate) async fn expire_quarantined(
        &self,
        at: OffsetDateTime,
    ) -> Result<BTreeMap<ProjectId, u64>, LedgerError> {
        let write = |mut connection: Lent| async move {
            Ok(sqlx::query_scalar(
                "DELETE FROM quarantine WHERE expires_at <= $1 RETURNING project",
            )
            .bind(at)
            .fetch_all(&mut *connection)
            .await?)
        };
        let projects: Vec<i64> = self.pool.within(write).await?;
        let mut expired = BTreeMap::new();
        for project in projects {
            *expired
                .entry(number("quarantine.project", project)?)
                .or_default() += 1;
        }
        Ok(expired)
    }

    pub(crate) async fn quarantine_size(&self, project: ProjectId) -> Result<u64, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(
                sqlx::query_scalar("SELECT count(*) FROM quarantine WHERE project = $1")
                    .bind(project.get())
                    .fetch_one(&mut *connection)
                    .await?,
            )
        };
        let bodies: i64 = self.pool.within(read).await?;
        number("quarantine count", bodies)
    }
}

impl Found {
    fn body(self) -> Result<QuarantinedBody, LedgerError> {
        let digest = self.digest.try_into().map_err(|found: Vec<u8>| {
            unreadable("quarantine.digest", format!("{} bytes", found.len()))
        })?;
        Ok(QuarantinedBody {
            id: QuarantineId(self.id),
            digest,
            sealed: self.sealed,
            received_at: self.received_at,
        })
    }
}
