//! What a server decides once for all its connections.

use std::{num::NonZeroU32, time::Duration};

/// The bounds of a connection. The defaults suit the SDKs in use: they give a
/// connect reply five seconds, and a pong costs them one round trip.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's version, told to clients; empty to keep it to oneself.
    pub version: String,
    /// How long a client may take to send its connect command, and, counted
    /// anew, how long the server may take to answer it.
    pub connect_timeout: Duration,
    /// How long a [`Load`](super::Action::Load) may stay without success on a
    /// connected client. Nothing is pushed meanwhile, so a read that never ends
    /// would be a connection that is open and dead.
    pub load_timeout: Duration,
    /// Time between two pings. Clients are told whole seconds, rounded up.
    pub ping_interval: Duration,
    /// How long a client may stay silent after a ping.
    pub pong_timeout: Duration,
    /// The longest a connection may live. Each one is given up to a tenth less,
    /// so that clients who came together do not leave together.
    pub lifetime_max: Duration,
    /// The most rows one read asks for and one reply carries. Should be no less
    /// than the rows the store keeps, or a client that asks for everything
    /// forward from a trimmed start gets the oldest of the newest.
    pub rows_max: u32,
    /// Commands a second a client may send over time.
    pub commands_per_second: NonZeroU32,
    /// Commands a client may send at once after a rest.
    pub commands_burst: NonZeroU32,
}

impl Default for Settings {
    fn default() -> Self {
        const RATE: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");
        const BURST: NonZeroU32 = NonZeroU32::new(20).expect("twenty is not zero");
        Self {
            version: String::new(),
            connect_timeout: Duration::from_secs(5),
            load_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(8),
            lifetime_max: Duration::from_mins(30),
            rows_max: 1_000,
            commands_per_second: RATE,
            commands_burst: BURST,
        }
    }
}
