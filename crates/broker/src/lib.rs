//! Tasks and hints on their way: topology, confirmed publishing, consuming, retry and
//! parking.
//!
//! A publish that returned is on disk in a majority of the broker's nodes. A delivery is
//! given up by the broker only when it was finished here, and finishing is allowed only
//! after the ledger has committed. Everything else may be repeated: the ledger tells
//! copies apart.
//!
//! Nothing of the broker's own client leaves this crate.

mod config;
mod delivery;
mod error;
mod metrics;
mod rabbitmq;
mod state;

pub use config::Config;
pub use delivery::{Delivery, Depth, HintEvent, Tag, Tier, Unreadable};
pub use error::PublishError;
pub use rabbitmq::{Broker, Consumer, Fault, HintReceiver, Topology, TopologyError};
pub use state::{Link, State};
