//! Probes and metrics.

use std::time::Duration;

use httpd::{Admin, Limits, Listener, Need, Readiness};
use lifecycle::{Lifecycle, Verdict};
use serde_json::{Value, json};
use telemetry::Telemetry;

use crate::peer::{Peer, get, within};

struct Process {
    lifecycle: Lifecycle,
    readiness: Readiness,
    telemetry: Telemetry,
    peer: Peer,
}

impl Process {
    async fn start() -> Self {
        let lifecycle = Lifecycle::new();
        let readiness = Readiness::new(&lifecycle);
        let telemetry = Telemetry::quiet();
        let listener = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let addr = listener.local_addr();
        Admin::new(readiness.clone(), telemetry.clone()).start(
            listener,
            Limits::default(),
            &lifecycle,
        );
        let peer = Peer::connect(addr).await;
        Self {
            lifecycle,
            readiness,
            telemetry,
            peer,
        }
    }

    async fn ready(&mut self) -> (u16, Value) {
        let answer = self.peer.ask(get("/ready")).await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        (
            answer.status,
            serde_json::from_str(&answer.body).expect("JSON"),
        )
    }
}

#[tokio::test]
async fn what_the_process_needs_and_who_is_connected_is_told_as_it_is() {
    let mut process = Process::start().await;
    let meter = process.telemetry.meter("httpd");
    httpd::tell_dependencies(&meter, process.readiness.clone());
    let broker = process
        .readiness
        .register("worker.broker", Need::Informational);
    process.readiness.register("schema", Need::Required);
    let available = |role: &str, dependency: &str, value: u8| {
        format!(
            "grantline_dependency_available{{dependency=\"{dependency}\",role=\"{role}\"}} {value}"
        )
    };
    broker.ok();
    let text = process.peer.ask(get("/metrics")).await.body;
    assert!(text.contains(&available("worker", "broker", 1)), "{text}");
    assert!(text.contains(&available("", "schema", 0)), "{text}");
    broker.not_ok("gone");
    let text = process.peer.ask(get("/metrics")).await.body;
    assert!(text.contains(&available("worker", "broker", 0)), "{text}");
}

#[tokio::test]
async fn connections_count_until_they_end() {
    let lifecycle = Lifecycle::new();
    let telemetry = Telemetry::quiet();
    let listener = Listener::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let (addr, connections) = (listener.local_addr(), listener.connections());
    let meter = telemetry.meter("httpd");
    httpd::tell_connections(&meter, vec![("api", connections.clone())]);
    let readiness = Readiness::new(&lifecycle);
    Admin::new(readiness, telemetry.clone()).start(listener, Limits::default(), &lifecycle);
    let open = async |expected: u64| {
        let reached = async {
            while connections.open() != expected {
                tokio::task::yield_now().await;
            }
        };
        within(reached).await;
        let line = format!("grantline_httpd_connections{{listener=\"api\"}} {expected}");
        assert!(telemetry.metrics_text().contains(&line));
    };
    open(0).await;
    let mut one = Peer::connect(addr).await;
    let mut other = Peer::connect(addr).await;
    for peer in [&mut one, &mut other] {
        assert_eq!(peer.ask(get("/live")).await.status, 200);
    }
    open(2).await;
    drop(one);
    open(1).await;
    drop(other);
    open(0).await;
}

#[tokio::test]
async fn a_required_check_decides_and_an_informational_one_is_only_shown() {
    let mut process = Process::start().await;
    let ledger = process.readiness.register("ledger", Need::Required);
    let broker = process.readiness.register("broker", Need::Informational);

    let (status, body) = process.ready().await;
    assert_eq!(status, 503);
    assert_eq!(
        body,
        json!({"ready": false, "draining": false, "checks": [
            {"name": "ledger", "need": "required", "ok": false, "reason": "starting"},
            {"name": "broker", "need": "informational", "ok": false, "reason": "starting"},
        ]})
    );

    ledger.ok();
    broker.not_ok("connection refused");
    let (status, body) = process.ready().await;
    assert_eq!(status, 200);
    assert_eq!(
        body["checks"][0],
        json!({"name": "ledger", "need": "required", "ok": true})
    );
    assert_eq!(body["checks"][1]["reason"], "connection refused");

    ledger.not_ok("no connection");
    assert_eq!(process.ready().await.0, 503);
}

#[tokio::test]
async fn a_draining_process_is_alive_and_not_ready_until_its_work_is_done() {
    let mut process = Process::start().await;
    assert_eq!(process.ready().await.0, 200);

    let work_done = tokio_util::sync::CancellationToken::new();
    process.lifecycle.track(work_done.clone().cancelled_owned());
    process.lifecycle.drain();
    let waiting = tokio::spawn({
        let lifecycle = process.lifecycle.clone();
        async move { lifecycle.wait(Duration::from_secs(8)).await }
    });
    let (status, body) = process.ready().await;
    assert_eq!((status, &body["draining"]), (503, &json!(true)));
    assert_eq!(process.peer.ask(get("/live")).await.status, 200);

    work_done.cancel();
    assert_eq!(within(waiting).await.expect("no panic"), Verdict::Finished);
    process.peer.closed().await;
}

#[tokio::test]
async fn metrics_are_prometheus_text() {
    let mut process = Process::start().await;
    let meter = process.telemetry.meter("demo");
    meter
        .u64_counter("grantline.demo.orders")
        .build()
        .add(3, &[]);
    let answer = process.peer.ask(get("/metrics")).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("text/plain"))
    );
    assert!(
        answer.body.contains("grantline_demo_orders_total 3"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let mut process = Process::start().await;
    assert_eq!(process.peer.ask(get("/")).await.status, 404);
    let post = "POST /live HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n";
    let refused = process.peer.ask(post).await;
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("allow"), Some("GET, HEAD"));
}
