//! RabbitMQ lost whole: its queues, exchanges, policies and users.

use std::fs;
use std::time::Duration;

use super::Scene;
use super::scene::README;
use crate::say;
use crate::servers::Server;

const PAGE: &str = "rabbitmq.md";
/// So many orders are accepted and not booked when it is lost.
const ORDERS: usize = 8;

pub(crate) async fn lost_whole(scene: &mut Scene) {
    say("RabbitMQ is lost whole");
    scene.roles.stop(&["worker"]).await;
    scene.sells(ORDERS).await;
    let mark = scene.sale.live.lasting_fault("RabbitMQ is another one");
    scene.servers.kill(Server::Broker, Duration::ZERO).await;
    fs::remove_dir_all(scene.servers.data(Server::Broker)).unwrap();
    // Another one at the same address, with a user and nothing else.
    scene.servers.start_missing().await;
    let check = scene.shell.try_run(PAGE, "check").await;
    let said = String::from_utf8_lossy(&check.stdout);
    assert!(!check.status.success(), "nothing is missing: {said}");
    assert!(said.contains("queue grantline.grant.v1"), "{said}");
    let declared = scene.shell.run(README, "migrate").await;
    for object in ["policy ", "exchange ", "queue "] {
        assert!(declared.contains(object), "{declared}");
    }
    scene.shell.run(PAGE, "check").await;
    scene.roles.go_on().await;
    scene.sells(1).await;
    scene.is_whole().await;
    scene.is_made_good(ORDERS).await;
    mark.over();
}
