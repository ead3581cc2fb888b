//! A process without a collector. Alone in its file: a process has one subscriber.

use telemetry::{Config, Error, Format};

#[test]
fn without_a_collector_there_are_ids_and_metrics_and_a_second_setup_is_refused() {
    let config = Config {
        format: Format::Json,
        ..Config::default()
    };
    let guard = telemetry::init(&config, "worker").expect("good settings");

    let span = tracing::info_span!("demo.book");
    let context = span
        .in_scope(telemetry::current)
        .expect("ids need no collector");
    assert_eq!(context.trace_id().map(|id| id.len()), Some(32));

    let text = guard.telemetry().metrics_text();
    assert!(text.contains(r#"grantline_role="worker""#), "{text}");
    assert!(text.contains(r#"service_name="grantline""#), "{text}");

    let second = telemetry::init(&config, "worker");
    assert!(matches!(second, Err(Error::Subscribed(_))));
    drop(guard);
}
