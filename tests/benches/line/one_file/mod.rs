//! The embedded stack: every role in one process on one file.

mod acknowledge;
mod commits;
mod ingress_alone;
mod start;
mod steady;

pub(crate) use ingress_alone::{INGRESS, serve};
pub(crate) use start::measure as start;
pub(crate) use steady::measure as steady;

use crate::goal::Goal;
use crate::order;
use crate::roles::{Role, Stack};

/// From a notice to its end.
pub(crate) async fn measure() -> Vec<Goal> {
    let acknowledged = acknowledge::compare().await;
    let line = Role::start("serve", Stack::OneFile).await;
    let pushed = order::measure(&line, "one file").await;
    vec![
        acknowledged,
        Goal {
            what: "one file: webhook sent to `done` pushed, p50",
            measured: format!("{pushed:.2} ms"),
            aim: "under 10 ms",
            met: pushed < 10.0,
        },
    ]
}
