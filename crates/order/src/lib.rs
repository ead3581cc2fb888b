//! The domain without the world: ids, money, facts, status and plans of an order.
//!
//! Nothing here reads a clock, a socket or a database, and nothing knows Xsolla's JSON.
//! Whatever decides what a player gets is a function of the values in this crate, so it
//! can be tested under every order of events.

mod assertion;
mod ids;
mod kind;
mod money;
mod plan;
mod status;

pub use assertion::{Assertion, Grant, ParkReason};
pub use ids::{IdError, OrderId, PlayerId, ProjectId, Sku, TransactionId};
pub use kind::{Kind, Reference};
pub use money::{Amount, AmountError, Money};
pub use plan::{Content, ContentItem, Line, Plan, PlanError};
pub use status::{Delivery, Facts, Status};
