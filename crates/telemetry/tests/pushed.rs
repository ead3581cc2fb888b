//! A process with a collector. Alone in its file: a process has one subscriber.

mod collector;

use telemetry::{Config, Place, Span, SpanKind, TraceContext};

fn context(flags: &str) -> TraceContext {
    TraceContext {
        traceparent: format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}"),
        tracestate: Some("vendor=1".to_owned()),
    }
}

// One thread, so that a flush which needs this runtime would hang.
#[tokio::test]
async fn what_is_told_reaches_the_collector_at_the_latest_when_the_process_ends() {
    let (addr, pushes) = collector::start();
    let config = Config {
        otlp_endpoint: Some(format!("http://{addr}/")),
        // What is sampled below is sampled because its parent was.
        trace_ratio: Some(0.0),
        ..Config::default()
    };
    let guard = telemetry::init(&config, "ingress", 1).expect("good settings");
    assert!(telemetry::tells());

    let sampled = Span::below(Place::of(&context("01")));
    let place = sampled.place().expect("traces are set up").clone();
    let below = sampled.around(async { telemetry::current() }).await;
    let below = below.expect("a place is entered");
    assert_eq!(below.trace_id(), context("01").trace_id());
    assert_ne!(below.traceparent, context("01").traceparent);
    assert!(below.traceparent.ends_with("-01"), "{below:?}");
    assert_eq!(below.tracestate, context("01").tracestate);
    {
        let _within = place.enter();
        tracing::info!(order.id = 4712, "Demo received");
    }
    sampled.end(SpanKind::Server, "demo.receive", None, |told| {
        told.set("order.id", 4711).set_some("reason", None::<&str>);
    });

    let unsampled = Span::below(Place::of(&context("00")));
    let place = unsampled.place().expect("ids even where nobody is told");
    assert!(place.context().traceparent.ends_with("-00"));
    {
        let _within = place.enter();
        tracing::info!("Demo routine");
    }
    unsampled.end(SpanKind::Consumer, "demo.unsampled", None, |_| {
        panic!("nobody is told");
    });
    let failed = Span::below(Place::of(&context("00")));
    failed.end(
        SpanKind::Consumer,
        "demo.failed",
        Some("demo_fault"),
        |_| {},
    );
    let root = Span::begin();
    assert!(!root.place().expect("traces are set up").is_sampled());
    root.end(SpanKind::Internal, "demo.root", None, |_| {});

    let meter = guard.telemetry().meter("demo");
    meter
        .u64_counter("grantline.demo.orders")
        .build()
        .add(1, &[]);
    guard.shutdown();
    is_told(&pushes);
}

fn is_told(pushes: &collector::Pushes) {
    for text in [
        &b"demo.receive"[..],
        b"order.id",
        b"demo.failed",
        b"demo_fault",
        b"ingress",
        b"grantline",
    ] {
        let text_is_there = collector::pushed(pushes, "/v1/traces", text);
        assert!(text_is_there, "{}", String::from_utf8_lossy(text));
    }
    for untold in [&b"demo.unsampled"[..], b"demo.root", b"reason"] {
        assert!(!collector::pushed(pushes, "/v1/traces", untold));
    }
    assert!(collector::pushed(
        pushes,
        "/v1/metrics",
        b"grantline.demo.orders"
    ));
    let trace = [
        0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47,
        0x36,
    ];
    for text in [&b"Demo received"[..], b"order.id", &trace] {
        assert!(collector::pushed(pushes, "/v1/logs", text));
    }
    assert!(!collector::pushed(pushes, "/v1/logs", b"Demo routine"));
}
