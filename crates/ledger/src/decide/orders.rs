//! What a notice about an order does to it: grant, take back, show.

use order::{Content, Delivery, Grant, Plan, PlayerId, Status, TransactionId};

use super::{Lost, Ruling, Winner};
use crate::books::{
    BookingKey, BookingRow, Books, Direction, NewStatus, NoticeKey, Obligation, OrderKey, OrderRow,
    Source,
};
use crate::{NoOp, Outcome};

/// What `order_paid` says of its order.
#[derive(Clone, Copy)]
pub(super) struct Paid<'a> {
    pub(super) player: &'a PlayerId,
    pub(super) transaction: Option<TransactionId>,
    pub(super) payment: bool,
    pub(super) sandbox: bool,
    pub(super) content: &'a Content,
    /// `None` in a repeat: the first one has decided what was bought and granted.
    pub(super) grant: Option<&'a Grant>,
}

/// What `order_canceled` says of its order.
#[derive(Clone, Copy)]
pub(super) struct Canceled<'a> {
    pub(super) player: Option<&'a PlayerId>,
    pub(super) transaction: Option<TransactionId>,
    pub(super) refund: bool,
    pub(super) sandbox: bool,
}

impl Books {
    pub(super) fn created(
        &mut self,
        key: OrderKey,
        player: &PlayerId,
        content: &Content,
    ) -> Ruling {
        let order = self.orders.entry(key).or_default();
        if order.belongs_to(player).is_err() {
            let mut ruling = Ruling::no_op(NoOp::OtherPlayer);
            ruling.conflicts.push(crate::Conflict::OtherPlayer);
            return ruling;
        }
        order.facts.created = true;
        order.content.get_or_insert_with(|| content.clone());
        self.show(key);
        Ruling::no_op(NoOp::Recorded)
    }

    pub(super) fn paid(
        &mut self,
        key: OrderKey,
        paid: Paid<'_>,
        cause: Option<&NoticeKey>,
    ) -> Ruling {
        let row = self.orders.entry(key).or_default();
        // Facts before conflicts: what is parked is still shown as paid.
        row.facts.paid = true;
        row.sandbox |= paid.sandbox;
        match paid.grant {
            Some(_) => row.content = Some(paid.content.clone()),
            None => drop(row.content.get_or_insert_with(|| paid.content.clone())),
        }
        let mut lost = row.belongs_to(paid.player).err();
        let mut conflicts = Vec::new();
        if let Some(transaction) = paid.transaction.map(|transaction| (key.0, transaction)) {
            match self.link(transaction, key.1, &mut conflicts) {
                Ok(()) => self.record_facts(transaction, paid.payment, false),
                Err(other) => lost = lost.or(Some(other)),
            }
            self.compare_sandbox(transaction, key, &mut conflicts);
        }
        let is_canceled = self.orders.get(&key).is_some_and(|row| row.facts.canceled);
        let mut ruling = match (&lost, paid.grant) {
            // Whatever else is wrong with it, nobody has to look: nothing is owed.
            _ if is_canceled => Ruling::no_op(NoOp::Canceled),
            (None, Some(grant)) => self.grant(key, paid.player, grant, cause),
            (Some(_), _) | (None, None) => Ruling::no_op(NoOp::Recorded),
        };
        ruling.conflicts.append(&mut conflicts);
        self.show(key);
        if is_canceled {
            return ruling.despite(lost.as_ref());
        }
        ruling.unless(lost)
    }

    fn grant(
        &mut self,
        key: OrderKey,
        player: &PlayerId,
        grant: &Grant,
        cause: Option<&NoticeKey>,
    ) -> Ruling {
        match grant {
            Grant::Sandbox => Ruling::no_op(NoOp::Sandbox),
            Grant::Unclear { reason, detail } => Ruling::parked(*reason, detail),
            Grant::Lines(plan) => Ruling::new(self.hand_over(key, player, plan, cause)),
        }
    }

    /// With the built-in inventory a grant is held as soon as it is booked.
    fn hand_over(
        &mut self,
        key: OrderKey,
        player: &PlayerId,
        plan: &Plan,
        cause: Option<&NoticeKey>,
    ) -> Outcome {
        let booking = booking_key(key, Direction::Grant);
        if self.bookings.contains_key(&booking) {
            return Outcome::NoOp(NoOp::Already);
        }
        let row = BookingRow {
            player: player.clone(),
            lines: plan.lines().to_vec(),
            obligation: Obligation::Held,
            cause: cause.cloned(),
        };
        for line in &row.lines {
            let balance = (key.0, player.clone(), line.sku.clone());
            *self.moves.entry(balance).or_default() += line.quantity;
        }
        self.bookings.insert(booking, row);
        Outcome::Booked
    }

    pub(super) fn canceled(
        &mut self,
        key: OrderKey,
        canceled: Canceled<'_>,
        cause: Option<&NoticeKey>,
    ) -> Ruling {
        let row = self.orders.entry(key).or_default();
        // Whatever else is wrong with the notice, the order id decides: this is the
        // tombstone that a later grant finds.
        row.facts.canceled = true;
        row.sandbox |= canceled.sandbox;
        let mut lost = canceled
            .player
            .and_then(|player| row.belongs_to(player).err());
        let mut conflicts = Vec::new();
        if let Some(transaction) = canceled.transaction.map(|transaction| (key.0, transaction)) {
            match self.link(transaction, key.1, &mut conflicts) {
                Ok(()) => self.record_facts(transaction, false, canceled.refund),
                Err(other) => lost = lost.or(Some(other)),
            }
        }
        let mut ruling = Ruling::new(self.take_back(key, cause));
        ruling.conflicts = conflicts;
        self.show(key);
        ruling.unless(lost)
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
        let row = BookingRow {
            obligation: Obligation::Returned,
            cause: cause.cloned(),
            ..grant.clone()
        };
        for line in &row.lines {
            let balance = (key.0, row.player.clone(), line.sku.clone());
            *self.moves.entry(balance).or_default() -= line.quantity;
        }
        self.bookings.insert(revoke, row);
        Outcome::Booked
    }

    /// Appends what the player has not been shown yet. Waits while nobody has named them.
    pub(super) fn show(&mut self, key: OrderKey) {
        let status = self.status(key);
        let row = self.orders.entry(key).or_default();
        let Some(player) = row.player.clone() else {
            return;
        };
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
        let facts = self.orders.get(&key).map(|row| row.facts);
        Status::of(facts.unwrap_or_default(), delivery)
    }
}

impl OrderRow {
    /// The first to name the player decides whose order it is.
    pub(super) fn belongs_to(&mut self, player: &PlayerId) -> Result<(), Lost> {
        if self.player.get_or_insert_with(|| player.clone()) == player {
            return Ok(());
        }
        Err(Lost {
            to: Winner::Player,
            detail: "the order belongs to another player than the one named here".into(),
        })
    }
}

fn booking_key((project, order): OrderKey, direction: Direction) -> BookingKey {
    BookingKey {
        project,
        source: Source::Order(order),
        direction,
    }
}
