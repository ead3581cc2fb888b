//! The rules: what follows from a notice, given everything seen before.
//!
//! Pure. Both back ends load the rows under locks, call [`Books::book`] for one entry
//! after the other, and write what changed; so the same notices end the same way on both.
//!
//! Booking is idempotent and, but for two conflicts, does not depend on the order of
//! notices: whoever first names an order's player or a transaction's order wins, and the
//! other is parked.

use order::{
    Assertion, Content, Delivery, Facts, Grant, OrderId, ParkReason, Plan, PlayerId, ProjectId,
    Status, TransactionId,
};

use task::ParkedId;

use crate::books::{
    BookingKey, BookingRow, Books, Direction, FirstSeen, Ids, NewConflict, NewParked, NewStatus,
    NoticeKey, Obligation, OrderKey, OrderRow, Source, TransactionKey, TransactionRow,
};
use crate::{Conflict, Entry, NoOp, Notice, Outcome, Verdict};

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

    fn parked(reason: ParkReason, detail: impl Into<String>) -> Self {
        Self {
            detail: detail.into(),
            ..Self::new(Outcome::Parked(reason))
        }
    }
}

/// A disagreement that the first one wins.
struct Lost {
    conflict: Conflict,
    reason: ParkReason,
    detail: String,
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

    pub(crate) fn ids(&self) -> Ids {
        let (assertion, notice) = (&self.assertion, self.notice.as_ref());
        Ids {
            order: assertion.order().or_else(|| notice?.order),
            transaction: assertion.transaction().or_else(|| notice?.transaction),
            player: assertion
                .player()
                .or_else(|| notice?.player.as_ref())
                .cloned(),
        }
    }
}

impl Books {
    /// Books one entry, the `index`th of its batch.
    pub(crate) fn book(&mut self, index: usize, entry: &Entry) -> Verdict {
        let Some((notice, key)) = entry.notice.as_ref().zip(entry.notice_key()) else {
            let Ruling {
                outcome, conflicts, ..
            } = self.rule(entry, None);
            return Verdict {
                outcome,
                repeat: false,
                conflicts,
            };
        };
        let row = self.notices.entry(key.clone()).or_default();
        row.seen += 1;
        let before = row.first.clone();
        if let Some(first) = before
            .as_ref()
            .filter(|first| !is_to_be_decided_again(first, notice))
        {
            return self.repeat(entry, notice, &key, first);
        }
        let ruling = self.rule(entry, Some(&key));
        self.conclude(
            index,
            (entry, notice, key),
            before.and_then(|first| first.parked),
            ruling,
        )
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
            self.record_conflicts(entry, notice, key, &conflicts);
        }
        if !matches!(first.outcome, Outcome::Parked(_)) {
            self.settled.extend(notice.replay);
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
        was_parked: Option<ParkedId>,
        ruling: Ruling,
    ) -> Verdict {
        let Ruling {
            outcome,
            detail,
            conflicts,
        } = ruling;
        self.record_conflicts(entry, notice, &key, &conflicts);
        if let Outcome::Parked(reason) = outcome {
            let again = notice.replay;
            let notice = key.clone();
            self.parked.push(NewParked {
                entry: index,
                notice,
                reason,
                detail,
                again,
            });
        } else {
            self.settled.extend(was_parked);
            self.settled.extend(notice.replay);
        }
        let row = self.notices.entry(key).or_default();
        row.decided = true;
        row.first = Some(FirstSeen {
            message: notice.message,
            fingerprint: notice.fingerprint,
            outcome,
            parked: was_parked.filter(|_| matches!(outcome, Outcome::Parked(_))),
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

    fn rule(&mut self, entry: &Entry, cause: Option<&NoticeKey>) -> Ruling {
        let project = entry.project;
        match &entry.assertion {
            Assertion::Created {
                order,
                player,
                content,
            } => self.created((project, *order), player, content),
            Assertion::Paid { .. } => self.paid(project, &entry.assertion, cause),
            Assertion::Canceled { .. } => self.canceled(project, &entry.assertion, cause),
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
            Assertion::Recorded { .. } => Ruling::new(Outcome::NoOp(NoOp::Recorded)),
            Assertion::Unprocessable { reason, detail } => Ruling::parked(*reason, detail),
        }
    }

    fn created(&mut self, key: OrderKey, player: &PlayerId, content: &Content) -> Ruling {
        let order = self.orders.entry(key).or_default();
        if let Err(lost) = order.belongs_to(player) {
            let conflicts = vec![lost.conflict];
            return Ruling {
                conflicts,
                ..Ruling::new(Outcome::NoOp(NoOp::OtherPlayer))
            };
        }
        order.facts.created = true;
        order.content.get_or_insert_with(|| content.clone());
        self.show(key);
        Ruling::new(Outcome::NoOp(NoOp::Recorded))
    }

    fn paid(
        &mut self,
        project: ProjectId,
        assertion: &Assertion,
        cause: Option<&NoticeKey>,
    ) -> Ruling {
        let Assertion::Paid {
            order,
            player,
            transaction,
            payment,
            sandbox,
            content,
            grant,
        } = assertion
        else {
            return Ruling::new(Outcome::NoOp(NoOp::Recorded));
        };
        let key = (project, *order);
        let mut ruling = Ruling::new(Outcome::Booked);
        let row = self.orders.entry(key).or_default();
        // Facts before conflicts: what is parked is still shown as paid.
        row.facts.paid = true;
        row.sandbox |= sandbox;
        row.content = Some(content.clone());
        let mut lost = row.belongs_to(player).err();
        if let Some(transaction) = *transaction {
            let link = self.link(
                (project, transaction),
                *order,
                *payment,
                false,
                &mut ruling.conflicts,
            );
            lost = lost.or(link.err());
            self.compare_sandbox((project, transaction), key, &mut ruling.conflicts);
        }
        if let Some(Lost {
            conflict,
            reason,
            detail,
        }) = lost
        {
            ruling.conflicts.push(conflict);
            ruling = Ruling {
                conflicts: ruling.conflicts,
                ..Ruling::parked(reason, detail)
            };
        } else {
            let Ruling {
                outcome, detail, ..
            } = self.grant(key, player, grant, cause);
            ruling.outcome = outcome;
            ruling.detail = detail;
        }
        self.show(key);
        ruling
    }

    fn grant(
        &mut self,
        key: OrderKey,
        player: &PlayerId,
        grant: &Grant,
        cause: Option<&NoticeKey>,
    ) -> Ruling {
        let no_op = |reason| Ruling::new(Outcome::NoOp(reason));
        if self
            .orders
            .get(&key)
            .is_some_and(|order| order.facts.canceled)
        {
            return no_op(NoOp::Canceled);
        }
        match grant {
            Grant::Sandbox => no_op(NoOp::Sandbox),
            Grant::Unclear { reason, detail } => Ruling::parked(*reason, detail),
            Grant::Lines(plan) => self.hand_over(key, player, plan, cause),
        }
    }

    /// With the built-in inventory a grant is held as soon as it is booked.
    fn hand_over(
        &mut self,
        key: OrderKey,
        player: &PlayerId,
        plan: &Plan,
        cause: Option<&NoticeKey>,
    ) -> Ruling {
        let booking = booking_key(key, Direction::Grant);
        if self.bookings.contains_key(&booking) {
            return Ruling::new(Outcome::NoOp(NoOp::Already));
        }
        let lines = plan.lines().to_vec();
        for line in &lines {
            *self
                .moves
                .entry((key.0, player.clone(), line.sku.clone()))
                .or_default() += line.quantity;
        }
        let obligation = Obligation::Held;
        let row = BookingRow {
            player: player.clone(),
            lines,
            obligation,
            cause: cause.cloned(),
        };
        self.bookings.insert(booking, row);
        Ruling::new(Outcome::Booked)
    }

    fn canceled(
        &mut self,
        project: ProjectId,
        assertion: &Assertion,
        cause: Option<&NoticeKey>,
    ) -> Ruling {
        let Assertion::Canceled {
            order,
            player,
            transaction,
            refund,
            sandbox,
        } = assertion
        else {
            return Ruling::new(Outcome::NoOp(NoOp::Recorded));
        };
        let key = (project, *order);
        let row = self.orders.entry(key).or_default();
        // Whatever else is wrong with the notice, the order id decides: this is the
        // tombstone that a later grant finds.
        row.facts.canceled = true;
        row.sandbox |= sandbox;
        let mut lost = player
            .as_ref()
            .and_then(|player| row.belongs_to(player).err());
        let mut conflicts = Vec::new();
        if let Some(transaction) = *transaction {
            let link = self.link(
                (project, transaction),
                *order,
                false,
                *refund,
                &mut conflicts,
            );
            lost = lost.or(link.err());
        }
        let outcome = self.take_back(key, cause);
        self.show(key);
        match lost {
            None => Ruling {
                conflicts,
                ..Ruling::new(outcome)
            },
            Some(Lost {
                conflict,
                reason,
                detail,
            }) => {
                conflicts.push(conflict);
                Ruling {
                    conflicts,
                    ..Ruling::parked(reason, detail)
                }
            }
        }
    }

    /// Takes back what the ledger granted, not what the notice lists.
    fn take_back(&mut self, key: OrderKey, cause: Option<&NoticeKey>) -> Outcome {
        let revoke = booking_key(key, Direction::Revoke);
        if self.bookings.contains_key(&revoke) {
            return Outcome::NoOp(NoOp::Already);
        }
        let Some(grant) = self.bookings.get(&booking_key(key, Direction::Grant)) else {
            return Outcome::NoOp(NoOp::NothingGranted);
        };
        let mut row = grant.clone();
        for line in &row.lines {
            *self
                .moves
                .entry((key.0, row.player.clone(), line.sku.clone()))
                .or_default() -= line.quantity;
        }
        row.obligation = Obligation::Returned;
        row.cause = cause.cloned();
        self.bookings.insert(revoke, row);
        Outcome::Booked
    }

    fn payment(
        &mut self,
        key: TransactionKey,
        order: Option<OrderId>,
        player: Option<&PlayerId>,
        sandbox: bool,
    ) -> Ruling {
        let mut ruling = Ruling::new(Outcome::NoOp(NoOp::Recorded));
        let transaction = self.transactions.entry(key).or_default();
        transaction.sandbox = Some(sandbox);
        transaction.named_by(player);
        transaction.payment = true;
        let linked = order.map_or(Ok(()), |order| {
            self.link(key, order, true, false, &mut ruling.conflicts)
        });
        let lost = linked.and_then(|()| self.tell_order(key, player)).err();
        if let Some(order) = self
            .transactions
            .get(&key)
            .and_then(|transaction| transaction.order)
        {
            self.compare_sandbox(key, (key.0, order), &mut ruling.conflicts);
        }
        if let Some(Lost {
            conflict,
            reason,
            detail,
        }) = lost
        {
            ruling.conflicts.push(conflict);
            ruling = Ruling {
                conflicts: ruling.conflicts,
                ..Ruling::parked(reason, detail)
            };
        }
        ruling
    }

    fn refund(
        &mut self,
        key: TransactionKey,
        player: Option<&PlayerId>,
        code: Option<i64>,
    ) -> Ruling {
        let transaction = self.transactions.entry(key).or_default();
        transaction.refund = true;
        transaction.refund_code = transaction.refund_code.or(code);
        transaction.named_by(player);
        match self.tell_order(key, None) {
            Ok(()) => Ruling::new(Outcome::NoOp(NoOp::Recorded)),
            Err(Lost { reason, detail, .. }) => Ruling::parked(reason, detail),
        }
    }

    /// Ties a real-money transaction to an order, once. The facts are recorded on the
    /// transaction even when it belongs to another order.
    fn link(
        &mut self,
        key: TransactionKey,
        order: OrderId,
        payment: bool,
        refund: bool,
        conflicts: &mut Vec<Conflict>,
    ) -> Result<(), Lost> {
        let transaction = self.transactions.entry(key).or_default();
        transaction.payment |= payment;
        transaction.refund |= refund;
        let owner = *transaction.order.get_or_insert(order);
        let linked = self.tell_order(key, None);
        if owner != order {
            let detail = format!(
                "transaction {} belongs to order {owner}, this names order {order}",
                key.1
            );
            return Err(Lost {
                conflict: Conflict::OtherOrder,
                reason: ParkReason::OtherOrder,
                detail,
            });
        }
        let row = self.orders.entry((key.0, order)).or_default();
        if *row.transaction.get_or_insert(key.1) != key.1 {
            conflicts.push(Conflict::OtherTransaction);
        }
        linked
    }

    /// Copies what is known of a transaction to its order, so that a decision reads the
    /// order alone.
    fn tell_order(&mut self, key: TransactionKey, player: Option<&PlayerId>) -> Result<(), Lost> {
        let TransactionRow {
            order,
            payment,
            refund,
            ..
        } = self.transactions.get(&key).cloned().unwrap_or_default();
        let Some(order) = order.map(|order| (key.0, order)) else {
            return Ok(());
        };
        let row = self.orders.entry(order).or_default();
        row.facts = row.facts.union(Facts {
            payment,
            refunded: refund,
            ..Facts::default()
        });
        let belongs = player.map_or(Ok(()), |player| row.belongs_to(player));
        self.show(order);
        belongs
    }

    fn compare_sandbox(
        &self,
        transaction: TransactionKey,
        order: OrderKey,
        conflicts: &mut Vec<Conflict>,
    ) {
        let (Some(transaction), Some(order)) =
            (self.transactions.get(&transaction), self.orders.get(&order))
        else {
            return;
        };
        let seen_paid = order.facts.paid.then_some(order.sandbox);
        if transaction
            .sandbox
            .zip(seen_paid)
            .is_some_and(|(payment, order)| payment != order)
        {
            conflicts.push(Conflict::SandboxDiffers);
        }
    }

    /// Appends what the player has not been shown yet. Waits while nobody has named them.
    fn show(&mut self, key: OrderKey) {
        let granted = self.bookings.get(&booking_key(key, Direction::Grant));
        let delivery = granted.map_or(Delivery::Nothing, |booking| booking.obligation.delivery());
        let row = self.orders.entry(key).or_default();
        let Some(player) = row.player.clone() else {
            return;
        };
        let status = Status::of(row.facts, delivery);
        let (project, order) = key;
        let steps = status.steps_from(row.shown).iter();
        self.statuses.extend(steps.map(|&status| NewStatus {
            project,
            player: player.clone(),
            order,
            status,
        }));
        row.shown = row.shown.max(Some(status));
    }

    /// Where an order stands now.
    pub(crate) fn status(&self, key: OrderKey) -> Status {
        let granted = self.bookings.get(&booking_key(key, Direction::Grant));
        let delivery = granted.map_or(Delivery::Nothing, |booking| booking.obligation.delivery());
        Status::of(
            self.orders
                .get(&key)
                .map(|row| row.facts)
                .unwrap_or_default(),
            delivery,
        )
    }
}

impl OrderRow {
    /// The first to name the player decides whose order it is.
    fn belongs_to(&mut self, player: &PlayerId) -> Result<(), Lost> {
        if self.player.get_or_insert_with(|| player.clone()) == player {
            return Ok(());
        }
        let detail = "the order belongs to another player than the one named here".into();
        Err(Lost {
            conflict: Conflict::OtherPlayer,
            reason: ParkReason::OtherPlayer,
            detail,
        })
    }
}

impl TransactionRow {
    fn named_by(&mut self, player: Option<&PlayerId>) {
        if self.player.is_none() {
            self.player = player.cloned();
        }
    }
}

/// A parked notice gets another chance when it is replayed, or when Xsolla sends it with
/// another body.
fn is_to_be_decided_again(first: &FirstSeen, notice: &Notice) -> bool {
    let another = notice.replay.is_some() || first.message != notice.message;
    matches!(first.outcome, Outcome::Parked(_)) && another
}

fn booking_key((project, order): OrderKey, direction: Direction) -> BookingKey {
    BookingKey {
        project,
        source: Source::Order(order),
        direction,
    }
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
