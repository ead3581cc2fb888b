//! What becomes of deliveries while something is away.

use claim::Claims;
use ledger::Ledger;
use secret::Secret;
use testkit::CuttingProxy;

use crate::bench::{Bench, config, eventually, task};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_acknowledged_while_the_ledger_is_away() {
    let bench = Bench::new().await;
    let proxy = CuttingProxy::before(bench.database.url()).await;
    let mut ledger_config = bench.database.config();
    ledger_config.url = Secret::inline(proxy.url(bench.database.url())).unwrap();
    proxy.cut();
    bench.start_on(
        Ledger::open(&ledger_config).unwrap(),
        Claims::none(),
        &config(),
    );
    bench.publish("7 mira blade").await;
    eventually("the worker has tried", async || {
        bench.counted("grantline_worker_ledger_unavailable_total") >= 2.0
    })
    .await;
    bench.vhost.wait_for_messages("grantline.grant.v1", 1).await;
    proxy.heal();
    bench.drained().await;
    assert_eq!(bench.inventory("mira").await, ["blade×1"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_held_for_too_long_goes_to_a_retry_queue_and_comes_back() {
    let bench = Bench::new().await;
    let proxy = CuttingProxy::before(bench.database.url()).await;
    let mut ledger_config = bench.database.config();
    ledger_config.url = Secret::inline(proxy.url(bench.database.url())).unwrap();
    proxy.cut();
    let mut config = config();
    config.hold = std::time::Duration::from_millis(300);
    bench.start_on(
        Ledger::open(&ledger_config).unwrap(),
        Claims::none(),
        &config,
    );
    bench.publish("7 mira blade").await;
    eventually("it was moved to a retry queue", async || {
        bench.counted("grantline_worker_retried_total") >= 1.0
    })
    .await;
    proxy.heal();
    eventually("it came back and was granted", async || {
        bench.inventory("mira").await == ["blade×1"]
    })
    .await;
    bench.drained().await;
    bench.stop().await;
}

/// The outage is no fault of the notice: it is tried again within a minute of its end,
/// however often the database was away before.
#[tokio::test(flavor = "multi_thread")]
async fn no_outage_sends_a_notice_to_a_tier_longer_than_a_minute() {
    let bench = Bench::new().await;
    let proxy = CuttingProxy::before(bench.database.url()).await;
    let mut ledger_config = bench.database.config();
    ledger_config.url = Secret::inline(proxy.url(bench.database.url())).unwrap();
    proxy.cut();
    let mut config = config();
    config.hold = std::time::Duration::from_millis(300);
    let mut tried = task("7 mira blade");
    tried.attempt = 7;
    bench.broker.publish(&tried).await.unwrap();
    let ledger = Ledger::open(&ledger_config).unwrap();
    bench.start_on(ledger, Claims::none(), &config);
    bench.waits("grantline.retry.1m.v1", 1).await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_without_redis_carries_on() {
    let bench = Bench::new().await;
    let mut claim_config = bench.claims();
    let url = claim_config.url.clone().unwrap().reveal();
    let proxy = CuttingProxy::before(&url).await;
    claim_config.url = Some(Secret::inline(proxy.url(&url)).unwrap());
    let claims = Claims::connect(claim_config, &bench.telemetry.meter("claim"));
    bench.start_on(bench.database.ledger(), claims, &config());
    let granted = async |count: u32| {
        let held = format!("blade×{count}");
        eventually(&held, async || {
            bench.inventory("mira").await == [held.as_str()]
        })
        .await;
    };
    bench.publish("7 mira blade").await;
    granted(1).await;
    proxy.cut();
    bench.publish("8 mira blade").await;
    granted(2).await;
    proxy.stall();
    bench.publish("9 mira blade").await;
    granted(3).await;
    bench.drained().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_while_the_ledger_is_away_gives_back_what_it_holds() {
    let bench = Bench::new().await;
    let proxy = CuttingProxy::before(bench.database.url()).await;
    let mut ledger_config = bench.database.config();
    ledger_config.url = Secret::inline(proxy.url(bench.database.url())).unwrap();
    proxy.cut();
    bench.start_on(
        Ledger::open(&ledger_config).unwrap(),
        Claims::none(),
        &config(),
    );
    bench.publish("7 mira blade").await;
    eventually("the worker has tried", async || {
        bench.counted("grantline_worker_ledger_unavailable_total") >= 1.0
    })
    .await;
    bench.stop().await;
    bench.vhost.wait_for_messages("grantline.grant.v1", 1).await;
    assert!(bench.inventory("mira").await.is_empty());
}
