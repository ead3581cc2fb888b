//! The embedded stack: every role in one process on one file.

mod acknowledge;
mod commits;
mod ingress_alone;
mod start;
mod steady;

pub(crate) use ingress_alone::{INGRESS, serve};

use crate::goal::Goal;
use crate::order;
use crate::roles::{Role, Stack};

pub(crate) async fn measure() -> Vec<Goal> {
    let mut goals = vec![acknowledge::compare().await];
    let pushed = order::measure(&Role::start("serve", Stack::OneFile).await, "one file").await;
    goals.push(Goal {
        what: "one file: webhook sent to `done` pushed, p50",
        measured: format!("{pushed:.2} ms"),
        aim: "under 10 ms",
        met: pushed < 10.0,
    });
    goals.extend(steady::measure().await);
    goals.extend(start::measure().await);
    goals
}
