//! What can go wrong with the database, and what to do about it.

use rusqlite::ErrorCode;
use sqlite::{ReadError, WriteError};
use tokio::task::JoinError;

/// A statement that did not commit.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database is away, overloaded or in recovery, or it ended a deadlock; or the disk
    /// of the embedded file is full or fails.
    #[error("the ledger's database is not available")]
    Unavailable(#[source] StoreError),
    /// The database does not accept the data, now or later.
    #[error("the ledger's database does not accept the data")]
    Rejected(#[source] StoreError),
    /// A stored value is none this version knows. Most likely a newer one wrote it, which
    /// says nothing against the notice at hand.
    #[error("the ledger holds an unreadable {what}: {found}")]
    Unreadable {
        /// Which column.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// The work ended early.
    #[error("the booking was interrupted")]
    Interrupted(#[source] Interruption),
}

/// What a store says is wrong.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// PostgreSQL, or the driver.
    #[error(transparent)]
    Server(#[from] sqlx::Error),
    /// SQLite, of one statement.
    #[error(transparent)]
    Statement(rusqlite::Error),
    /// The embedded file is damaged.
    #[error("the data file is damaged: stop, and restore a backup")]
    Damaged(#[source] rusqlite::Error),
    /// The embedded file's writer.
    #[error(transparent)]
    Write(WriteError),
    /// The embedded file's readers.
    #[error(transparent)]
    Read(ReadError),
}

/// What ended a booking early.
#[derive(Debug, thiserror::Error)]
pub enum Interruption {
    /// Its task was stopped, and nothing is known of its outcome; or a rule panicked over an
    /// entry, and nothing was booked.
    #[error(transparent)]
    Task(#[from] JoinError),
    /// A rule panicked over an entry, and nothing was booked.
    #[error("a rule panicked")]
    Panicked,
}

impl Interruption {
    fn is_panic(&self) -> bool {
        match self {
            Self::Task(ended) => ended.is_panic(),
            Self::Panicked => true,
        }
    }
}

/// What to do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Try the same again, later. Keys make that safe even when it had been committed.
    Retry,
    /// The same will fail again: find the entry at fault and park it.
    Park,
}

impl LedgerError {
    /// What to do after this error.
    #[must_use]
    pub fn disposition(&self) -> Disposition {
        match self {
            Self::Interrupted(cause) if cause.is_panic() => Disposition::Park,
            Self::Unavailable(_) | Self::Interrupted(_) | Self::Unreadable { .. } => {
                Disposition::Retry
            }
            Self::Rejected(_) => Disposition::Park,
        }
    }
}

impl From<sqlx::Error> for LedgerError {
    fn from(error: sqlx::Error) -> Self {
        if is_about_the_data(&error) {
            Self::Rejected(error.into())
        } else {
            Self::Unavailable(error.into())
        }
    }
}

impl From<JoinError> for LedgerError {
    fn from(ended: JoinError) -> Self {
        Self::Interrupted(ended.into())
    }
}

impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // A key, a check, or a value that its column does not take.
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                Self::Rejected(StoreError::Statement(error))
            }
            Some(ErrorCode::DiskFull) => WriteError::from(error).into(),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Unavailable(StoreError::Damaged(error))
            }
            Some(_) => Self::Unavailable(StoreError::Statement(error)),
            None => of_a_value(error),
        }
    }
}

/// An error that is not SQLite's own, but about a value on its way in or out.
fn of_a_value(error: rusqlite::Error) -> LedgerError {
    if let rusqlite::Error::FromSqlConversionFailure(..)
    | rusqlite::Error::IntegralValueOutOfRange(..)
    | rusqlite::Error::InvalidColumnType(..)
    | rusqlite::Error::Utf8Error(..) = error
    {
        return LedgerError::Unreadable {
            what: "column",
            found: error.to_string(),
        };
    }
    if matches!(error, rusqlite::Error::ToSqlConversionFailure(_)) {
        return LedgerError::Rejected(StoreError::Statement(error));
    }
    LedgerError::Unavailable(StoreError::Statement(error))
}

impl From<WriteError> for LedgerError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Panicked => Self::Interrupted(Interruption::Panicked),
            WriteError::Closed
            | WriteError::ReadOnly
            | WriteError::GivenUp
            | WriteError::Full(_)
            | WriteError::Failed(_) => Self::Unavailable(StoreError::Write(error)),
        }
    }
}

impl From<ReadError> for LedgerError {
    fn from(error: ReadError) -> Self {
        Self::Unavailable(StoreError::Read(error))
    }
}

/// Only what the server says of the data itself can never go away by waiting.
fn is_about_the_data(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    // 22 data exception, 23 integrity violation, 54 too long for an index, P0001 raised by a
    // trigger. https://www.postgresql.org/docs/current/errcodes-appendix.html
    code.is_some_and(|code| matches!(code.get(..2), Some("22" | "23" | "54")) || code == "P0001")
        || matches!(error, sqlx::Error::Encode(_))
}

/// Why a role cannot start on this database.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// It cannot be reached or refuses the user.
    #[error(
        "cannot use the database at {at}: check `ledger.url`, that PostgreSQL is running, \
         that user, password and database exist, and `ledger.tls` where a certificate is at \
         fault"
    )]
    Connect {
        /// Host, port and database, without the password.
        at: String,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// `ledger.url` is no URL of a database.
    #[error(
        "`ledger.url` is not a PostgreSQL URL: expected postgres://user:password@host:port/database"
    )]
    Url(#[source] sqlx::Error),
    /// The tables are older than this version.
    #[error(
        "the database at {at} has schema {found}, this version needs {needed}: run \
         `grantline migrate`"
    )]
    Older {
        /// Host, port and database, without the password.
        at: String,
        /// Applied version; 0 for an empty database.
        found: i64,
        /// Newest version of this build.
        needed: i64,
    },
    /// The tables are newer than this version.
    #[error(
        "the database at {at} has schema {found}, this version knows only {known}: run the \
         newer version"
    )]
    Newer {
        /// Host, port and database, without the password.
        at: String,
        /// Applied version.
        found: i64,
        /// Newest version of this build.
        known: i64,
    },
    /// A file's ledger is on its way there; until it has arrived, that file may be served.
    #[error(
        "the database at {at} holds the unfinished copy of a data file, which can still be served: \
         run `grantline migrate-to` again to its end, or name another database"
    )]
    Arriving {
        /// Host, port and database, without the password.
        at: String,
    },
    /// A migration failed.
    #[error("cannot migrate the database at {at}")]
    Migrate {
        /// Host, port and database, without the password.
        at: String,
        /// What the driver says.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_fails_again_is_parked() {
        #[expect(clippy::panic, reason = "a rule that panics is what is tested")]
        let panicked = tokio::spawn(async { panic!("a rule's fault") }).await;
        let panicked: Result<(), LedgerError> = panicked.map_err(LedgerError::from);
        assert_eq!(panicked.unwrap_err().disposition(), Disposition::Park);
        let panicked = LedgerError::from(WriteError::Panicked);
        assert_eq!(panicked.disposition(), Disposition::Park);

        let waiting = tokio::spawn(std::future::pending::<()>());
        waiting.abort();
        let stopped = waiting.await.map_err(LedgerError::from);
        assert_eq!(stopped.unwrap_err().disposition(), Disposition::Retry);

        let newer = LedgerError::Unreadable {
            what: "notices.outcome",
            found: "a word of the next version".into(),
        };
        assert_eq!(newer.disposition(), Disposition::Retry);
    }
}
