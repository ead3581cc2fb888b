//! `players`: who the game has registered.

use order::{PlayerId, ProjectId};
use time::OffsetDateTime;

use super::Ledger;
use super::pool::Lent;
use crate::LedgerError;

impl Ledger {
    pub(crate) async fn register_player(
        &self,
        project: ProjectId,
        player: &PlayerId,
        at: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query(
            "INSERT INTO players (project, player, registered_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(project.get())
        .bind(player.as_str())
        .bind(at)
        .execute(&mut *connection)
        .await?)
        };
        let registered = self.pool.within(read).await?;
        Ok(registered.rows_affected() == 1)
    }

    pub(crate) async fn is_registered(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<bool, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM players WHERE project = $1 AND player = $2)",
            )
            .bind(project.get())
            .bind(player.as_str())
            .fetch_one(&mut *connection)
            .await?)
        };
        let known = self.pool.within(read).await?;
        Ok(known)
    }
}
