//! What can go wrong with the database, and what to do about it.

/// A statement that did not commit.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database is away, overloaded or in recovery, or it ended a deadlock.
    #[error("the ledger's database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database does not accept the data, now or later.
    #[error("the ledger's database does not accept the data")]
    Rejected(#[source] sqlx::Error),
    /// A stored value is none this version knows. Most likely a newer one wrote it, which
    /// says nothing against the notice at hand.
    #[error("the ledger holds an unreadable {what}: {found}")]
    Unreadable {
        /// Which column.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// The task that did the work ended early: stopped, and nothing is known of its outcome;
    /// or a rule panicked over an entry, and nothing was booked.
    #[error("the booking was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
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
            Self::Interrupted(ended) if ended.is_panic() => Disposition::Park,
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
            Self::Rejected(error)
        } else {
            Self::Unavailable(error)
        }
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
         and that user, password and database exist"
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
        "the database has schema {found}, this version needs {needed}: run `grantline migrate`"
    )]
    Older {
        /// Applied version; 0 for an empty database.
        found: i64,
        /// Newest version of this build.
        needed: i64,
    },
    /// The tables are newer than this version.
    #[error(
        "the database has schema {found}, this version knows only {known}: run the newer version"
    )]
    Newer {
        /// Applied version.
        found: i64,
        /// Newest version of this build.
        known: i64,
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
        let panicked: Result<(), _> = panicked.map_err(LedgerError::Interrupted);
        assert_eq!(panicked.unwrap_err().disposition(), Disposition::Park);

        let waiting = tokio::spawn(std::future::pending::<()>());
        waiting.abort();
        let stopped = waiting.await.map_err(LedgerError::Interrupted);
        assert_eq!(stopped.unwrap_err().disposition(), Disposition::Retry);

        let newer = LedgerError::Unreadable {
            what: "notices.outcome",
            found: "a word of the next version".into(),
        };
        assert_eq!(newer.disposition(), Disposition::Retry);
    }
}
