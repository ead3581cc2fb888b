//! A play: one purchase's steps in order, each judged as it ends.

mod look_at;
mod overrides;
mod performance;
mod report;
mod scenario;
mod script;

pub use overrides::{Override, OverrideError};
pub use performance::{Pace, play};
pub use report::{Mismatch, Report, Verdict};
pub use scenario::Scenario;
pub(crate) use script::{Expected, Letter};
pub use script::{Script, ScriptError, Views};
