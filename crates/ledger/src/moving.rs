//! A file's ledger on its way to PostgreSQL.
//!
//! The copy is one transaction, so that it is there whole or not at all, and is marked as
//! unfinished until the file is marked as moved: no role uses it before, and the next
//! attempt of the same move replaces it.
//!
//! Everything is copied but the identity. The epoch of a database has its timeline in it, so
//! that no client could go on with the file's; and two copies of one file would share it in
//! two databases that know nothing of each other. A client therefore reads its history anew,
//! once, and goes on at the next offset: those are copied.

mod columns;

use sqlite::File;
use time::OffsetDateTime;

use crate::{Config, LedgerError, SchemaError, postgres, sqlite as embedded};

pub(crate) use columns::{Sort, TABLES, Table};

/// The database that a file's ledger moves to.
#[derive(Clone, Debug)]
pub struct Destination(postgres::Ledger);

/// What a database has of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Nothing, and nothing else either.
    Nothing,
    /// A copy that may be out of date.
    Unfinished,
    /// All of it, and roles may have gone on from there.
    Finished,
}

/// One table, counted on both sides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its name.
    pub table: &'static str,
    /// Rows in the file.
    pub file: u64,
    /// Rows in the database.
    pub database: u64,
}

/// Why a ledger was not moved. The file is as it was, and the database has all of the copy
/// or nothing of it.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// The database cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Somebody works with the database, or has.
    #[error(
        "the database at {at} is not empty: {rows} row(s) in `{table}`; expected one that no role \
         has used: name another database"
    )]
    NotEmpty {
        /// Host, port and database.
        at: String,
        /// The first table with something in it.
        table: &'static str,
        /// Rows in it.
        rows: i64,
    },
    /// Somebody is connected, and would go on with a copy that may be replaced.
    #[error(
        "{sessions} connection(s) of Grantline to the database at {at}; expected none before the \
         move has ended: stop the roles there"
    )]
    InUse {
        /// Host, port and database.
        at: String,
        /// How many.
        sessions: i64,
    },
    /// Another file was moved there, or is on its way.
    #[error(
        "the database at {at} holds {what} of another move; expected an empty one: name another \
         database"
    )]
    Other {
        /// Host, port and database.
        at: String,
        /// How much.
        what: &'static str,
    },
    /// Nothing of the move is there any more.
    #[error(
        "the database at {at} has nothing of this move any more; expected what was copied there: \
         restore that database"
    )]
    Gone {
        /// Host, port and database.
        at: String,
    },
    /// A table did not arrive as it left.
    #[error(
        "`{table}` has {file} row(s) in the file and {database} after the copy, which was taken back; \
         the file may be damaged: try with a backup of it, which is checked"
    )]
    Counts {
        /// Its name.
        table: &'static str,
        /// Rows in the file.
        file: u64,
        /// Rows that arrived.
        database: u64,
    },
    /// The file could not be read.
    #[error("cannot read `{table}` of the file")]
    File {
        /// The table.
        table: &'static str,
        /// What happened.
        source: LedgerError,
    },
    /// The database did not take something.
    #[error("the database at {at} does not take {what}")]
    Database {
        /// Host, port and database.
        at: String,
        /// What was being done.
        what: String,
        /// What the driver says.
        source: sqlx::Error,
    },
}

impl Destination {
    /// Connects when it is used.
    ///
    /// # Errors
    /// When `ledger.url` is no URL of a database.
    pub fn open(config: &Config) -> Result<Self, SchemaError> {
        postgres::Ledger::open(config).map(Self)
    }

    /// Host, port and database, fit to be shown.
    #[must_use]
    pub fn place(&self) -> &str {
        self.0.place()
    }

    /// Looks whether a move may go there, and changes nothing: nobody is connected, and there
    /// is nothing but the move of this id, if that was begun. A database of any version, or
    /// without a schema, can be asked.
    ///
    /// # Errors
    /// When it may not, or the database cannot be reached.
    pub async fn expect_vacant(&self, id: Option<&str>) -> Result<(), MoveError> {
        self.0.expect_vacant(id).await
    }

    /// Brings the schema up to this version.
    ///
    /// # Errors
    /// When the database cannot be reached or a migration fails.
    pub async fn migrate(&self) -> Result<(), SchemaError> {
        self.0.migrate().await
    }

    /// What is there of the move of this id.
    ///
    /// # Errors
    /// When something else is.
    pub async fn arrival(&self, id: &str) -> Result<Arrival, MoveError> {
        self.0.arrival(id).await
    }

    /// Copies the whole ledger of the file, in the place of an earlier copy of the same move.
    /// The file must not be written meanwhile. Takes as long as it takes.
    ///
    /// # Errors
    /// When something else is in the database, or the counts differ.
    pub async fn copy(
        &self,
        file: &File,
        id: &str,
        at: OffsetDateTime,
    ) -> Result<Vec<Copied>, MoveError> {
        self.0.copy(file, id, at).await
    }

    /// Notes that the file is served no more: from now on roles may use the database.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn finish(&self, id: &str, at: OffsetDateTime) -> Result<(), MoveError> {
        self.0.finish_move(id, at).await
    }

    /// Lets go of the connections.
    pub async fn close(&self) {
        self.0.close().await;
    }
}

/// Rows of every table, in the file.
pub(crate) async fn count(file: &File, table: &'static Table) -> Result<u64, MoveError> {
    let counted = embedded::count(file, table).await;
    counted.map_err(|source| MoveError::File {
        table: table.name,
        source,
    })
}
