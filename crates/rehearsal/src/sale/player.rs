//! The players: each follows the order as a game client does, over a WebSocket or by polling,
//! and writes down what it is told.

use std::sync::Arc;
use std::time::Duration;

use order::Status;
use tokio_util::sync::CancellationToken;

use crate::game_client;
use crate::purchase::Purchase;
use crate::target::GameClient;

use super::journal::{Follows, Seen};
use super::life::Life;
use super::live::Counted;
use super::socket::{self, Ended};
use super::stage::Stage;

/// A player's client, which follows one order.
pub(crate) struct Player {
    pub(crate) stage: Arc<Stage>,
    pub(crate) at: GameClient,
    pub(crate) purchase: Purchase,
    /// As the journal numbers it.
    pub(crate) client: u32,
    /// When it loses its connection at the latest, if it does.
    pub(crate) drops_after: Option<Duration>,
    /// It need not wait any longer.
    pub(crate) end: CancellationToken,
}

/// Lets the player of this shopper follow the order until it is final. To be cancelled when
/// nothing is sent that would make it so.
pub(crate) fn follow(stage: &Arc<Stage>, number: u32, life: &Life) -> CancellationToken {
    let end = stage.close.child_token();
    let follows = life.shopper.follows;
    if let Some(at) = stage.target.client.clone()
        && follows != Follows::Nothing
    {
        let player = Player {
            stage: Arc::clone(stage),
            at,
            purchase: life.shopper.purchase.clone(),
            client: number,
            drops_after: life.drops_after,
            end: end.clone(),
        };
        stage.clients.spawn(async move {
            let end = player.end.clone();
            // Whatever it waits for, and nothing has to be said to a server that it leaves.
            end.run_until_cancelled(player.follow(follows)).await;
        });
    }
    end
}

impl Player {
    async fn follow(self, how: Follows) {
        if how == Follows::Socket {
            let stage = Arc::clone(&self.stage);
            let _counted = Counted::one(&stage.live.counts().sockets);
            match socket::watch(&self).await {
                Ended::Final => return,
                // As the page advises where the connection has problems.
                Ended::Refused => {}
            }
        }
        self.poll().await;
    }

    async fn poll(&self) {
        loop {
            let unix_now = self.stage.unix_now();
            let asked = game_client::poll(&self.stage.others, &self.at, &self.purchase, unix_now);
            // Without an answer, or with "not found", it asks again.
            let answer = asked.await.ok();
            if let Some(status) = answer.and_then(|name| Status::from_name(&name)) {
                let order = self.purchase.order;
                self.saw(Seen::Polled { order, status });
                if status.is_final() {
                    return;
                }
            }
            tokio::time::sleep(self.stage.plan.poll_interval).await;
        }
    }

    pub(crate) fn saw(&self, seen: Seen) {
        self.stage
            .live
            .saw(&self.purchase.player, self.client, seen);
    }
}
