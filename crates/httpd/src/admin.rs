//! The port for probes and scrapers. Not for the public.

use std::convert::Infallible;
use std::net::SocketAddr;

use hyper::body::Body;
use hyper::{Method, StatusCode};
use lifecycle::Lifecycle;
use telemetry::Telemetry;
use tokio_util::sync::CancellationToken;

use crate::serve::run;
use crate::{Limits, Listener, Readiness, Reply, Service, bytes, empty, json, text};

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
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        match request.uri().path() {
            "/live" => text(StatusCode::OK, "live\n"),
            "/ready" => {
                let report = self.readiness.report();
                let status = if report.ready {
                    StatusCode::OK
                } else {
                    StatusCode::SERVICE_UNAVAILABLE
                };
                json(status, &report)
            }
            "/metrics" => bytes(StatusCode::OK, METRICS_TYPE, self.telemetry.metrics_text()),
            _ => empty(StatusCode::NOT_FOUND),
        }
    }
}

impl Service for Admin {
    async fn answer(&self, request: crate::Request, _peer: SocketAddr) -> Reply {
        self.route(&request)
    }
}
