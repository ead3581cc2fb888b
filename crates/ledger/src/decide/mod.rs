//! The rules: what follows from a notice, given everything seen before.
//!
//! Pure. A back end loads the rows under locks, calls [`Books::book`] for one entry after
//! the other, and writes what changed; so the same notices end the same way on every one.
//!
//! Booking is idempotent and, but for two conflicts, does not depend on the order of
//! notices: whoever first names an order's player or a transaction's order wins, and the
//! other is parked.
//!
//! A repeat that says something else than the first still records its facts and links. It
//! moves no items, ends as the first one did, and what it disagrees about is a conflict:
//! nobody has to look before the first one counts.

mod orders;
#[cfg(test)]
mod tests;
mod transactions;

use order::{Assertion, OrderId, ParkReason, TransactionId};

use crate::books::{Books, FirstSeen, Ids, NewConflict, NewParked, NoticeKey};
use crate::{Conflict, Entry, NoOp, Notice, Outcome, Verdict};

use self::orders::{Canceled, Paid};

/// What the rules made of one assertion.
struct Ruling {
    outcome: Outcome,
    /// Why a person has to look.
    detail: String,
    conflicts: Vec<Conflict>,
}

impl Ruling {
    fn new(outcome: Outcome) -> Self {
        Self {
            outcome,
            detail: String::new(),
            conflicts: Vec::new(),
        }
    }

    fn no_op(reason: NoOp) -> Self {
        Self::new(Outcome::NoOp(reason))
    }

    fn parked(reason: ParkReason, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::new(Outcome::Parked(reason))
        }
    }

    /// Parks what lost to an earlier notice; what it changed before stays.
    fn unless(self, lost: Option<Lost>) -> Self {
        let Some(lost) = lost else {
            return self;
        };
        let reason = match lost.to {
            Winner::Player => ParkReason::OtherPlayer,
            Winner::Order => ParkReason::OtherOrder,
        };
        let ruling = self.despite(Some(&lost));
        Self {
            conflicts: ruling.conflicts,
            ..Self::parked(reason, lost.detail)
        }
    }

    /// Records that it lost to an earlier notice, and stays as it is.
    fn despite(mut self, lost: Option<&Lost>) -> Self {
        let conflict = lost.map(|lost| match lost.to {
            Winner::Player => Conflict::OtherPlayer,
            Winner::Order => Conflict::OtherOrder,
        });
        let new = conflict.filter(|conflict| !self.conflicts.contains(conflict));
        self.conflicts.extend(new);
        self
    }
}

/// Whether a notice is decided, or repeats one that was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Hearing {
    First,
    Repeat,
}

/// A disagreement that the first notice won.
struct Lost {
    to: Winner,
    detail: String,
}

enum Winner {
    /// The player first named for the order.
    Player,
    /// The order first named for the transaction.
    Order,
}

impl Entry {
    pub(crate) fn notice_key(&self) -> Option<NoticeKey> {
        let Notice {
            kind, reference, ..
        } = self.notice.as_ref()?;
        Some(NoticeKey {
            project: self.project,
            kind: kind.clone(),
            reference: reference.clone(),
        })
    }

    /// What it is found by. Only the assertion's own ids decide anything.
    pub(crate) fn ids(&self) -> Ids {
        let notice = self.notice.as_ref();
        let player = self.assertion.player();
        Ids {
            order: self.assertion.order().or(notice.and_then(|n| n.order)),
            transaction: self
                .assertion
                .transaction()
                .or(notice.and_then(|n| n.transaction)),
            player: player.or(notice.and_then(|n| n.player.as_ref())).cloned(),
        }
    }
}

impl Books {
    /// Books one entry, the `index`th of its batch.
    pub(crate) fn book(&mut self, index: usize, entry: &Entry) -> Verdict {
        let Some((notice, key)) = entry.notice.as_ref().zip(entry.notice_key()) else {
            let Ruling {
                outcome, conflicts, ..
            } = self.rule(entry, None, Hearing::First);
            return Verdict {
                outcome,
                repeat: false,
                conflicts,
            };
        };
        let row = self.notices.entry(key.clone()).or_default();
        row.seen += 1;
        match row.first.clone() {
            Some(first) if !is_to_be_decided_again(&first, notice) => {
                self.repeat(entry, notice, &key, &first)
            }
            first => {
                let ruling = self.rule(entry, Some(&key), Hearing::First);
                self.conclude(index, (entry, notice, key), first, ruling)
            }
        }
    }

    fn repeat(
        &mut self,
        entry: &Entry,
        notice: &Notice,
        key: &NoticeKey,
        first: &FirstSeen,
    ) -> Verdict {
        let mut conflicts = Vec::new();
        if first.fingerprint != notice.fingerprint {
            conflicts.push(Conflict::RepeatDiffers);
            if !first.is_parked() {
                let ruling = self.rule(entry, Some(key), Hearing::Repeat);
                conflicts.extend(ruling.conflicts);
            }
            self.record_conflicts(entry, notice, key, &conflicts);
        }
        if !first.is_parked() {
            self.replayed.extend(notice.replay);
        }
        Verdict {
            outcome: first.outcome,
            repeat: true,
            conflicts,
        }
    }

    fn conclude(
        &mut self,
        index: usize,
        (entry, notice, key): (&Entry, &Notice, NoticeKey),
        before: Option<FirstSeen>,
        ruling: Ruling,
    ) -> Verdict {
        let Ruling {
            outcome,
            detail,
            conflicts,
        } = ruling;
        self.record_conflicts(entry, notice, &key, &conflicts);
        if let Outcome::Parked(reason) = outcome {
            self.parked.push(NewParked {
                entry: index,
                notice: key.clone(),
                reason,
                detail,
            });
        } else {
            self.settled.extend(before.is_some().then(|| key.clone()));
            self.replayed.extend(notice.replay);
        }
        let row = self.notices.entry(key).or_default();
        row.decided = true;
        row.first = Some(FirstSeen {
            message: notice.message,
            fingerprint: notice.fingerprint,
            outcome,
            parked: before.and_then(|before| before.parked),
            ids: entry.ids(),
            trace_id: notice.trace_id.clone(),
        });
        Verdict {
            outcome,
            repeat: false,
            conflicts,
        }
    }

    fn record_conflicts(
        &mut self,
        entry: &Entry,
        notice: &Notice,
        key: &NoticeKey,
        all: &[Conflict],
    ) {
        let message = notice.message;
        self.conflicts.extend(all.iter().map(|&what| NewConflict {
            notice: key.clone(),
            message,
            ids: entry.ids(),
            what,
        }));
    }

    fn rule(&mut self, entry: &Entry, cause: Option<&NoticeKey>, hearing: Hearing) -> Ruling {
        let project = entry.project;
        match &entry.assertion {
            Assertion::Created {
                order,
                player,
                content,
            } => self.created((project, *order), player, content),
            Assertion::Paid {
                order,
                player,
                transaction,
                payment,
                sandbox,
                content,
                grant,
            } => self.paid(
                (project, *order),
                Paid {
                    player,
                    transaction: *transaction,
                    payment: *payment,
                    sandbox: *sandbox,
                    content,
                    grant: (hearing == Hearing::First).then_some(grant),
                },
                cause,
            ),
            Assertion::Canceled {
                order,
                player,
                transaction,
                refund,
                sandbox,
            } => self.canceled(
                (project, *order),
                Canceled {
                    player: player.as_ref(),
                    transaction: *transaction,
                    refund: *refund,
                    sandbox: *sandbox,
                },
                cause,
            ),
            Assertion::Payment {
                transaction,
                order,
                player,
                sandbox,
            } => self.payment((project, *transaction), *order, player.as_ref(), *sandbox),
            Assertion::Refund {
                transaction,
                player,
                code,
            } => self.refund((project, *transaction), player.as_ref(), *code),
            Assertion::Recorded { .. } => Ruling::no_op(NoOp::Recorded),
            Assertion::Unprocessable { reason, detail } => Ruling::parked(*reason, detail),
        }
    }
}

impl FirstSeen {
    const fn is_parked(&self) -> bool {
        matches!(self.outcome, Outcome::Parked(_))
    }
}

/// A parked notice gets another chance when it is replayed, or when Xsolla sends it with
/// another body.
fn is_to_be_decided_again(first: &FirstSeen, notice: &Notice) -> bool {
    first.is_parked() && (notice.replay.is_some() || first.message != notice.message)
}

/// The orders and transactions an assertion touches beside what its transaction names.
pub(crate) fn touches(assertion: &Assertion) -> (Option<OrderId>, Option<TransactionId>) {
    match assertion {
        Assertion::Created { order, .. } => (Some(*order), None),
        Assertion::Paid {
            order, transaction, ..
        }
        | Assertion::Canceled {
            order, transaction, ..
        } => (Some(*order), *transaction),
        Assertion::Payment {
            order, transaction, ..
        } => (*order, Some(*transaction)),
        Assertion::Refund { transaction, .. } => (None, Some(*transaction)),
        Assertion::Recorded { .. } | Assertion::Unprocessable { .. } => (None, None),
    }
}
