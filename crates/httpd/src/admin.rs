//! The port for probes and scrapers. Not for the public.

use std::convert::Infallible;
use std::net::SocketAddr;

use hyper::body::Body;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, StatusCode};
use lifecycle::Lifecycle;
use telemetry::Telemetry;
use tokio_util::sync::CancellationToken;

use crate::serve::run;
use crate::{
    Description, Limits, Listener, Readiness, Reply, Report, Service, bytes, empty, json, text,
};

const LIVE: &str = "/live";
const READY: &str = "/ready";
const METRICS: &str = "/metrics";

/// The content type of Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/live`, `/ready` and `/metrics` of one process.
#[derive(Clone, Debug)]
pub struct Admin {
    readiness: Readiness,
    telemetry: Telemetry,
}

impl Admin {
    /// Answers from `readiness` and `telemetry` as they are at each request.
    #[must_use]
    pub fn new(readiness: Readiness, telemetry: Telemetry) -> Self {
        Self {
            readiness,
            telemetry,
        }
    }

    /// Adds these paths to the document of the HTTP endpoints.
    pub fn describe(told: &mut Description) {
        let text = |about: &str| {
            let content = serde_json::json!({"text/plain": {"schema": {"type": "string"}}});
            serde_json::json!({"200": {"description": about, "content": content}})
        };
        let checks = serde_json::json!({
            "200": told.answer::<Report>("It should be sent requests."),
            "503": told.answer::<Report>("It should not: it drains, or a required check fails."),
        });
        for (path, id, summary, responses) in [
            (LIVE, "live", "Whether the process lives", text("It does.")),
            (
                READY,
                "ready",
                "How the process and what it needs are",
                checks,
            ),
            (
                METRICS,
                "metrics",
                "Metrics as Prometheus reads them",
                text("All of them."),
            ),
        ] {
            let operation = serde_json::json!({
                "operationId": id,
                "tags": ["admin"],
                "summary": summary,
                "responses": responses,
            });
            told.add(&Method::GET, path, operation);
        }
    }

    /// Starts to serve, and goes on through a drain until everything else has stopped:
    /// `/ready` then says 503 and the last metrics can still be scraped.
    pub fn start(self, listener: Listener, limits: Limits, lifecycle: &Lifecycle) {
        let aborted = lifecycle.abort_token().clone();
        lifecycle.outlast("admin", async move {
            run(listener, limits, self, &CancellationToken::new(), &aborted).await;
            Ok::<(), Infallible>(())
        });
    }

    /// `/live`: 200 while the process can answer at all. `/ready`: 200 or 503, with each
    /// check in JSON. `/metrics`: Prometheus' text format.
    pub fn route<B: Body>(&self, request: &hyper::Request<B>) -> Reply {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut reply = empty(StatusCode::METHOD_NOT_ALLOWED);
            reply
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return reply;
        }
        match request.uri().path() {
            LIVE => text(StatusCode::OK, "live\n"),
            READY => {
                let report = self.readiness.report();
                let status = if report.ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                json(status, &report)
            }
            METRICS => bytes(StatusCode::OK, METRICS_TYPE, self.telemetry.metrics_text()),
            _ => empty(StatusCode::NOT_FOUND),
        }
    }
}

impl Service for Admin {
    async fn answer(&self, request: crate::Request, _peer: SocketAddr) -> Reply {
        self.route(&request)
    }
}
