//! Everything moves to other servers while the door is shut.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use super::gateway::Gateway;
use super::scene::{PATIENCE, README};
use super::{SHARES, Scene};
use crate::Folder;
use crate::roles::ROLES;
use crate::say;
use crate::servers::{Server, Servers};

const PAGE: &str = "region.md";
const ORDERS: usize = 6;

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
    scene.servers.until_empty(PATIENCE).await;
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
