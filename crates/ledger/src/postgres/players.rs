//! `players`: who the game has registered.

use order::{PlayerId, ProjectId};
use sqlx::PgPool;
use time::OffsetDateTime;

use super::Ledger;
use crate::LedgerError;

impl Ledger {
    /// Registers a player. Says whether they are new; a repeat is harmless.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn register_player(
        &self,
        project: ProjectId,
        player: &PlayerId,
        at: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        let read = |pool: PgPool| async move {
            Ok(sqlx::query(
            "INSERT INTO players (project, player, registered_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(project.get())
        .bind(player.as_str())
        .bind(at)
        .execute(&pool)
        .await?)
        };
        let registered = self.pool.within(read).await?;
        Ok(registered.rows_affected() == 1)
    }

    /// Whether the game has registered this player.
    ///
    /// # Errors
    /// When the database is not available: then nothing is known.
    pub async fn is_registered(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<bool, LedgerError> {
        let read = |pool: PgPool| async move {
            Ok(sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM players WHERE project = $1 AND player = $2)",
            )
            .bind(project.get())
            .bind(player.as_str())
            .fetch_one(&pool)
            .await?)
        };
        let known = self.pool.within(read).await?;
        Ok(known)
    }
}
