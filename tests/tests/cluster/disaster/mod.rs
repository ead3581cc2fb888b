//! The runbooks of disasters, step by step, while a sale goes on: their commands are taken from
//! the pages and run as they stand there, with a `kubectl` that finds the processes of the test.

mod broker;
mod gateway;
mod ledger;
mod page;
mod redis;
mod region;
mod scene;
mod secrets;

use scene::Scene;

/// No polling: what a page of a lost order shows does run backwards until it comes again.
const SHARES: [&str; 7] = [
    "combined=50%",
    "bundle=10%",
    "refund=6%",
    "cancel-first=5%",
    "repeat=8%",
    "simultaneous=8%",
    "socket=30%",
];

#[tokio::test(flavor = "multi_thread")]
async fn what_a_ledger_a_broker_and_a_redis_lost_comes_back_by_the_runbook() {
    let mut scene = Scene::open("disaster", &SHARES).await;
    ledger::put_back_from_a_snapshot(&mut scene).await;
    ledger::put_back_from_a_dump(&mut scene).await;
    broker::lost_whole(&mut scene).await;
    redis::lost(&mut scene).await;
    scene.judged_clean().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_moved_and_nobody_is_refused_but_with_503() {
    region::moved().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_secret_is_exchanged_during_a_sale_and_nobody_is_refused() {
    secrets::exchanged().await;
}
