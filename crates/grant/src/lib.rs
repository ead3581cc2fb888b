//! Handler: what a paid order grants.
//!
//! Pure: a notice and the project's configuration in, an [`Assertion`] out. Whatever is
//! unclear about the lines, the order is still paid and says so; only an order that names
//! no id or no player, or another project, cannot be booked at all.

mod bundles;
mod config;
mod content;

use std::collections::HashMap;

use order::{Assertion, Grant as Granted, Line, ParkReason, Plan, PlanError, ProjectId};
use task::{Lane, Task};
use worker::{Handler, Reading};
use xsolla::Notice;
use xsolla::notice::{Item, OrderPaid};

pub use config::{Bundles, Config};

/// Understands `order_paid`.
#[derive(Clone, Debug, Default)]
pub struct Grant {
    projects: HashMap<ProjectId, Config>,
}

impl Grant {
    /// A project that is not among `projects` has the defaults.
    #[must_use]
    pub const fn new(projects: HashMap<ProjectId, Config>) -> Self {
        Self { projects }
    }
}

impl Handler for Grant {
    fn lane(&self) -> Lane {
        Lane::Grant
    }

    fn read(&self, task: &Task) -> Reading {
        let notice = match Notice::read_for(task.project, &task.body) {
            Ok(notice) => notice,
            Err(error) => return Reading::unreadable(task, &error),
        };
        let Notice::OrderPaid(paid) = &notice else {
            return Reading::misrouted(task, Lane::Grant, &notice.kind());
        };
        let config = self
            .projects
            .get(&task.project)
            .copied()
            .unwrap_or_default();
        Reading {
            reference: notice.reference(&task.message.to_string()),
            assertion: assertion(paid, config),
        }
    }
}

fn assertion(paid: &OrderPaid, config: Config) -> Assertion {
    let sandbox = paid.is_sandbox();
    let grant = if sandbox && !config.grant_sandbox {
        Granted::Sandbox
    } else {
        plan(&paid.items, config.bundles).map_or_else(Unclear::into, Granted::Lines)
    };
    Assertion::Paid {
        order: paid.order.id,
        player: paid.player.clone(),
        transaction: paid.transaction(),
        payment: paid
            .billing
            .as_ref()
            .is_some_and(|billing| billing.transaction.is_some()),
        sandbox,
        content: content::of(paid),
        grant,
    }
}

/// Why a person has to decide what an order grants.
struct Unclear {
    reason: ParkReason,
    detail: String,
}

impl From<Unclear> for Granted {
    fn from(Unclear { reason, detail }: Unclear) -> Self {
        Self::Unclear { reason, detail }
    }
}

impl Unclear {
    fn field(path: &str, expected: &str) -> Self {
        Self {
            reason: ParkReason::MissingField,
            detail: format!("`{path}`: expected {expected}"),
        }
    }
}

impl From<PlanError> for Unclear {
    fn from(error: PlanError) -> Self {
        let reason = match error {
            PlanError::Empty => ParkReason::NothingToGrant,
            PlanError::Quantity => ParkReason::MissingField,
            PlanError::TooLong => ParkReason::Rejected,
        };
        Self {
            reason,
            detail: format!("`items`: {error}"),
        }
    }
}

/// All lines or none: a line that cannot be read makes the whole order unclear, for a
/// grant is booked once and what is left out of it would stay out.
fn plan(items: &[Item], bundles: Bundles) -> Result<Plan, Unclear> {
    let lines = bundles::granted(items, bundles)?
        .into_iter()
        .map(|(index, item)| line(index, item))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Plan::new(lines)?)
}

fn line(index: usize, item: &Item) -> Result<Line, Unclear> {
    let sku = item
        .sku
        .clone()
        .ok_or_else(|| Unclear::field(&format!("items[{index}].sku"), "1 to 255 bytes of text"))?;
    let quantity = item
        .quantity
        .filter(|quantity| *quantity >= 1)
        .ok_or_else(|| {
            Unclear::field(&format!("items[{index}].quantity"), "a whole number from 1")
        })?;
    Ok(Line { sku, quantity })
}

#[cfg(test)]
mod tests;
