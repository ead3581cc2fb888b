//! Handler: cancellations and refunds.
//!
//! `order_canceled` alone takes an order back. A `refund` is recorded: in separate mode
//! the cancellation follows it, and only an order knows what was granted. Neither needs
//! the order to be known: a cancellation that comes first leaves a tombstone.

use order::Assertion;
use task::{Lane, Task};
use worker::{Handler, Reading};
use xsolla::Notice;

/// Understands `order_canceled` and `refund`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revoke;

impl Handler for Revoke {
    fn lane(&self) -> Lane {
        Lane::Revoke
    }

    fn read(&self, task: &Task) -> Reading {
        let notice = match Notice::read_for(task.project, &task.body) {
            Ok(notice) => notice,
            Err(error) => return Reading::unreadable(task, &error),
        };
        match assertion(&notice) {
            Some(assertion) => Reading {
                reference: notice.reference(&task.message.to_string()),
                assertion,
            },
            None => Reading::misrouted(task, Lane::Revoke, &notice.kind()),
        }
    }
}

fn assertion(notice: &Notice) -> Option<Assertion> {
    if let Notice::OrderCanceled(canceled) = notice {
        return Some(Assertion::Canceled {
            order: canceled.order.id,
            player: canceled.player.clone(),
            transaction: canceled.transaction(),
            // In combined mode the cancellation carries the refund; no `refund` follows.
            refund: canceled
                .billing
                .as_ref()
                .is_some_and(|billing| billing.transaction.is_some()),
            sandbox: canceled.is_sandbox(),
        });
    }
    if let Notice::Refund(refund) = notice {
        return Some(Assertion::Refund {
            transaction: refund.transaction.id,
            player: refund.player.clone(),
            code: refund.code,
        });
    }
    None
}

#[cfg(test)]
mod tests;
