//! A sale: many shoppers at once, everything that happens to them written down, and a
//! verdict over what was written.
//!
//! Shoppers arrive by themselves, whatever the answers ([`arrivals`]); each one's life and
//! every body in it follow from the seed ([`life`], [`body`]); what Xsolla does after an
//! answer is a table ([`rules`]). None of these three knows a clock or a socket. The rest
//! sends ([`chain`], [`post`]) and listens ([`player`], [`socket`]), and writes what came
//! into the journal ([`live`]).
//!
//! When it is over, the instance is asked what it holds ([`findings`]), and [`verdict`] says
//! whether that can have come of what was sent ([`oracle`]).

mod arrivals;
mod body;
mod chain;
mod chance;
pub mod findings;
mod goods;
pub mod journal;
mod life;
mod live;
mod odd;
pub mod oracle;
mod plan;
mod player;
mod post;
pub mod report;
mod rules;
mod shares;
mod socket;
mod stage;
pub mod verdict;

pub use arrivals::{Rate, Spike, SpikeError};
pub use chance::Chance;
pub use live::{Lasting, Live, Looked, Moment};
pub use plan::{Bounds, Plan, PlanError, Run};
pub use shares::{Setting, Share, ShareError, Shares};
pub use stage::{Rehearsal, RehearsalError, prepare};
