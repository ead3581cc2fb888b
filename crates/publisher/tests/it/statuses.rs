//! What clients are told, and what they get back.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::Heard;

use crate::entries::{created, paid};
use crate::line::{Setup, channel, history_command, push};

fn offsets(publications: &Value) -> Vec<u64> {
    let rows = publications
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    rows.iter()
        .map(|row| row["offset"].as_u64().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_reads_what_was_and_hears_what_comes() {
    let line = Setup::new().start().await;
    line.book([created(59_614_241, "mira")]).await;
    let (mut client, subscribed) = line.connect("mira").await;
    assert_eq!(subscribed["offset"], 1);
    assert_eq!(subscribed["recoverable"], true);

    client.send(history_command(2, "mira")).await;
    let reply = client.message().await;
    let row = json!({"data": {"order_id": 59_614_241, "status": "new"}, "offset": 1});
    assert_eq!(reply["history"]["publications"], json!([row]));
    assert_eq!(reply["history"]["epoch"], subscribed["epoch"]);

    line.book([paid(59_614_241, "mira")]).await;
    for (offset, status) in [(2, "paid"), (3, "done")] {
        assert_eq!(
            client.message().await,
            push("mira", offset, 59_614_241, status)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nobody_hears_of_another_players_orders() {
    let line = Setup::new().start().await;
    let (mut mira, _) = line.connect("mira").await;
    let (mut oleg, _) = line.connect("oleg").await;
    line.book([created(1, "mira"), created(2, "oleg")]).await;
    assert_eq!(mira.message().await, push("mira", 1, 1, "new"));
    assert_eq!(oleg.message().await, push("oleg", 1, 2, "new"));

    mira.send(history_command(2, "oleg")).await;
    assert_eq!(mira.message().await["error"]["code"], 103);
    // And the connection is as good as before.
    line.book([paid(1, "mira")]).await;
    assert_eq!(mira.message().await, push("mira", 2, 1, "paid"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_that_comes_back_gets_exactly_what_it_missed() {
    let line = Setup::new().start().await;
    line.book([created(1, "mira")]).await;
    let (client, subscribed) = line.connect("mira").await;
    let epoch = subscribed["epoch"].as_str().unwrap().to_owned();
    drop(client);
    line.book([paid(1, "mira")]).await;

    let (mut client, subscribed) = line.reconnect("mira", 1, &epoch).await;
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(offsets(&subscribed["publications"]), [2, 3]);
    line.book([created(2, "mira")]).await;
    assert_eq!(client.message().await, push("mira", 4, 2, "new"));
    assert!(line.metric("grantline_publisher_recoveries_total", "recovered=\"true\"") >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn every_connection_of_a_player_hears_everything() {
    let line = Setup::new().start().await;
    let (mut phone, _) = line.connect("mira").await;
    let (mut laptop, _) = line.connect("mira").await;
    line.book([created(1, "mira")]).await;
    for client in [&mut phone, &mut laptop] {
        assert_eq!(client.message().await, push("mira", 1, 1, "new"));
    }
}

/// What reached the client late is in it; what it missed while it was away is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_time_from_booked_to_pushed_is_measured_of_every_push() {
    let line = Setup::new().start().await;
    let measured = |status: &str| {
        let label = format!("status=\"{status}\"");
        line.metric("grantline_publisher_booked_to_pushed_seconds_count", &label)
    };
    line.book([created(1, "mira")]).await;
    let (mut client, _) = line.connect("mira").await;
    // Its hint is lost: it is read with the one that follows.
    line.book_silently([paid(1, "mira")]).await;
    line.book([created(2, "mira")]).await;
    for (offset, order, status) in [(2, 1, "paid"), (3, 1, "done"), (4, 2, "new")] {
        assert_eq!(client.message().await, push("mira", offset, order, status));
    }
    line.book([paid(2, "mira")]).await;
    for (offset, status) in [(5, "paid"), (6, "done")] {
        assert_eq!(client.message().await, push("mira", offset, 2, status));
    }
    let name = "grantline_publisher_booked_to_pushed_seconds_count";
    line.wait_for_metric(name, |count| count >= 5.0).await;
    let counts = ["new", "paid", "done"].map(measured);
    assert_eq!(counts.map(|count| count.to_string()), ["1", "2", "2"]);
}

/// The worker that booked died before it could tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_lost_hint_is_found_by_the_comparison_of_positions() {
    let setup = Setup::new().with(|config| config.position_check = Duration::from_millis(200));
    let line = setup.start().await;
    let (mut client, _) = line.connect("mira").await;
    line.book_silently([created(1, "mira")]).await;
    assert_eq!(client.message().await, push("mira", 1, 1, "new"));
    line.wait_for_metric("grantline_publisher_positions_repaired_total", |n| n >= 1.0)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hint_after_a_lost_one_repairs_both() {
    let line = Setup::new().start().await;
    let (mut client, _) = line.connect("mira").await;
    line.book_silently([created(1, "mira")]).await;
    line.book([created(2, "mira")]).await;
    assert_eq!(client.message().await, push("mira", 1, 1, "new"));
    assert_eq!(client.message().await, push("mira", 2, 2, "new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_repeated_hint_tells_nobody_twice() {
    let line = Setup::new().start().await;
    let (mut client, _) = line.connect("mira").await;
    let hints = line.book_silently([created(1, "mira")]).await;
    for _ in 0..3 {
        line.broker.send_hints(&hints);
    }
    line.book([created(2, "mira")]).await;
    assert_eq!(client.message().await, push("mira", 1, 1, "new"));
    assert_eq!(client.message().await, push("mira", 2, 2, "new"));
}

/// A database restored from a snapshot draws another id.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn another_epoch_closes_the_connection_and_recovers_nothing() {
    let setup = Setup::new().with(|config| config.position_check = Duration::from_millis(200));
    let line = setup.start().await;
    line.book([created(1, "mira")]).await;
    let (mut client, subscribed) = line.connect("mira").await;
    let epoch = subscribed["epoch"].as_str().unwrap().to_owned();
    line.database.new_epoch().await;
    let (_, end) = client.end().await;
    assert_eq!(end, Heard::Close(3010, "insufficient state".to_owned()));

    let (_client, subscribed) = line.reconnect("mira", 1, &epoch).await;
    assert_eq!(subscribed["was_recovering"], true);
    assert!(subscribed["recovered"].is_null());
    assert_ne!(subscribed["epoch"], epoch.as_str());
}

/// Orders are booked while the client asks for its history again and again: however the
/// two cross, no push is followed by a history without it, and no row is missing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_history_contains_all_that_was_pushed_before_it() {
    const ORDERS: i64 = 40;
    let line = Setup::new().start().await;
    let (mut client, _) = line.connect("mira").await;
    let booking = async {
        for order in 1..=ORDERS {
            line.book([created(order, "mira")]).await;
        }
    };
    let reading = async {
        let (mut pushed, mut asked, mut answered) = (0, 0, 0);
        while pushed < ORDERS.unsigned_abs() || answered < asked {
            if asked == answered && asked < 15 {
                asked += 1;
                client.send(history_command(asked + 1, "mira")).await;
            }
            let message = client.message().await;
            if let Some(offset) = message["push"]["pub"]["offset"].as_u64() {
                assert_eq!(message["push"]["channel"], channel("mira"));
                pushed += 1;
                assert_eq!(offset, pushed, "pushes ascend without gaps");
            } else {
                answered += 1;
                let rows = offsets(&message["history"]["publications"]);
                assert!(rows.iter().copied().eq(1..=pushed), "{pushed}: {rows:?}");
            }
        }
    };
    tokio::join!(booking, reading);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_burst_is_one_document_a_message_in_order() {
    let line = Setup::new().start().await;
    let (mut client, _) = line.connect("mira").await;
    line.book((1..=300).map(|order| paid(order, "mira"))).await;
    for offset in 1..=600 {
        let message = client.message().await;
        assert_eq!(message["push"]["pub"]["offset"], offset);
    }
    line.wait_for_metric("grantline_publisher_pushes_total", |pushes| pushes >= 600.0)
        .await;
}
