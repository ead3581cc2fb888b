//! What becomes of deliveries while everything works.

use redis::AsyncCommands as _;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::bench::{Bench, eventually};
use crate::ear::Ear;

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_granted_hinted_and_acknowledged() {
    let bench = Bench::new().await;
    let mut ear = Ear::of(&bench).await;
    bench.start();
    ear.hears(&bench).await;
    bench.publish("7 mira blade").await;
    assert_eq!(ear.first_of(7).await, [(1, "paid"), (2, "done")]);
    assert_eq!(bench.inventory("mira").await, ["blade×1"]);
    bench.drained().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_on_several_lanes_grant_once() {
    let bench = Bench::new().await;
    for _ in 0..64 {
        bench.publish("7 mira blade").await;
    }
    bench.start();
    bench.start();
    eventually("all were seen", async || bench.seen("7").await >= 64).await;
    bench.drained().await;
    assert_eq!(bench.inventory("mira").await, ["blade×1"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mark_in_redis_spares_the_ledger_a_repeat() {
    let bench = Bench::new().await;
    bench.start();
    bench.publish("7 mira blade").await;
    eventually("the first is booked", async || {
        !bench.inventory("mira").await.is_empty()
    })
    .await;
    bench.drained().await;
    // The epoch is heard of within a second; until then repeats go to the ledger.
    eventually("a repeat is spared", async || {
        bench.publish("7 mira blade").await;
        bench.drained().await;
        bench.counted("grantline_worker_spared_total") > 0.0
    })
    .await;
    assert_eq!(bench.inventory("mira").await, ["blade×1"]);
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_somebody_else_holds_is_no_reason_to_acknowledge() {
    let bench = Bench::new().await;
    let mut redis = bench.keys.connection().await;
    let key = format!("{}d:44056:order_paid:7", bench.keys.prefix);
    let _: () = redis
        .set_ex(&key, "claim:of-a-dead-worker", 60)
        .await
        .unwrap();
    bench.start();
    bench.publish("7 mira blade").await;
    eventually("granted", async || {
        bench.inventory("mira").await == ["blade×1"]
    })
    .await;
    bench.drained().await;
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_entry_that_the_database_rejects_is_parked_and_holds_up_nobody() {
    let bench = Bench::new().await;
    let mut connection = PgConnection::connect(bench.database.url()).await.unwrap();
    let reject = "CREATE FUNCTION reject() RETURNS trigger LANGUAGE plpgsql AS $$
                  BEGIN RAISE EXCEPTION 'no poison here'; END $$;
                  CREATE TRIGGER reject BEFORE INSERT ON booking_lines
                  FOR EACH ROW WHEN (NEW.sku = 'poison') EXECUTE FUNCTION reject()";
    connection.execute(reject).await.unwrap();
    for order in 1..=20 {
        let sku = if order == 13 { "poison" } else { "blade" };
        bench.publish(&format!("{order} mira {sku}")).await;
    }
    bench.start();
    eventually("the others are granted", async || {
        bench.inventory("mira").await == ["blade×19"]
    })
    .await;
    bench.drained().await;
    let parked = bench.parked(1).await;
    let [parked] = parked.as_slice() else {
        panic!("{parked:?}")
    };
    assert_eq!(
        (
            parked.reason.as_str(),
            parked.order.map(order::OrderId::get)
        ),
        ("rejected", Some(13))
    );
    assert!(
        parked.detail.contains("no poison here"),
        "{}",
        parked.detail
    );
    // Nothing of it could be granted; that it was paid is known and shown.
    let shown = bench.shown("mira").await;
    assert!(shown.contains(&"13 paid".to_owned()), "{shown:?}");
    bench.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paid_order_that_cannot_even_be_shown_is_parked_all_the_same() {
    let bench = Bench::new().await;
    let mut connection = PgConnection::connect(bench.database.url()).await.unwrap();
    let reject = "ALTER TABLE orders ADD CONSTRAINT no_thirteen CHECK (order_id <> 13)";
    connection.execute(reject).await.unwrap();
    bench.start();
    bench.publish("13 mira blade").await;
    let [parked] = bench.parked(1).await.try_into().unwrap();
    assert_eq!(
        (
            parked.reason.as_str(),
            parked.order.map(order::OrderId::get)
        ),
        ("rejected", Some(13))
    );
    bench.drained().await;
    bench.stop().await;
}
