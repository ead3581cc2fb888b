//! What a notice about a real-money transaction does to it, and to the order it paid.

use order::{Facts, OrderId, PlayerId};

use super::{Lost, Ruling, Winner};
use crate::books::{Books, OrderKey, TransactionKey, TransactionRow};
use crate::{Conflict, NoOp};

impl Books {
    pub(super) fn payment(
        &mut self,
        key: TransactionKey,
        order: Option<OrderId>,
        player: Option<&PlayerId>,
        sandbox: bool,
    ) -> Ruling {
        let mut ruling = Ruling::no_op(NoOp::Recorded);
        let transaction = self.transactions.entry(key).or_default();
        transaction.sandbox = Some(sandbox);
        transaction.named_by(player);
        self.record_facts(key, true, false);
        let mut lost = order.and_then(|order| self.link(key, order, &mut ruling.conflicts).err());
        let owner = self.transactions.get(&key).and_then(|row| row.order);
        if let Some(owner) = owner.map(|order| (key.0, order)) {
            let row = self.orders.entry(owner).or_default();
            lost = lost.or(player.and_then(|player| row.belongs_to(player).err()));
            self.tell_order(key);
            self.compare_sandbox(key, owner, &mut ruling.conflicts);
        }
        ruling.unless(lost)
    }

    pub(super) fn refund(
        &mut self,
        key: TransactionKey,
        player: Option<&PlayerId>,
        code: Option<i64>,
    ) -> Ruling {
        let transaction = self.transactions.entry(key).or_default();
        transaction.refund_code = transaction.refund_code.or(code);
        transaction.named_by(player);
        self.record_facts(key, false, true);
        self.tell_order(key);
        Ruling::no_op(NoOp::Recorded)
    }

    pub(super) fn record_facts(&mut self, key: TransactionKey, payment: bool, refund: bool) {
        let transaction = self.transactions.entry(key).or_default();
        transaction.payment |= payment;
        transaction.refund |= refund;
    }

    /// Ties a real-money transaction to an order, once, and copies its facts there. Those
    /// of a transaction that belongs to another order stay with that one.
    pub(super) fn link(
        &mut self,
        key: TransactionKey,
        order: OrderId,
        conflicts: &mut Vec<Conflict>,
    ) -> Result<(), Lost> {
        let transaction = self.transactions.entry(key).or_default();
        let owner = *transaction.order.get_or_insert(order);
        self.tell_order(key);
        if owner != order {
            let detail = format!(
                "transaction {} belongs to order {owner}, this names order {order}",
                key.1
            );
            return Err(Lost {
                to: Winner::Order,
                detail,
            });
        }
        let row = self.orders.entry((key.0, order)).or_default();
        if *row.transaction.get_or_insert(key.1) != key.1 {
            conflicts.push(Conflict::OtherTransaction);
        }
        Ok(())
    }

    /// Copies what is known of a transaction to its order, so that a decision reads the
    /// order alone.
    fn tell_order(&mut self, key: TransactionKey) {
        let Some(transaction) = self.transactions.get(&key) else {
            return;
        };
        let Some(order) = transaction.order.map(|order| (key.0, order)) else {
            return;
        };
        let row = self.orders.entry(order).or_default();
        row.facts = row.facts.union(Facts {
            payment: transaction.payment,
            refunded: transaction.refund,
            ..Facts::default()
        });
        self.show(order);
    }

    pub(super) fn compare_sandbox(
        &self,
        transaction: TransactionKey,
        order: OrderKey,
        conflicts: &mut Vec<Conflict>,
    ) {
        let payment = self
            .transactions
            .get(&transaction)
            .and_then(|row| row.sandbox);
        let paid = self.orders.get(&order).filter(|row| row.facts.paid);
        if payment
            .zip(paid)
            .is_some_and(|(payment, paid)| payment != paid.sandbox)
        {
            conflicts.push(Conflict::SandboxDiffers);
        }
    }
}

impl TransactionRow {
    fn named_by(&mut self, player: Option<&PlayerId>) {
        if self.player.is_none() {
            self.player = player.cloned();
        }
    }
}
