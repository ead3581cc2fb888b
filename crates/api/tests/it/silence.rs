//! What the log and the metrics may not tell.

use std::io::Write;
use std::sync::{Arc, Mutex, OnceLock};

use hyper::Method;

use crate::bench::{Bench, QUIET_PROJECT};

#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Everything that any test has logged. Of the whole process, because `tracing` remembers
/// per process which events somebody listens to.
pub(crate) fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

#[tokio::test]
async fn no_player_and_no_key_stands_in_logs_or_metrics() {
    let bench = Bench::new().await;
    let project = format!("/v1/projects/{QUIET_PROJECT}");
    let player = format!("{project}/players/mira-secret");
    bench.put("game", &player, "").await;
    let order = format!("{project}/orders/7");
    bench
        .put("game", &order, r#"{"player":"mira-secret"}"#)
        .await;
    bench.get("game", &format!("{player}/orders")).await;
    bench
        .get("desk", "/v1/parked?player=mira-secret&oder=1")
        .await;
    let stolen = Some("Bearer stolen-key");
    bench.call(stolen, Method::GET, "/v1/mira-secret", "").await;

    let log = String::from_utf8_lossy(&log().0.lock().unwrap()).into_owned();
    let metrics = bench.telemetry.metrics_text();
    for text in [&log, &metrics] {
        for word in ["mira-secret", "game-key", "desk-key", "stolen-key"] {
            assert!(!text.contains(word), "{word} in {text}");
        }
    }
    let own = format!("project.id={QUIET_PROJECT} ");
    let lines: Vec<&str> = log.lines().filter(|line| line.contains(&own)).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for part in [
        r#"key="game""#,
        "method=PUT",
        r#"route="/v1/projects/{project}/players/{player}""#,
        "status=201",
        r#"verdict="served""#,
        "Request answered",
    ] {
        assert!(lines[0].contains(part), "{part} in {}", lines[0]);
    }
    assert!(
        metrics.contains("grantline_api_requests_total"),
        "{metrics}"
    );
    assert!(
        metrics.contains("grantline_api_answered_seconds"),
        "{metrics}"
    );
}
