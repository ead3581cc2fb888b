//! Reads of the ledger, a bounded number at once.
//!
//! They go to the primary, so nobody is shown less than was pushed.

use std::sync::Arc;

use centrifuge::{LoadRequest, Loaded};
use ledger::{Ledger, LedgerError, OrderStatus, StreamRow};
use order::{OrderId, PlayerId, ProjectId};
use tokio::sync::Semaphore;

use crate::hub::Position;
use crate::publication::{self, Booked};

/// What a connection is told of a read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) loaded: Loaded,
    /// Of each row, in their order.
    pub(crate) booked: Vec<Booked>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reader {
    ledger: Ledger,
    slots: Arc<Semaphore>,
}

impl Reader {
    pub(crate) fn new(ledger: Ledger, at_once: usize) -> Self {
        let slots = at_once.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            ledger,
            slots: Arc::new(Semaphore::new(slots)),
        }
    }

    /// How many of a player's rows can be had at most.
    pub(crate) fn rows_max(&self) -> u32 {
        u32::try_from(self.ledger.history_rows()).unwrap_or(u32::MAX)
    }

    /// What a connection asks for. Begins after the call, in one snapshot.
    pub(crate) async fn load(
        &self,
        project: ProjectId,
        player: &PlayerId,
        request: LoadRequest,
    ) -> Result<Read, LedgerError> {
        let _slot = self.slots.acquire().await;
        // Beyond every row, where only the top is wanted.
        let after = request.after.and_then(|after| i64::try_from(after).ok());
        let stream = self
            .ledger
            .stream(project, player, after.unwrap_or(i64::MAX))
            .await?;
        let booked = |row: &StreamRow| Booked {
            status: row.status,
            at: row.at,
        };
        Ok(Read {
            booked: stream.rows.iter().map(booked).collect(),
            loaded: publication::loaded(stream),
        })
    }

    /// The epoch, and the top of each of these streams.
    pub(crate) async fn tops(
        &self,
        positions: &[Position],
    ) -> Result<(String, Vec<u64>), LedgerError> {
        let _slot = self.slots.acquire().await;
        let players: Vec<_> = positions
            .iter()
            .map(|position| (position.project, position.player.clone()))
            .collect();
        let (epoch, tops) = self.ledger.tops(&players).await?;
        Ok((epoch, tops.into_iter().map(publication::offset).collect()))
    }

    /// What a player may know of an order; `None` for orders of others and of nobody.
    pub(crate) async fn order(
        &self,
        project: ProjectId,
        order: OrderId,
        player: &PlayerId,
    ) -> Result<Option<OrderStatus>, LedgerError> {
        let _slot = self.slots.acquire().await;
        self.ledger.order_status(project, order, player).await
    }
}
