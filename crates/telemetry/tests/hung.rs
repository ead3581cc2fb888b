//! A process whose collector hangs. Alone in its file: a process has one subscriber.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use telemetry::{Config, Span, SpanKind};

#[test]
fn a_collector_that_never_answers_delays_the_end_by_seconds_only() {
    // Connections wait in the backlog for ever.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket");
    let config = Config {
        otlp_endpoint: Some(format!("http://{addr}")),
        trace_ratio: Some(1.0),
        ..Config::default()
    };
    let guard = telemetry::init(&config, "worker", 1).expect("good settings");
    tracing::warn!(order.id = 4711, "Seen");
    Span::begin().end(SpanKind::Internal, "demo.book", None, |_| {});
    guard
        .telemetry()
        .meter("demo")
        .u64_counter("grantline.demo.orders")
        .build()
        .add(1, &[]);

    let begun = Instant::now();
    guard.shutdown();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
}
