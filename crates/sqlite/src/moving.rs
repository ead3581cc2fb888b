//! The mark of a file whose content goes elsewhere.
//!
//! A move that was begun does not keep the file from being served: until it ends, the file is
//! the truth. One that has ended does, for ever.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use time::OffsetDateTime;

use crate::still::Still;
use crate::{File, OpenError, ReadError, WriteError, open};

/// The version from which on a file can be moved.
pub(crate) const SINCE: i64 = 4;

/// Where the content of a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Move {
    /// Random. The new ledger knows it, too, and by that its own half copy.
    pub id: String,
    /// The new database, without user and password.
    pub ledger: String,
    /// The new broker, without user and password.
    pub broker: String,
    /// When it was begun.
    pub begun_at: OffsetDateTime,
    /// When it ended, if it has.
    pub moved_at: Option<OffsetDateTime>,
}

impl File {
    /// The move of this file that was begun last.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn movement(&self) -> Result<Option<Move>, ReadError> {
        self.read(|connection| Ok(find(connection)?)).await
    }

    /// Notes that the content is about to go to these addresses, which must hold no password.
    /// Goes on with the move that was begun to the same addresses, and forgets one to others.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn begin_move(
        &self,
        ledger: &str,
        broker: &str,
        at: OffsetDateTime,
    ) -> Result<Move, WriteError> {
        let begun = Move {
            id: format!("{:016x}", rand::random::<u64>()),
            ledger: ledger.to_owned(),
            broker: broker.to_owned(),
            begun_at: at,
            moved_at: None,
        };
        self.write(move |connection| {
            let same = |known: &Move| known.ledger == begun.ledger && known.broker == begun.broker;
            if let Some(known) = find(connection)?.filter(same) {
                return Ok(known);
            }
            connection.execute("DELETE FROM move_sent", [])?;
            connection.execute(
                "INSERT OR REPLACE INTO move (only_row, id, ledger, broker, begun_at)
                 VALUES (1, ?1, ?2, ?3, ?4)",
                params![begun.id, begun.ledger, begun.broker, micros(at)],
            )?;
            Ok(begun)
        })
        .await
    }

    /// Notes that everything has arrived. From then on the file is served no more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn end_move(&self, at: OffsetDateTime) -> Result<(), WriteError> {
        self.write(move |connection| {
            let sql = "UPDATE move SET moved_at = ?1 WHERE moved_at IS NULL";
            connection.execute(sql, [micros(at)])?;
            Ok(())
        })
        .await
    }
}

/// Refuses a file whose content is elsewhere. Its version is [`SINCE`] or later.
pub(crate) fn refuse(connection: &Connection, path: &Path) -> Result<(), OpenError> {
    let found = find(connection).map_err(|source| OpenError::of(path.to_owned(), source))?;
    match found {
        Some(Move {
            ledger,
            broker,
            moved_at: Some(at),
            ..
        }) => Err(OpenError::Moved {
            path: path.to_owned(),
            ledger,
            broker,
            at,
        }),
        Some(_) | None => Ok(()),
    }
}

/// The move of the file at `path`, if it has ended. `None` as well for a file that cannot be
/// read, or was made before files could be moved.
pub(crate) fn ended(path: &Path) -> Option<Move> {
    let connection = match Still::of(path) {
        Some(still) => still.open(),
        None => open::reading(path),
    };
    find(&connection.ok()?)
        .ok()?
        .filter(|found| found.moved_at.is_some())
}

fn find(connection: &Connection) -> rusqlite::Result<Option<Move>> {
    let sql = "SELECT id, ledger, broker, begun_at, moved_at FROM move";
    connection.query_row(sql, [], read).optional()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Move> {
    let moved_at: Option<i64> = row.get(4)?;
    Ok(Move {
        id: row.get(0)?,
        ledger: row.get(1)?,
        broker: row.get(2)?,
        begun_at: instant(3, row.get(3)?)?,
        moved_at: moved_at.map(|at| instant(4, at)).transpose()?,
    })
}

/// Microseconds since 1970, as everywhere in the file.
fn micros(at: OffsetDateTime) -> i64 {
    i64::try_from(at.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

/// To the second: it is for people.
fn instant(column: usize, micros: i64) -> rusqlite::Result<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(micros.div_euclid(1_000_000))
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, micros))
}
