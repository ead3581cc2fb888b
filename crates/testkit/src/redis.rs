//! A corner of the real Redis.

use std::hash::{BuildHasher as _, RandomState};

use crate::required_url;

/// The server that `REDIS_URL` names.
#[derive(Clone, Copy, Debug)]
pub struct Redis;

/// Keys of one test alone. Those that are left expire by themselves.
#[derive(Clone, Debug)]
pub struct KeySpace {
    /// Address of the server, with the database's number.
    pub url: String,
    /// To be put before every key.
    pub prefix: String,
}

impl Redis {
    /// A prefix that no other test has.
    ///
    /// # Panics
    /// When `REDIS_URL` is not set.
    #[must_use]
    pub fn key_space() -> KeySpace {
        KeySpace {
            url: required_url("REDIS_URL"),
            prefix: format!("testkit:{:016x}:", RandomState::new().hash_one(())),
        }
    }

    /// The same in a numbered database (1 to 15), for a test that empties it.
    ///
    /// # Panics
    /// When `REDIS_URL` is not set.
    #[must_use]
    pub fn database(number: u8) -> KeySpace {
        let space = Self::key_space();
        KeySpace {
            url: format!("{}/{number}", space.url.trim_end_matches('/')),
            ..space
        }
    }
}

impl KeySpace {
    /// A connection to look at the keys and change them.
    ///
    /// # Panics
    /// When the server does not answer.
    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.url.as_str()).expect("REDIS_URL is one of Redis");
        client
            .get_multiplexed_async_connection()
            .await
            .expect("the server of REDIS_URL runs")
    }
}
