//! A process without a collector. Alone in its file: a process has one subscriber.

use telemetry::{Config, Error, Format, Span, SpanKind};

#[test]
fn without_a_collector_there_are_ids_and_metrics_and_a_second_setup_is_refused() {
    let config = Config {
        format: Format::Json,
        ..Config::default()
    };
    let guard = telemetry::init(&config, "worker", 1).expect("good settings");

    let span = Span::begin();
    let place = span.place().expect("ids need no collector");
    assert_eq!(place.trace_id().len(), 32);
    assert!(!telemetry::tells());
    span.end(SpanKind::Internal, "demo.book", Some("fault"), |_| {
        panic!("nobody is told");
    });

    let text = guard.telemetry().metrics_text();
    assert!(text.contains(r#"grantline_role="worker""#), "{text}");
    assert!(text.contains(r#"service_name="grantline""#), "{text}");

    let second = telemetry::init(&config, "worker", 1);
    assert!(matches!(second, Err(Error::Subscribed(_))));
    drop(guard);
}
