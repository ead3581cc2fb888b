//! What needs no process of its own: settings, metrics, and strings of trace context.

use telemetry::{Config, DURATION_BUCKETS, Error, Format, Telemetry, TraceContext, durations};

fn read(json: &str) -> Result<Config, serde_json::Error> {
    serde_json::from_str(json)
}

#[test]
fn an_empty_section_is_the_default_and_an_unknown_key_is_refused() {
    let config = read("{}").unwrap();
    assert_eq!(config, Config::default());
    assert_eq!(
        (config.level.as_str(), config.format),
        ("info", Format::Text)
    );
    assert_eq!(
        (config.trace_ratio, config.otlp_endpoint.clone()),
        (None, None)
    );
    config.check().unwrap();
    assert!(read(r#"{"levle": "info"}"#).is_err());
}

#[test]
fn a_wrong_setting_is_named_before_anything_is_set_up() {
    let level = Config {
        level: "info,broker=loud".to_owned(),
        ..Config::default()
    };
    assert!(matches!(level.check(), Err(Error::Level { .. })));
    for endpoint in ["ftp://collector:4318", "collector:4318"] {
        let config = Config {
            otlp_endpoint: Some(endpoint.to_owned()),
            ..Config::default()
        };
        let error = config.check().unwrap_err().to_string();
        assert!(
            error.contains(endpoint) && error.contains("http://"),
            "{error}"
        );
    }
    let behind_tls = Config {
        otlp_endpoint: Some("https://collector:4318".to_owned()),
        ..Config::default()
    };
    behind_tls.check().unwrap();
    for trace_ratio in [-0.1, 1.1, f64::NAN] {
        let config = Config {
            trace_ratio: Some(trace_ratio),
            ..Config::default()
        };
        assert!(matches!(config.check(), Err(Error::Ratio { .. })));
    }
}

#[test]
fn durations_have_buckets_below_a_millisecond() {
    let telemetry = Telemetry::quiet();
    let confirm = durations(
        &telemetry.meter("broker"),
        "grantline.broker.confirm",
        "Confirms",
    );
    confirm.record(0.0004, &[]);
    confirm.record(0.0007, &[]);
    let text = telemetry.metrics_text();
    for line in [
        "# HELP grantline_broker_confirm_seconds Confirms",
        "grantline_broker_confirm_seconds_bucket{le=\"0.0005\"} 1",
        "grantline_broker_confirm_seconds_bucket{le=\"0.001\"} 2",
        "grantline_broker_confirm_seconds_count 2",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    assert_eq!(
        text.matches("confirm_seconds_bucket").count(),
        DURATION_BUCKETS.len() + 1
    );
}

#[test]
fn the_metrics_of_one_process_do_not_show_in_another() {
    let (one, other) = (Telemetry::quiet(), Telemetry::quiet());
    one.meter("demo")
        .u64_counter("grantline.demo.orders")
        .build()
        .add(1, &[]);
    assert!(one.metrics_text().contains("grantline_demo_orders_total 1"));
    assert!(!other.metrics_text().contains("grantline_demo_orders"));
}

#[test]
fn two_roles_that_share_a_meter_share_its_series() {
    let telemetry = Telemetry::quiet();
    for _ in 0..2 {
        telemetry
            .meter("demo")
            .u64_counter("grantline.demo.orders")
            .build()
            .add(1, &[]);
    }
    let text = telemetry.metrics_text();
    assert_eq!(
        text.matches("\ngrantline_demo_orders_total ").count(),
        1,
        "{text}"
    );
    assert!(text.contains("grantline_demo_orders_total 2"), "{text}");
}

#[test]
fn a_trace_id_is_read_from_good_headers_only() {
    let read = |traceparent: &str| {
        TraceContext {
            traceparent: traceparent.to_owned(),
            tracestate: None,
        }
        .trace_id()
    };
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    assert_eq!(
        read(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(),
        Some(id)
    );
    for malformed in [
        "",
        "00",
        "00-xyz-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    ] {
        assert_eq!(read(malformed), None, "{malformed}");
    }
}

#[test]
fn without_traces_there_is_no_context() {
    assert_eq!(telemetry::current(), None);
    let span = telemetry::Span::begin();
    assert_eq!(span.place(), None);
    assert!(!telemetry::tells());
    span.end(telemetry::SpanKind::Internal, "demo", Some("fault"), |_| {
        panic!("nobody is told");
    });
}
