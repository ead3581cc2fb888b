//! Redis lost: nothing is to be done, and nothing doubles.

use std::fs;
use std::time::Duration;

use super::Scene;
use crate::say;
use crate::servers::Server;

/// So many orders are paid without it, and so many more with an empty one.
const ORDERS: usize = 6;

pub(crate) async fn lost(scene: &mut Scene) {
    say("Redis is lost");
    scene.servers.kill(Server::Redis, Duration::ZERO).await;
    fs::remove_dir_all(scene.servers.data(Server::Redis)).unwrap();
    scene.sells(ORDERS).await;
    scene.servers.start_missing().await;
    scene.sells(ORDERS).await;
    // Whatever comes again finds no mark, and the ledger.
    scene.everything_again().await;
}
