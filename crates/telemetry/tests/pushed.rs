//! A process with a collector. Alone in its file: a process has one subscriber.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use telemetry::{Config, TraceContext};

/// Path and body of each push.
type Pushes = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// Takes OTLP over HTTP and keeps what came.
fn collector() -> (SocketAddr, Pushes) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("a bound socket");
    let pushes = Pushes::default();
    std::thread::spawn({
        let pushes = Arc::clone(&pushes);
        move || {
            for tcp in listener.incoming().flatten() {
                let pushes = Arc::clone(&pushes);
                std::thread::spawn(move || take(&tcp, &pushes));
            }
        }
    });
    (addr, pushes)
}

/// Answers every request of one connection; `None` at its end.
fn take(tcp: &TcpStream, pushes: &Pushes) -> Option<()> {
    let mut reader = BufReader::new(tcp);
    loop {
        let (mut head, mut line) = (String::new(), String::new());
        while line != "\r\n" {
            line.clear();
            (reader.read_line(&mut line).ok()? > 0).then_some(())?;
            head.push_str(&line);
        }
        let head = head.to_ascii_lowercase();
        let length = head.split_once("content-length: ")?.1.split_once("\r\n")?.0;
        let mut body = vec![0; length.parse().ok()?];
        reader.read_exact(&mut body).ok()?;
        let path = head.split(' ').nth(1)?.to_owned();
        pushes.lock().ok()?.push((path, body));
        let mut writer = tcp;
        let reply =
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        writer.write_all(reply.as_bytes()).ok()?;
    }
}

/// Whether a push to `path` contains `text`; protobuf keeps strings as they are.
fn pushed(pushes: &Pushes, path: &str, text: &[u8]) -> bool {
    let pushes = pushes.lock().expect("no panic under the lock");
    pushes
        .iter()
        .any(|(to, body)| to == path && body.windows(text.len()).any(|part| part == text))
}

// One thread, so that a flush which needs this runtime would hang.
#[tokio::test]
async fn spans_and_metrics_reach_the_collector_at_the_latest_when_the_process_ends() {
    let (addr, pushes) = collector();
    let config = Config {
        // A quiet log must not end the traces.
        level: "error".to_owned(),
        otlp_endpoint: Some(format!("http://{addr}/")),
        // What is sampled below is sampled because its parent was.
        trace_ratio: 0.0,
        ..Config::default()
    };
    let guard = telemetry::init(&config, "ingress").expect("good settings");

    let parent = TraceContext {
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned(),
        tracestate: Some("vendor=1".to_owned()),
    };
    let span = tracing::info_span!("demo.receive", order.id = 4711);
    telemetry::set_parent(&span, &parent);
    let below = span
        .in_scope(telemetry::current)
        .expect("a span is entered");
    span.in_scope(|| tracing::info!("Demo received"));
    drop(span);
    assert_eq!(below.trace_id(), parent.trace_id());
    assert_ne!(
        below.traceparent, parent.traceparent,
        "the child has an id of its own"
    );
    assert!(
        below.traceparent.ends_with("-01"),
        "sampled as its parent: {below:?}"
    );
    assert_eq!(below.tracestate, parent.tracestate);

    let unsampled = tracing::info_span!("demo.unsampled");
    let below = unsampled
        .in_scope(telemetry::current)
        .expect("ids even where nobody records");
    assert!(below.traceparent.ends_with("-00"), "{below:?}");
    drop(unsampled);

    let malformed = TraceContext {
        traceparent: "nonsense".to_owned(),
        tracestate: None,
    };
    let root = tracing::info_span!("demo.root");
    telemetry::set_parent(&root, &malformed);
    assert!(
        root.in_scope(telemetry::current)
            .is_some_and(|context| context.trace_id().is_some())
    );
    drop(root);

    let meter = guard.telemetry().meter("demo");
    meter
        .u64_counter("grantline.demo.orders")
        .build()
        .add(1, &[]);
    guard.shutdown();

    for text in [
        &b"demo.receive"[..],
        b"Demo received",
        b"order.id",
        b"ingress",
        b"grantline",
    ] {
        assert!(
            pushed(&pushes, "/v1/traces", text),
            "{}",
            String::from_utf8_lossy(text)
        );
    }
    assert!(!pushed(&pushes, "/v1/traces", b"demo.unsampled"));
    assert!(pushed(&pushes, "/v1/metrics", b"grantline.demo.orders"));
}
