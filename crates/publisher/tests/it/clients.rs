//! How real clients behave, and how bad ones do.

use std::time::Duration;

use serde_json::json;
use testkit::{Heard, WebSocket, WebSocketOptions};

use crate::entries::{created, paid};
use crate::line::{SOCKET, Setup, connect_command, history_command, push, token};

fn header(name: &'static str, value: &str) -> WebSocketOptions {
    WebSocketOptions {
        headers: vec![(name, value.to_owned())],
        ..WebSocketOptions::default()
    }
}

/// Unreal's and Cocos' SDKs: a subprotocol nobody knows, an id out of the blue, no name,
/// and a `{}` of their own every now and then. Any of it ends a Centrifugo connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn hand_written_clients_are_served() {
    let line = Setup::new().start().await;
    let opened = WebSocket::open_with(line.at, SOCKET, header("Sec-WebSocket-Protocol", "wss"));
    let mut client = opened.await.unwrap();
    assert_eq!(client.protocol(), None);
    let data = json!({"auth": token("mira"), "project_id": 44_056});
    client
        .send(json!({"connect": {"data": data}, "id": 2_147_483_647}))
        .await;
    assert_eq!(client.message().await["id"], 2_147_483_647);
    for _ in 0..3 {
        client.send("{}").await;
    }
    client.ping().await;
    assert_eq!(client.heard().await, Heard::Pong);
    line.book([created(1, "mira")]).await;
    assert_eq!(client.message().await, push("mira", 1, 1, "new"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_client_is_pinged_and_one_that_never_answers_is_closed() {
    let setup = Setup::new().with(|config| {
        config.ping_interval = Duration::from_millis(400);
        config.pong_timeout = Duration::from_millis(200);
    });
    let line = setup.start().await;
    let (mut client, _) = line.connect("mira").await;
    let (messages, end) = client.end().await;
    assert_eq!(messages, [json!({})]);
    assert_eq!(end, Heard::Close(3012, "no pong".to_owned()));
}

/// The libraries would try an HTTP status again for ever; a terminal close they obey.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn protobuf_is_refused_in_words_its_libraries_understand() {
    let line = Setup::new().start().await;
    let offer = header("Sec-WebSocket-Protocol", "centrifuge-protobuf");
    let mut client = WebSocket::open_with(line.at, SOCKET, offer).await.unwrap();
    assert_eq!(client.protocol(), Some("centrifuge-protobuf"));
    let end = Heard::Close(3506, "inappropriate protocol".to_owned());
    assert_eq!(client.heard().await, end);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn web_pages_of_other_origins_are_sent_away_for_good() {
    let origins = || vec!["https://game.example".to_owned()];
    let setup = Setup::new().with(|config| config.allowed_origins = origins());
    let line = setup.start().await;
    let evil = header("Origin", "https://evil.example");
    let mut client = WebSocket::open_with(line.at, SOCKET, evil).await.unwrap();
    let end = Heard::Close(3507, "permission denied".to_owned());
    assert_eq!(client.heard().await, end);

    let own = header("Origin", "https://game.example");
    let mut client = WebSocket::open_with(line.at, SOCKET, own).await.unwrap();
    client.send(connect_command(&token("mira"))).await;
    assert!(client.message().await["connect"].is_object());
    line.connect("mira").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_full_process_answers_503_until_somebody_leaves() {
    let setup = Setup::new().with(|config| config.max_sockets = 1);
    let line = setup.start().await;
    let (client, _) = line.connect("mira").await;
    let refused = WebSocket::open_with(line.at, SOCKET, WebSocketOptions::default()).await;
    assert_eq!(refused.err(), Some(503));
    drop(client);
    line.wait_for_metric("grantline_publisher_sockets{", |open| open == 0.0)
        .await;
    // The place is free a moment after the connection is counted out.
    loop {
        let opened = WebSocket::open_with(line.at, SOCKET, WebSocketOptions::default()).await;
        match opened {
            Ok(_) => break,
            Err(status) => assert_eq!(status, 503),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_frame_that_is_too_large_is_closed_for_good() {
    let line = Setup::new().start().await;
    let (mut client, _) = line.connect("mira").await;
    client.try_send("x".repeat(64 * 1024 + 1)).await;
    let (_, end) = client.end().await;
    assert!(matches!(end, Heard::Close(1009, _)), "{end:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_no_command_is_closed_for_good() {
    let line = Setup::new().start().await;
    for junk in ["junk", "[]", r#"{"id":1,"history":{"channel":"x"}}"#] {
        let mut client = line.open().await;
        client.send(junk).await;
        let (_, end) = client.end().await;
        assert_eq!(end, Heard::Close(3501, "bad request".to_owned()), "{junk}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_silent_connection_does_not_stay() {
    let setup = Setup::new().with(|config| config.connect_timeout = Duration::from_millis(300));
    let line = setup.start().await;
    let (_, end) = line.open().await.end().await;
    assert_eq!(end, Heard::Close(3502, "stale".to_owned()));
}

/// The client asks for its history over and over and reads none of it, until both
/// kernels' buffers are full. Then it reads again.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_slow_client_is_closed_and_recovers() {
    let setup = Setup::new().with(|config| config.write_timeout = Duration::from_secs(2));
    let line = setup.start().await;
    line.book((1..=500).map(|order| paid(order, "mira"))).await;
    let options = WebSocketOptions {
        receive_buffer: Some(4 * 1024),
        ..WebSocketOptions::default()
    };
    let mut client = WebSocket::open_with(line.at, SOCKET, options)
        .await
        .unwrap();
    client.send(connect_command(&token("mira"))).await;
    let reply = client.message().await;
    let epoch = reply["connect"]["subs"]["orders:44056#mira"]["epoch"].clone();

    let closed = "grantline_publisher_sockets_closed_total";
    let mut id = 1;
    while line.metric(closed, "code=\"3008\"") < 1.0 {
        id += 1;
        assert!(id < 2_000, "the server has taken {id} commands");
        client.try_send(history_command(id, "mira")).await;
        // Just within the rate that a client is allowed.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (_, end) = client.end().await;
    assert_eq!(end, Heard::Close(3008, "slow".to_owned()));

    line.book([created(501, "mira")]).await;
    let (_client, subscribed) = line.reconnect("mira", 1_000, epoch.as_str().unwrap()).await;
    assert_eq!(subscribed["recovered"], true);
    assert_eq!(subscribed["publications"][0]["offset"], 1_001);
}

/// One client does not read; the others hear as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_stuck_client_holds_nobody_up() {
    let line = Setup::new().start().await;
    let (_stuck, _) = line.connect("mira").await;
    let (mut other, _) = line.connect("mira").await;
    for order in 1..=200 {
        line.book([created(order, "mira")]).await;
        assert_eq!(other.message().await["push"]["pub"]["offset"], order);
    }
}
