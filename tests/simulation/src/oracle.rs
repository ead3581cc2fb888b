//! What has to be true once everything has come to rest.

use ledger::{Entry, Outcome};
use order::{ParkReason, Status};

use crate::scenario::Order;
use crate::world::World;

impl World {
    /// Holds the ledger and the clients against what was accepted.
    pub(crate) fn judge(&self) -> Result<(), String> {
        for notice in 0..self.scenario.notices.len() {
            self.judge_notice(notice)?;
        }
        for order in &self.scenario.orders {
            self.judge_order(order)
                .map_err(|fault| format!("{fault}: order {}", order.id))?;
        }
        self.judge_balances()
    }

    /// Nothing accepted is forgotten: it is in the ledger, as itself or as parked.
    fn judge_notice(&self, notice: usize) -> Result<(), String> {
        if !self.accepted.contains(&notice) {
            return Err(format!("the run ended before notice {notice} came"));
        }
        let is_parked = self
            .as_parked(notice)
            .any(|entry| self.outcome(&entry).is_some());
        let is_known = self.is_booked(notice) || is_parked || self.raw.contains(&notice);
        if is_known {
            return Ok(());
        }
        Err(format!("promise 7: notice {notice} is nowhere"))
    }

    /// One effect per order and direction, whatever came how often and in which order.
    fn judge_order(&self, order: &Order) -> Result<(), String> {
        let found = self.ledger.order(self.scenario.project, order.id);
        let is_paid = order.paid.is_some_and(|notice| self.is_granting(notice));
        let is_canceled = order.canceled.is_some_and(|notice| self.is_booked(notice));
        let holds = found.granted && !found.revoked;
        if found.revoked && !found.granted {
            return Err("promise 4: revoked and never granted".to_owned());
        }
        if is_canceled && holds {
            return Err("promise 5: canceled, and the player holds it".to_owned());
        }
        if is_paid && !is_canceled && !holds {
            return Err("promise 4: paid, and the player does not hold it".to_owned());
        }
        if holds && order.paid.is_none() {
            return Err("promise 4: never paid, and the player holds it".to_owned());
        }
        if is_canceled && found.status != Status::Canceled {
            return Err(format!("promise 8: canceled, and {:?}", found.status));
        }
        let shown = self
            .clients
            .iter()
            .filter(|client| client.player == order.player);
        for client in shown {
            let shown = client.shown(order.id.get());
            if shown.is_some_and(|shown| shown != found.status) {
                return Err(format!("promise 8: {:?}, shown {shown:?}", found.status));
            }
            if shown.is_none() && found.status != Status::New {
                return Err(format!("promise 8: {:?}, never shown", found.status));
            }
        }
        Ok(())
    }

    /// What a player holds is what its orders grant. Each grants as many as its number.
    fn judge_balances(&self) -> Result<(), String> {
        for (player, id) in self.scenario.players.iter().enumerate() {
            let own = self
                .scenario
                .orders
                .iter()
                .filter(|order| order.player == player);
            let holds = |order: &&Order| {
                let found = self.ledger.order(self.scenario.project, order.id);
                found.granted && !found.revoked
            };
            let due: i64 = own.filter(holds).map(|order| order.id.get()).sum();
            let held = self.ledger.balance(self.scenario.project, id);
            if due != held {
                return Err(format!(
                    "promise 4: player {player} holds {held}, due is {due}"
                ));
            }
        }
        Ok(())
    }

    fn outcome(&self, entry: &Entry) -> Option<Outcome> {
        self.ledger.outcome(entry)
    }

    /// The ledger has it under its own key.
    fn is_booked(&self, notice: usize) -> bool {
        self.outcome(&self.scenario.notices[notice].entry).is_some()
    }

    /// And it was not parked there.
    fn is_granting(&self, notice: usize) -> bool {
        let outcome = self.outcome(&self.scenario.notices[notice].entry);
        outcome.is_some_and(|outcome| !matches!(outcome, Outcome::Parked(_)))
    }

    fn as_parked(&self, notice: usize) -> impl Iterator<Item = Entry> {
        self.scenario
            .parked(notice, ParkReason::DeliveryLimit)
            .into_iter()
    }
}
