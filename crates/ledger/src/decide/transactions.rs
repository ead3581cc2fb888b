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
        transaction.sandbox = Some(sandbox || transaction.sandbox.unwrap_or(false));
        transaction.named_by(player);
        let mut lost = order.and_then(|order| self.link(key, order, &mut ruling.conflicts).err());
        let owner = self.transactions.get(&key).and_then(|row| row.order);
        if let Some(owner) = owner.map(|order| (key.0, order)) {
            let row = self.orders.entry(owner).or_default();
            lost = lost.or(player.and_then(|player| row.belongs_to(player).err()));
            self.compare_sandbox(key, owner, &mut ruling.conflicts);
        }
        // It is about the transaction, so its fact is the owner's even when it names another
        // order.
        self.record_facts(key, true, false);
        ruling.unless(lost)
    }

    pub(super) fn refund(
        &mut self,
        key: TransactionKey,
        player: Option<&PlayerId>,
        code: Option<i64>,
    ) -> Ruling {
        let mut ruling = Ruling::no_op(NoOp::Recorded);
        let transaction = self.transactions.entry(key).or_default();
        transaction.refund_code = transaction.refund_code.or(code);
        transaction.named_by(player);
        self.record_facts(key, false, true);
        self.compare_players(key, &mut ruling.conflicts);
        ruling
    }

    /// Records what was seen of a transaction, there and at its order.
    pub(super) fn record_facts(&mut self, key: TransactionKey, payment: bool, refund: bool) {
        let transaction = self.transactions.entry(key).or_default();
        transaction.payment |= payment;
        transaction.refund |= refund;
        self.tell_order(key);
    }

    /// Ties a real-money transaction to an order, once. What a notice says of a transaction
    /// that belongs to another order is not to be believed of that one, so its caller
    /// records billing facts only after a success.
    pub(super) fn link(
        &mut self,
        key: TransactionKey,
        order: OrderId,
        conflicts: &mut Vec<Conflict>,
    ) -> Result<(), Lost> {
        let transaction = self.transactions.entry(key).or_default();
        let owner = *transaction.order.get_or_insert(order);
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
        self.compare_players(key, conflicts);
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

    /// Who paid need not be whose order it is, but somebody should know. The items are for
    /// the order's player.
    fn compare_players(&self, key: TransactionKey, conflicts: &mut Vec<Conflict>) {
        let Some(transaction) = self.transactions.get(&key) else {
            return;
        };
        let order = transaction.order.map(|order| (key.0, order));
        let order = order.and_then(|order| self.orders.get(&order));
        let payer = transaction.player.as_ref();
        let owner = order.and_then(|row| row.player.as_ref());
        if payer
            .zip(owner)
            .is_some_and(|(payer, owner)| payer != owner)
        {
            conflicts.push(Conflict::OtherPlayer);
        }
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
