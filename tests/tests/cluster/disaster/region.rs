//! Everything moves to other servers while the door is shut.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use super::gateway::Gateway;
use super::scene::{PATIENCE, README};
use super::{SHARES, Scene};
use crate::Folder;
use crate::roles::ROLES;
use crate::say;
use crate::servers::{Server, Servers};

const PAGE: &str = "region.md";
const ORDERS: usize = 6;
/// Longer than the broker's management takes to count a message that has moved.
const COUNTED: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(crate) async fn moved() {
    say("everything moves to other servers");
    let folder = Folder::new("region-there", 0);
    let starting = Servers::start(&folder.0, &Server::ALL);
    let (mut scene, there) = Scene::open_while("region", &SHARES, starting).await;
    scene.there = Some(folder);
    scene.sells(ORDERS).await;

    let gateway = Gateway::open().await;
    let mark = scene.sale.live.lasting_fault("another region");
    scene.roles.shut_door(gateway.at);
    scene.roles.stop(&["ingress"]).await;
    emptied(&scene.servers).await;
    scene.roles.stop(&ROLES.map(|(_, role)| role)).await;

    scene
        .shell
        .set("OLD_DATABASE_URL", scene.servers.url("DATABASE_URL"));
    scene
        .shell
        .set("NEW_DATABASE_URL", there.url("DATABASE_URL"));
    scene.shell.run(PAGE, "copy").await;
    scene.shell.run(PAGE, "count").await;
    let old = scene.servers.url("DATABASE_URL");
    scene.shell.set("OLD_ADMIN_URL", old);
    scene.shell.set("OLD_USERS", "grantline");
    scene.shell.run(PAGE, "fence").await;
    assert!(PgConnection::connect(old).await.is_err(), "not fenced");
    scene.roles.move_to(&scene.servers, &there);
    // What is left behind is not asked any more.
    for server in Server::ALL {
        scene.servers.kill(server, Duration::ZERO).await;
    }
    let declared = scene.shell.run(README, "migrate").await;
    assert!(declared.contains("queue grantline.grant.v1"), "{declared}");
    scene.shell.run(PAGE, "epoch").await;
    scene.roles.go_on().await;
    scene.shell.set("DATABASE_URL", there.url("DATABASE_URL"));
    scene.servers = there;
    scene.is_whole().await;
    scene.roles.open_door(gateway.at);
    scene.sells(ORDERS).await;
    mark.over();
    // Nothing was lost on the way.
    scene.comes_of_itself().await;
    scene.judged_clean().await;
}

async fn emptied(servers: &Servers) {
    let deadline = Instant::now() + PATIENCE;
    let mut empty_since = None;
    loop {
        let mut queues = servers.queues().await;
        queues.retain(|_, messages| *messages > 0);
        let now = Instant::now();
        if !queues.is_empty() {
            empty_since = None;
        } else if now - *empty_since.get_or_insert(now) > COUNTED {
            return;
        }
        assert!(now < deadline, "never empty: {queues:?}");
        sleep(LOOK_EVERY).await;
    }
}
