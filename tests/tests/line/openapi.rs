//! Whether the listeners answer as the served description of them says.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use httpd::{Admin, Limits, Listener, Readiness};
use hyper::StatusCode;
use lifecycle::Lifecycle;
use serde_json::{Value, json};
use telemetry::Telemetry;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::harness::{API_KEY, Line, PROJECT, Stack, WEBHOOK_SECRET, eventually};
use crate::notices;

/// How long `tests/py/openapi.py` may take.
const PATIENCE: Duration = Duration::from_mins(4);

/// An admin listener, as every process has one.
fn admin(lifecycle: &Lifecycle) -> SocketAddr {
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = listener.local_addr();
    let admin = Admin::new(Readiness::new(lifecycle), Telemetry::quiet());
    admin.start(listener, Limits::default(), lifecycle);
    address
}

/// Runs `tests/py/openapi.py` to its end, and shows what it printed if it fails.
async fn compare(given: &Value) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let mut script = Command::new(format!("{root}/.cache/py/bin/python"))
        .arg(format!("{root}/tests/py/openapi.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("Python and schemathesis are there: `make test` installs them");
    let mut input = script.stdin.take().unwrap();
    input.write_all(given.to_string().as_bytes()).await.unwrap();
    drop(input);
    let ended = tokio::time::timeout(PATIENCE, script.wait_with_output()).await;
    let ended = ended.expect("it ends in time").unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        ended.status.success(),
        "{}{}",
        said(&ended.stdout),
        said(&ended.stderr)
    );
}

/// Every operation is answered as described for an order, a payment, a player and a parked
/// entry that exist; then schemathesis tries what it can think of.
#[tokio::test(flavor = "multi_thread")]
async fn every_listener_answers_as_the_description_says() {
    let line = Line::start(Stack::Cluster).await;
    let probes = Lifecycle::new();
    let admin = admin(&probes);
    line.accepted(&notices::order_paid(7, 70, "mira")).await;
    line.ends(7, "order_paid", "booked").await;
    line.accepted(&notices::payment(70, "mira")).await;
    let unreadable = line.webhook_bytes("{").await;
    assert_eq!(unreadable.status, StatusCode::NO_CONTENT);
    eventually("parked", async || line.parked().await.len() == 1).await;
    let parked = line.parked().await[0].id.0;

    let at = |address: SocketAddr| format!("http://{address}");
    let bearer = |secret: &str| format!("Bearer {secret}");
    let given = json!({
        "document": format!("http://{}/v1/openapi.json", line.api),
        "listeners": {
            "api": {"url": at(line.api), "authorization": bearer(API_KEY)},
            "publisher": {"url": at(line.publisher), "authorization": bearer(&Line::token("mira"))},
            "ingress": {"url": at(line.ingress), "secret": WEBHOOK_SECRET},
            "admin": {"url": at(admin)},
        },
        "ids": {
            "project": PROJECT, "project_id": PROJECT, "player": "mira", "order": 7,
            "order_id": 7, "transaction": 70, "id": parked,
        },
        "bodies": {
            "registerOrder": {"player": "mira"},
            "webhook": notices::order_paid(7, 70, "mira"),
        },
    });
    compare(&given).await;
    probes.drain();
    line.stop().await;
}
