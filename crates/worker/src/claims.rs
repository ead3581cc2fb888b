//! What stands in Redis for a notice, and who asks it.

use claim::{Claimed, Claims, Key, Mark, State};
use ledger::{Entry, Notice};
use order::{Assertion, Reference};

use crate::epoch::Epoch;

/// Asks and marks, for one lane.
#[derive(Clone, Debug)]
pub(crate) struct Claimer {
    claims: Claims,
    epoch: Epoch,
    /// Marks a claim as this lane's own, so that a repeated claim is no stranger's.
    token: String,
}

impl Claimer {
    pub(crate) fn new(claims: Claims, epoch: Epoch) -> Self {
        let token = format!("{:032x}", rand::random::<u128>());
        Self {
            claims,
            epoch,
            token,
        }
    }

    /// Whether anybody is asked.
    pub(crate) fn asks(&self) -> bool {
        self.claims.state() == State::Connected && self.epoch.current().is_some()
    }

    /// What is known of each. Without the ledger's present epoch no mark proves anything, so
    /// none is asked for.
    pub(crate) async fn claim(&self, marks: &[Mark]) -> Vec<Claimed> {
        match self.epoch.current() {
            Some(epoch) => self.claims.take(marks, &self.token, &epoch).await,
            None => vec![Claimed::Mine; marks.len()],
        }
    }

    /// Leaves marks of what is committed.
    pub(crate) async fn mark(&self, marks: &[Mark], epoch: &str) {
        self.claims.mark(marks, epoch).await;
    }

    /// Gives claims of this lane back.
    pub(crate) async fn release(&self, marks: &[Mark]) {
        self.claims.release(marks, &self.token).await;
    }
}

/// What stands for a notice in Redis: its own key and, for real money, its transaction's.
/// A replay has none, for it has to be decided again.
pub(crate) fn mark_of(entry: &Entry) -> Mark {
    let Some(notice @ Notice { replay: None, .. }) = &entry.notice else {
        return Mark {
            keys: Vec::new(),
            fingerprint: [0; 32],
        };
    };
    let key = |reference: &Reference| Key::new(entry.project, &notice.kind, reference);
    let transaction = match &entry.assertion {
        Assertion::Paid { transaction, .. } | Assertion::Canceled { transaction, .. } => {
            *transaction
        }
        Assertion::Created { .. }
        | Assertion::Payment { .. }
        | Assertion::Refund { .. }
        | Assertion::Recorded { .. }
        | Assertion::Unprocessable { .. } => None,
    };
    let transaction = transaction.map(|id| key(&Reference::part(id, "transaction")));
    let keys = std::iter::once(key(&notice.reference))
        .chain(transaction)
        .collect();
    Mark {
        keys,
        fingerprint: notice.fingerprint,
    }
}
