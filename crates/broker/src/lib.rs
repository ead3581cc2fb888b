//! Tasks and hints on their way: topology, confirmed publishing, consuming, retry and
//! parking.
//!
//! A publish that returned is on disk: in a majority of RabbitMQ's nodes, or in the
//! embedded stack's file. A delivery is given up by the broker only when it was finished
//! here, and finishing is allowed only after the ledger has committed. Everything else may
//! be repeated: the ledger tells copies apart.
//!
//! Nothing of a back end's own client leaves this crate.

mod broker;
mod config;
mod delivery;
mod embedded;
mod error;
mod inbox;
mod metrics;
mod moving;
mod names;
mod rabbitmq;
mod spans;
mod state;

pub use broker::{Broker, Consumer, HintReceiver};
pub use config::{Config, EmbeddedConfig};
pub use delivery::{Delivery, Depth, HintEvent, Tag, Tier, Unreadable};
pub use error::PublishError;
pub use moving::{Carried, Destination, MoveError};
pub use names::work as work_queue;
pub use rabbitmq::{Fault, Topology, TopologyError};
pub use spans::{HINTS_SPAN, consume_span, place_of, tell_notice};
pub use state::{Link, State};
