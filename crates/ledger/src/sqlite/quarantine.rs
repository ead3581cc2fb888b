//! `quarantine`: what no secret fits yet. Ciphertext comes in and goes out.

use std::collections::BTreeMap;

use order::ProjectId;
use rusqlite::{Connection, Row, params};
use time::OffsetDateTime;

use super::Ledger;
use super::columns::Instant;
use super::statement::{all, execute, first};
use crate::LedgerError;
use crate::quarantine::{Custody, QuarantineId, QuarantineRoom, QuarantinedBody, SealedBody};
use crate::rows::number;

/// Bodies read at once: with the largest ones, a few megabytes.
const PAGE_ROWS: i64 = 16;

impl Ledger {
    pub(crate) async fn quarantine(
        &self,
        body: &SealedBody,
        room: QuarantineRoom,
    ) -> Result<Custody, LedgerError> {
        let body = body.clone();
        let keep = move |connection: &Connection| {
            let is_known = is_known(connection, &body)?;
            if !is_known && !has_room(connection, &body, room)? {
                return Ok(Custody::Full);
            }
            let kept = put(connection, &body)?;
            Ok(if kept { Custody::Kept } else { Custody::Known })
        };
        self.file.write(keep).await
    }

    pub(crate) async fn quarantined(
        &self,
        project: ProjectId,
        key: [u8; 8],
        after: QuarantineId,
        at: OffsetDateTime,
    ) -> Result<Vec<QuarantinedBody>, LedgerError> {
        let read = move |connection: &Connection| {
            all(
                connection,
                "SELECT id, digest, sealed, received_at FROM quarantine
                 WHERE project = ?1 AND key_id = ?2 AND id > ?3 AND unreadable_at IS NULL
                   AND (taken_until IS NULL OR taken_until <= ?4)
                 ORDER BY id LIMIT ?5",
                params![project.get(), key, after.0, Instant(at), PAGE_ROWS],
                body,
            )
        };
        self.file.read(read).await
    }

    pub(crate) async fn take_quarantined(
        &self,
        id: QuarantineId,
        at: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        let take = move |connection: &Connection| {
            execute(
                connection,
                "UPDATE quarantine SET taken_until = ?3
                 WHERE id = ?1 AND (taken_until IS NULL OR taken_until <= ?2)",
                params![id.0, Instant(at), Instant(until)],
            )
        };
        Ok(self.file.write(take).await? == 1)
    }

    pub(crate) async fn put_back_quarantined(&self, id: QuarantineId) -> Result<(), LedgerError> {
        let put_back = move |connection: &Connection| {
            let sql = "UPDATE quarantine SET taken_until = NULL WHERE id = ?1";
            execute(connection, sql, [id.0])
        };
        self.file.write(put_back).await.map(drop)
    }

    pub(crate) async fn release_quarantined(&self, id: QuarantineId) -> Result<(), LedgerError> {
        let release = move |connection: &Connection| {
            execute(connection, "DELETE FROM quarantine WHERE id = ?1", [id.0])
        };
        self.file.write(release).await.map(drop)
    }

    pub(crate) async fn quarantined_is_unreadable(
        &self,
        id: QuarantineId,
        at: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        let note = move |connection: &Connection| {
            execute(
                connection,
                "UPDATE quarantine SET unreadable_at = ?2 WHERE id = ?1 AND unreadable_at IS NULL",
                params![id.0, Instant(at)],
            )
        };
        Ok(self.file.write(note).await? == 1)
    }

    pub(crate) async fn expire_quarantined(
        &self,
        at: OffsetDateTime,
    ) -> Result<BTreeMap<ProjectId, u64>, LedgerError> {
        let expire = move |connection: &Connection| {
            let sql = "DELETE FROM quarantine WHERE expires_at <= ?1 RETURNING project";
            all(connection, sql, [Instant(at)], |row| row.get::<_, i64>(0))
        };
        let mut expired = BTreeMap::new();
        for project in self.file.write(expire).await? {
            let project = number("quarantine.project", project)?;
            *expired.entry(project).or_default() += 1;
        }
        Ok(expired)
    }

    pub(crate) async fn quarantine_size(&self, project: ProjectId) -> Result<u64, LedgerError> {
        let count = move |connection: &Connection| {
            let sql = "SELECT count(*) FROM quarantine WHERE project = ?1";
            first(connection, sql, [project.get()], |row| row.get::<_, i64>(0))
        };
        let bodies = self.file.read(count).await?;
        number("quarantine count", bodies.unwrap_or(0))
    }
}

fn is_known(connection: &Connection, body: &SealedBody) -> Result<bool, LedgerError> {
    let sql = "SELECT 1 FROM quarantine WHERE project = ?1 AND digest = ?2";
    let known = first(
        connection,
        sql,
        params![body.project.get(), body.digest],
        |_| Ok(()),
    )?;
    Ok(known.is_some())
}

fn has_room(
    connection: &Connection,
    body: &SealedBody,
    room: QuarantineRoom,
) -> Result<bool, LedgerError> {
    let sql = "SELECT count(*), coalesce(sum(length(sealed)), 0) FROM quarantine
               WHERE project = ?1";
    let used: Option<(i64, i64)> = first(connection, sql, [body.project.get()], |row| {
        Ok((row.get(0)?, row.get(1)?))
    })?;
    let (bodies, bytes) = used.unwrap_or_default();
    let bodies: u64 = number("quarantine count", bodies)?;
    let bytes: u64 = number("quarantine bytes", bytes)?;
    let more = u64::try_from(body.sealed.len()).unwrap_or(u64::MAX);
    Ok(bodies < u64::from(room.bodies) && bytes.saturating_add(more) <= room.bytes)
}

/// Whether anything was written: a likeness that can be read stays as it was.
fn put(connection: &Connection, body: &SealedBody) -> Result<bool, LedgerError> {
    let written = execute(
        connection,
        "INSERT INTO quarantine (project, digest, key_id, sealed, received_at, expires_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (project, digest) DO UPDATE
         SET key_id = excluded.key_id, sealed = excluded.sealed,
             taken_until = NULL, unreadable_at = NULL
         WHERE unreadable_at IS NOT NULL OR key_id <> excluded.key_id",
        params![
            body.project.get(),
            body.digest,
            body.key,
            body.sealed,
            Instant(body.received_at),
            Instant(body.expires_at),
        ],
    )?;
    Ok(written == 1)
}

fn body(row: &Row<'_>) -> rusqlite::Result<QuarantinedBody> {
    Ok(QuarantinedBody {
        id: QuarantineId(row.get("id")?),
        digest: row.get("digest")?,
        sealed: row.get("sealed")?,
        received_at: row.get::<_, Instant>("received_at")?.0,
    })
}
