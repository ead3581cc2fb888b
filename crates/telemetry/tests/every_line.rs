//! A process that pushes every line. Alone in its file: a process has one subscriber.

mod collector;

use telemetry::{Config, Span};

#[test]
fn a_line_of_a_trace_that_is_not_told_is_pushed_where_every_line_is_asked_for() {
    let (addr, pushes) = collector::start();
    let config = Config {
        otlp_endpoint: Some(format!("http://{addr}")),
        trace_ratio: Some(0.0),
        trace_based_logs: false,
        ..Config::default()
    };
    let guard = telemetry::init(&config, "ingress", 1).expect("good settings");
    let untold = Span::begin();
    {
        let _within = untold.enter();
        tracing::info!("Demo routine");
    }
    guard.shutdown();
    assert!(collector::pushed(&pushes, "/v1/logs", b"Demo routine"));
}
