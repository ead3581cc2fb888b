//! `players`: who the game has registered.

use order::{PlayerId, ProjectId};
use rusqlite::{Connection, params};
use time::OffsetDateTime;

use super::Ledger;
use super::columns::Instant;
use super::statement::{execute, first};
use crate::LedgerError;

impl Ledger {
    pub(crate) async fn register_player(
        &self,
        project: ProjectId,
        player: &PlayerId,
        at: OffsetDateTime,
    ) -> Result<bool, LedgerError> {
        let player = player.clone();
        let register = move |connection: &Connection| {
            execute(
                connection,
                "INSERT INTO players (project, player, registered_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO NOTHING",
                params![project.get(), player.as_str(), Instant(at)],
            )
        };
        Ok(self.file.write(register).await? == 1)
    }

    pub(crate) async fn is_registered(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<bool, LedgerError> {
        let player = player.clone();
        let read = move |connection: &Connection| {
            first(
                connection,
                "SELECT 1 FROM players WHERE project = ?1 AND player = ?2",
                params![project.get(), player.as_str()],
                |_| Ok(()),
            )
        };
        Ok(self.file.read(read).await?.is_some())
    }
}
