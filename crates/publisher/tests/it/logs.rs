//! What stands in the logs, and what never does.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::entries::created;
use crate::line::{SECRET, Setup, connect_command, jwt};
use crate::polls::get;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Captures every level of every crate on this test's one thread, and walks through every
/// kind of outcome.
#[tokio::test]
async fn neither_tokens_nor_players_are_logged_at_any_level() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(captured.clone())
        .finish();
    let _captured = tracing::subscriber::set_default(subscriber);
    let line = Setup::new().start().await;
    line.book([created(7, "canary-player")]).await;

    let good = jwt("canary-player").hs256(SECRET);
    let forged = jwt("canary-player").hs256("canary-forger");
    let expired = jwt("canary-player").with("exp", 1).hs256(SECRET);
    let (client, _) = line
        .connect_with(&connect_command(&good), "canary-player")
        .await;
    drop(client);
    for token in [&forged, &expired] {
        let mut client = line.open().await;
        client.send(connect_command(token)).await;
        client.end().await;
    }
    for token in [&good, &forged, &expired] {
        get(&line, "/api/v2/project/44056/order/7", token).await;
    }
    line.wait_for_metric("grantline_publisher_sockets_closed_total", |n| n >= 3.0)
        .await;

    let text = captured.text();
    assert!(text.contains("Client connection ended"), "{text}");
    assert!(text.contains("fault=\"signature\""), "{text}");
    let parts = [&good, &forged, &expired]
        .into_iter()
        .flat_map(|token| token.split('.').skip(1));
    for canary in parts.chain(["canary-player", SECRET]) {
        let line = text.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary}");
    }
    for canary in [SECRET, "canary-player"] {
        assert!(!line.telemetry.metrics_text().contains(canary));
    }
    // There is no other thread that could, see `main`.
    line.broker.close().await;
}
