//! PostgreSQL lost, and put back as it was some orders earlier.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use super::Scene;
use super::scene::PATIENCE;
use crate::rolling::numbers;
use crate::say;
use crate::servers::{Server, Servers};

const PAGE: &str = "postgresql.md";
/// So many orders are paid after the copy was made.
const ORDERS: usize = 6;
/// Whoever tells of the ledger, and is not needed to take notices.
const READERS: [&str; 2] = ["publisher", "api"];

/// A copy of the volume: the same database, the same timeline, the same epoch.
pub(crate) async fn put_back_from_a_snapshot(scene: &mut Scene) {
    say("PostgreSQL is put back from a snapshot of its volume");
    scene.sells(ORDERS).await;
    let snapshot = scene.folder.0.join("snapshot");
    let standing = scene.servers.halt(Server::Postgres).await;
    copy(&scene.servers.data(Server::Postgres), &snapshot);
    standing.go_on();
    lose_what_comes(scene).await;
    let data = scene.servers.data(Server::Postgres);
    copy(&snapshot, &data);
    scene.servers.start_missing().await;
    bring_back(scene).await;
}

/// A dump into a new database: another server, and still the same epoch.
pub(crate) async fn put_back_from_a_dump(scene: &mut Scene) {
    say("PostgreSQL is put back from a dump");
    scene.sells(ORDERS).await;
    scene.shell.run(PAGE, "dump").await;
    lose_what_comes(scene).await;
    // An empty one.
    scene.servers.start_missing().await;
    scene.shell.run(PAGE, "restore").await;
    bring_back(scene).await;
}

/// Orders are booked that no copy has; then the database is gone with its data.
async fn lose_what_comes(scene: &mut Scene) {
    let before = booked(&scene.servers).await;
    scene.sells(ORDERS).await;
    let deadline = Instant::now() + PATIENCE;
    while booked(&scene.servers).await < before + i64::try_from(ORDERS).unwrap() {
        assert!(Instant::now() < deadline, "nothing is booked");
        sleep(Duration::from_millis(100)).await;
    }
    scene.servers.kill(Server::Postgres, Duration::ZERO).await;
    std::fs::remove_dir_all(scene.servers.data(Server::Postgres)).unwrap();
    // They hold batches that nobody takes, and would hold them for as long as they may.
    for number in numbers("worker") {
        scene.roles.kill(number, Duration::ZERO).await;
    }
    scene.roles.stop(&READERS).await;
}

/// The page, from the moment at which the older database answers.
async fn bring_back(scene: &mut Scene) {
    let before = epoch(&scene.servers).await;
    let said = scene.shell.run(PAGE, "epoch").await;
    let after = epoch(&scene.servers).await;
    assert_ne!(before, after, "{said}");
    let mark = scene
        .sale
        .live
        .lasting_fault("the ledger is an earlier one");
    scene.roles.go_on().await;
    scene.sells(1).await;
    scene.is_whole().await;
    scene.is_made_good(ORDERS).await;
    mark.over();
}

async fn booked(servers: &Servers) -> i64 {
    let count = "SELECT count(*) FROM bookings";
    ask(servers, count).await
}

async fn epoch(servers: &Servers) -> String {
    ask(servers, "SELECT ledger_epoch()").await
}

async fn ask<T>(servers: &Servers, question: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let mut ledger = PgConnection::connect(servers.url("DATABASE_URL"))
        .await
        .unwrap();
    sqlx::query_scalar(question)
        .fetch_one(&mut ledger)
        .await
        .unwrap()
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").args([from, to]).output();
    let done = done.unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
