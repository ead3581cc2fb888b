//! A file's ledger as it arrives.

use std::time::Duration;

use ::sqlite::File;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use super::Ledger;
use crate::moving::{Arrival, Copied, MoveError, TABLES, Table, count};
use crate::sqlite as embedded;

/// Longest wait for connections that are about to end.
const SESSIONS_END: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Chunks of rows on their way.
const CHUNKS_WAITING: usize = 8;

impl Ledger {
    pub(crate) fn place(&self) -> &str {
        &self.at
    }

    pub(crate) async fn arrival(&self, id: &str) -> Result<Arrival, MoveError> {
        let mut connection = self.connect().await?;
        self.judge(&mut connection, id).await
    }

    /// Changes nothing, and needs no schema: that nobody uses the database, and that it has
    /// nothing but this move, if there is one.
    pub(crate) async fn expect_vacant(&self, id: Option<&str>) -> Result<(), MoveError> {
        let mut connection = self.connect().await?;
        self.expect_nobody(&mut connection).await?;
        if self.has_table(&mut connection, "move").await? {
            return match self.judge(&mut connection, id.unwrap_or_default()).await? {
                Arrival::Nothing | Arrival::Unfinished | Arrival::Finished => Ok(()),
            };
        }
        for table in &TABLES {
            if self.has_table(&mut connection, table.name).await? {
                self.expect_no_rows(&mut connection, table).await?;
            }
        }
        Ok(())
    }

    /// In one transaction, behind a mark that every role looks for when it starts. Whoever
    /// writes waits for it, or ends it.
    pub(crate) async fn copy(
        &self,
        file: &File,
        id: &str,
        at: OffsetDateTime,
    ) -> Result<Vec<Copied>, MoveError> {
        let mut connection = self.connect().await?;
        self.expect_nobody(&mut connection).await?;
        let before = self.judge(&mut connection, id).await?;
        if before == Arrival::Nothing {
            self.mark_move(&mut connection, id, at).await?;
        }
        let copied = self.copy_all(&mut connection, file, id, at).await;
        if copied.is_err() && before == Arrival::Nothing {
            // Best effort: a mark that stays keeps everybody out but the next attempt.
            let sql = "DELETE FROM move WHERE id = $1 AND finished_at IS NULL";
            let forget = sqlx::query(sql).bind(id).execute(&mut connection);
            if let Err(error) = forget.await {
                tracing::debug!(%error, "The mark of the move stays");
            }
        }
        copied
    }

    async fn copy_all(
        &self,
        connection: &mut PgConnection,
        file: &File,
        id: &str,
        at: OffsetDateTime,
    ) -> Result<Vec<Copied>, MoveError> {
        // Whoever started before the mark was there.
        self.expect_nobody(connection).await?;
        let begin = connection.begin().await;
        let mut transaction = begin.map_err(|error| self.refused("a transaction", error))?;
        let names: Vec<_> = TABLES.iter().map(|table| table.name).collect();
        let all = names.join(", ");
        // Whoever reads goes on; nobody writes between the look and the commit.
        let lock = format!("LOCK TABLE move, {all} IN EXCLUSIVE MODE");
        for sql in [
            "SET LOCAL lock_timeout = '10s'",
            "SET LOCAL idle_in_transaction_session_timeout = 0",
            &lock,
        ] {
            self.run(&mut transaction, sql, "the lock of its tables")
                .await?;
        }
        match self.judge(&mut transaction, id).await? {
            Arrival::Unfinished => {
                let empty = format!("TRUNCATE {all}");
                self.run(&mut transaction, &empty, "the removal of the last attempt")
                    .await?;
            }
            // Somebody has taken the mark away.
            Arrival::Nothing => return Err(self.other("nothing")),
            Arrival::Finished => return Err(self.other("all")),
        }
        // Nobody can have seen the epoch of an earlier attempt, but then nobody has to know.
        let draw = "UPDATE identity SET id = DEFAULT";
        self.run(&mut transaction, draw, "another epoch").await?;
        self.mark_move(&mut transaction, id, at).await?;
        let mut copied = Vec::with_capacity(TABLES.len());
        for table in &TABLES {
            copied.push(self.copy_table(&mut transaction, file, table).await?);
        }
        let committed = transaction.commit().await;
        committed.map_err(|error| self.refused("the commit of the copy", error))?;
        Ok(copied)
    }

    pub(crate) async fn finish_move(&self, id: &str, at: OffsetDateTime) -> Result<(), MoveError> {
        let mut connection = self.connect().await?;
        let sql = "UPDATE move SET finished_at = coalesce(finished_at, $2) WHERE id = $1";
        let finish = sqlx::query(sql).bind(id).bind(at);
        let finished = finish.execute(&mut connection).await;
        let finished = finished.map_err(|error| self.refused("the end of the move", error))?;
        if finished.rows_affected() == 1 {
            Ok(())
        } else {
            Err(MoveError::Gone {
                at: self.at.clone(),
            })
        }
    }

    /// What is there of this move, where there is nothing else.
    async fn judge(&self, connection: &mut PgConnection, id: &str) -> Result<Arrival, MoveError> {
        let sql = "SELECT id, finished_at IS NOT NULL FROM move";
        let found = sqlx::query_as(sql).fetch_optional(&mut *connection).await;
        let found: Option<(String, bool)> =
            found.map_err(|error| self.refused("a question", error))?;
        match found {
            Some((known, true)) if known == id => return Ok(Arrival::Finished),
            Some((known, false)) if known == id => return Ok(Arrival::Unfinished),
            Some((_, true)) => return Err(self.other("all")),
            Some((_, false)) => return Err(self.other("a half copy")),
            None => {}
        }
        for table in &TABLES {
            self.expect_no_rows(connection, table).await?;
        }
        Ok(Arrival::Nothing)
    }

    async fn expect_no_rows(
        &self,
        connection: &mut PgConnection,
        table: &Table,
    ) -> Result<(), MoveError> {
        match self.rows(connection, table).await? {
            0 => Ok(()),
            rows => Err(MoveError::NotEmpty {
                at: self.at.clone(),
                table: table.name,
                rows,
            }),
        }
    }

    async fn has_table(
        &self,
        connection: &mut PgConnection,
        name: &str,
    ) -> Result<bool, MoveError> {
        let sql = "SELECT to_regclass($1) IS NOT NULL";
        let found = sqlx::query_scalar(sql).bind(name).fetch_one(connection);
        found
            .await
            .map_err(|error| self.refused("a question", error))
    }

    /// Connections that were closed, or whose process was killed, are given a moment to end.
    async fn expect_nobody(&self, connection: &mut PgConnection) -> Result<(), MoveError> {
        let deadline = Instant::now() + SESSIONS_END;
        loop {
            let sql = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND application_name = $1
                         AND pid <> pg_backend_pid()";
            let sessions = sqlx::query_scalar(sql).bind(super::NAME);
            let sessions = sessions.fetch_one(&mut *connection).await;
            let sessions: i64 = sessions.map_err(|error| self.refused("a question", error))?;
            if sessions == 0 {
                return Ok(());
            }
            if Instant::now() > deadline {
                let at = self.at.clone();
                return Err(MoveError::InUse { at, sessions });
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn mark_move(
        &self,
        connection: &mut PgConnection,
        id: &str,
        at: OffsetDateTime,
    ) -> Result<(), MoveError> {
        let begun = sqlx::query(
            "INSERT INTO move (id, begun_at) VALUES ($1, $2)
             ON CONFLICT (only_row) DO UPDATE SET begun_at = excluded.begun_at",
        );
        let begun = begun.bind(id).bind(at).execute(connection).await;
        begun.map_err(|error| self.refused("the mark of the move", error))?;
        Ok(())
    }

    async fn copy_table(
        &self,
        connection: &mut PgConnection,
        file: &File,
        table: &'static Table,
    ) -> Result<Copied, MoveError> {
        let failed = |source| MoveError::File {
            table: table.name,
            source,
        };
        let before = count(file, table).await?;
        let (to, mut chunks) = mpsc::channel(CHUNKS_WAITING);
        let exporting = embedded::export(file, table, to);
        let importing = async {
            let sql = format!("COPY {} ({}) FROM STDIN", table.name, table.names());
            let mut copy = connection.copy_in_raw(&sql).await?;
            while let Some(chunk) = chunks.recv().await {
                copy.send(chunk.as_bytes()).await?;
            }
            // Nobody hands over any more, should this be the side that fails.
            drop(chunks);
            copy.finish().await
        };
        let (exported, imported) = tokio::join!(exporting, importing);
        // A table that could not be read to its end is committed by nobody: this is returned.
        exported.map_err(failed)?;
        imported.map_err(|error| self.refused(&format!("`{}`", table.name), error))?;
        let arrived = self.rows(connection, table).await?;
        let database = u64::try_from(arrived).unwrap_or(0);
        if before != database {
            return Err(MoveError::Counts {
                table: table.name,
                file: before,
                database,
            });
        }
        if table.is_numbered {
            let last = embedded::last_number(file, table).await.map_err(failed)?;
            self.number_from(connection, table, last).await?;
        }
        Ok(Copied {
            table: table.name,
            file: before,
            database,
        })
    }

    /// The next row gets the number after `last`, which may belong to one that is gone.
    async fn number_from(
        &self,
        connection: &mut PgConnection,
        table: &Table,
        last: i64,
    ) -> Result<(), MoveError> {
        let sql = "SELECT setval(pg_get_serial_sequence($1, 'id'), greatest($2, 1), $2 > 0)";
        let set = sqlx::query(sql).bind(table.name).bind(last);
        let set = set.execute(connection).await;
        set.map_err(|error| self.refused(&format!("the numbers of `{}`", table.name), error))?;
        Ok(())
    }

    async fn rows(&self, connection: &mut PgConnection, table: &Table) -> Result<i64, MoveError> {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let rows = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(connection);
        rows.await
            .map_err(|error| self.refused("a question", error))
    }

    async fn run(
        &self,
        connection: &mut PgConnection,
        sql: &str,
        what: &str,
    ) -> Result<(), MoveError> {
        // Made of names that are ours.
        let ran = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection);
        ran.await.map_err(|error| self.refused(what, error))?;
        Ok(())
    }

    fn other(&self, what: &'static str) -> MoveError {
        let at = self.at.clone();
        MoveError::Other { at, what }
    }

    fn refused(&self, what: &str, source: sqlx::Error) -> MoveError {
        MoveError::Database {
            at: self.at.clone(),
            what: what.to_owned(),
            source,
        }
    }
}
