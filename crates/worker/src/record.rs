//! The record handler: payments link a transaction to its order, everything else is only
//! kept, findable by the ids it names.

use order::Assertion;
use task::{Lane, Task};
use xsolla::Notice;
use xsolla::notice::{Named, Payment};

use crate::{Handler, Reading};

/// Understands whatever is neither granted nor revoked.
///
/// A kind that another lane acts on is parked when it comes here, which happens when the
/// ingress could read less of a body than [`Notice`] can: recorded only, a paid order
/// would never be granted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record;

impl Handler for Record {
    fn lane(&self) -> Lane {
        Lane::Record
    }

    fn read(&self, task: &Task) -> Reading {
        let notice = match Notice::read_for(task.project, &task.body) {
            Ok(notice) => notice,
            Err(error) => return Reading::unreadable(task, &error),
        };
        let kind = notice.kind();
        if Lane::of(&kind) != Lane::Record {
            return Reading::misrouted(task, Lane::Record, &kind);
        }
        Reading {
            reference: notice.reference(&task.message.to_string()),
            assertion: assertion(&notice),
        }
    }
}

fn assertion(notice: &Notice) -> Assertion {
    if let Notice::Payment(payment) = notice {
        let Payment {
            transaction,
            order,
            player,
            total: _,
            subscription: _,
        } = payment;
        return Assertion::Payment {
            transaction: transaction.id,
            order: *order,
            player: player.clone(),
            sandbox: transaction.dry_run,
        };
    }
    let Named {
        order,
        transaction,
        player,
    } = notice.named();
    Assertion::Recorded {
        order,
        transaction,
        player,
    }
}

#[cfg(test)]
mod tests;
