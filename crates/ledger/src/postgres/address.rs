//! Where the database is, and as whom we come: its user and password may be exchanged while
//! the process runs.
//!
//! Invariant: a process never leaves the database it began with. One half of its bookings
//! here and the other there would grant orders twice.

use std::sync::{Mutex, MutexGuard, PoisonError};

use secret::Revealed;
use sqlx::postgres::PgConnectOptions;

use super::session;
use crate::{Config, SchemaError};

/// Settings that a session begins with.
pub(super) type Settings = &'static [(&'static str, &'static str)];

#[derive(Debug)]
pub(super) struct Address {
    config: Config,
    settings: Settings,
    known: Mutex<Known>,
}

/// The address as it was last read.
struct Known {
    url: Revealed,
    options: PgConnectOptions,
}

impl Address {
    pub(super) fn read(config: &Config, settings: Settings) -> Result<Self, SchemaError> {
        let url = config.url.reveal();
        let options = session(&url, config, settings)?;
        Ok(Self {
            config: config.clone(),
            settings,
            known: Mutex::new(Known { url, options }),
        })
    }

    /// How to reach the server, for whoever connects now.
    pub(super) fn options(&self) -> PgConnectOptions {
        self.known().options.clone()
    }

    /// Host, port and database, without user and password.
    pub(super) fn place(&self) -> String {
        place(&self.known().options)
    }

    /// How to reach the server from now on, if that is another way than the last time
    /// somebody asked.
    pub(super) fn exchanged(&self) -> Option<PgConnectOptions> {
        let mut known = self.known();
        // Under the lock: two who read it in turn must not write it the other way round.
        let url = self.config.url.reveal();
        if *known.url == *url {
            return None;
        }
        let read = session(&url, &self.config, self.settings);
        known.url = url;
        match read {
            Ok(options) if place(&options) == place(&known.options) => {
                known.options = options.clone();
                drop(known);
                tracing::info!("`ledger.url` was exchanged: new connections use it");
                Some(options)
            }
            Ok(_) => {
                tracing::error!(
                    "`ledger.url` names another database than the one in use, which stays in use \
                     until this process is started again"
                );
                None
            }
            Err(_) => {
                // What cannot be read is not repeated: it holds a password.
                tracing::error!("`ledger.url` was exchanged for what is no address of PostgreSQL");
                None
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Both halves are written under the lock, and neither write can panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&place(&self.options))
    }
}

fn place(options: &PgConnectOptions) -> String {
    let host = match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => options.get_host().to_owned(),
    };
    // Whoever names no database comes to the one that is called as he is.
    let database = options.get_database().unwrap_or(options.get_username());
    format!("{host}:{}/{database}", options.get_port())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, Instant};

    use secret::Secret;

    use super::*;

    #[test]
    fn another_password_is_taken_and_another_database_is_not() {
        let folder = testkit::Folder::new();
        let file = folder.join("url");
        fs::write(&file, "postgres://one:first@db:5432/line").unwrap();
        let config = Config::at(Secret::from_file(&file).unwrap());
        let address = Address::read(&config, &[]).unwrap();
        assert!(address.exchanged().is_none());
        let exchanged_for = |url: &str| {
            fs::write(&file, url).unwrap();
            // A file is looked at once a second.
            let deadline = Instant::now() + Duration::from_secs(30);
            while *config.url.reveal() != *url {
                assert!(Instant::now() < deadline, "the file is never read again");
                std::thread::yield_now();
            }
            address.exchanged()
        };
        let taken = exchanged_for("postgres://two:second@db:5432/line").unwrap();
        assert_eq!(taken.get_username(), "two");
        assert!(address.exchanged().is_none(), "it is new once");
        for other in ["postgres://two:second@db:5432/other", "mysql://db"] {
            assert!(exchanged_for(other).is_none(), "{other}");
            assert_eq!(address.place(), "db:5432/line");
            assert_eq!(address.options().get_username(), "two");
        }
        assert!(!format!("{address:?}").contains("second"));
    }

    #[test]
    fn a_place_is_the_socket_and_the_database_even_where_the_url_leaves_them_to_be_guessed() {
        let at = |url: &str| {
            let config = Config::at(Secret::inline(url).unwrap());
            Address::read(&config, &[]).unwrap().place()
        };
        for (url, place) in [
            ("postgres://one:first@db:5432", "db:5432/one"),
            ("postgres://two:second@db:5432", "db:5432/two"),
            (
                "postgres://one@db:5432/line?host=/run/first",
                "/run/first:5432/line",
            ),
            (
                "postgres://one@%2Frun%2Fsecond:5432/line",
                "/run/second:5432/line",
            ),
        ] {
            assert_eq!(at(url), place, "{url}");
        }
    }
}
