//! Which deliveries Redis knows to be done.

use broker::Tag;
use claim::{Claimed, Claims, Key, Mark};
use ledger::{Notice, Outcome, Verdict};
use order::{Assertion, Reference};

use crate::epoch::Epoch;
use crate::lane::Held;

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

    /// Splits off what is known to be done.
    ///
    /// Only an equal mark of the ledger's present epoch proves that. A claim somebody else
    /// holds proves nothing: its holder may be dead, so the ledger decides.
    pub(crate) async fn without_done(&self, held: Vec<Held>) -> (Vec<Held>, Vec<Tag>) {
        let Some(epoch) = self.epoch.current() else {
            return (held, Vec::new());
        };
        let marks: Vec<Mark> = held.iter().map(mark_of).collect();
        let claimed = self.claims.take(&marks, &self.token, &epoch).await;
        let (mut open, mut done) = (Vec::with_capacity(held.len()), Vec::new());
        for (held, claimed) in held.into_iter().zip(claimed) {
            match claimed {
                Claimed::Done => done.push(held.delivery.tag),
                Claimed::Mine | Claimed::Busy => open.push(held),
            }
        }
        (open, done)
    }

    /// Marks what has ended. What is parked or disagrees stays unmarked: it may be tried
    /// again, and every copy of it should be seen.
    pub(crate) async fn mark(&self, held: &[Held], verdicts: &[Verdict], epoch: &str) {
        let settled = |verdict: &Verdict| {
            verdict.conflicts.is_empty() && !matches!(verdict.outcome, Outcome::Parked(_))
        };
        let (ended, open): (Vec<_>, Vec<_>) = held
            .iter()
            .zip(verdicts)
            .partition(|(_, verdict)| settled(verdict));
        let marks = |held: Vec<(&Held, &Verdict)>| -> Vec<Mark> {
            held.into_iter().map(|(held, _)| mark_of(held)).collect()
        };
        self.claims.mark(&marks(ended), epoch).await;
        self.claims.release(&marks(open), &self.token).await;
    }
}

/// What stands for a notice in Redis: its own key and, for real money, its transaction's.
/// A replay has none, for it has to be decided again.
fn mark_of(held: &Held) -> Mark {
    let entry = &held.entry;
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
