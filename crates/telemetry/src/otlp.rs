//! Pushing to a collector.
//!
//! The SDK exports from plain threads of its own, while the HTTP client needs a Tokio
//! runtime around it. It gets a small one: then the last flush works after the roles'
//! runtime has gone, and from within a single-threaded one.

use std::sync::Arc;
use std::time::Duration;

use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use opentelemetry_http::HttpClient;
use opentelemetry_otlp::{
    LogExporter, MetricExporter, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::LogBatch;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanProcessor as _};
use tokio::runtime::{Handle, Runtime};
use tokio_util::context::TokioContext;

use crate::client::Http1;
use crate::variables::{Signal, Variables};
use crate::{Config, Error};

/// Collectors, and the runtime their clients live in.
#[derive(Debug)]
pub(crate) struct Push {
    traces: Option<Target>,
    metrics: Option<Target>,
    logs: Option<Target>,
    handle: Handle,
}

/// Where a signal goes.
#[derive(Debug)]
struct Target {
    endpoint: String,
    timeout: Duration,
    client: Arc<dyn HttpClient>,
}

impl Push {
    /// `None` where nothing is pushed.
    pub(crate) fn new(config: &Config, variables: &Variables) -> Result<Option<Self>, Error> {
        let target = |signal| {
            let target = |endpoint| Target::new(endpoint, variables.timeout(signal));
            variables.endpoint(config, signal).map(target).transpose()
        };
        let [traces, metrics, logs] = Signal::ALL.map(target);
        let (traces, metrics, logs) = (traces?, metrics?, logs?);
        if traces.is_none() && metrics.is_none() && logs.is_none() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        // Lives as long as the process: a thread of the SDK may be in the middle of an
        // export when the flush gives up, and panics when its runtime goes away.
        let runtime: &'static Runtime = Box::leak(Box::new(runtime));
        Ok(Some(Self {
            traces,
            metrics,
            logs,
            handle: runtime.handle().clone(),
        }))
    }

    pub(crate) const fn pushes_metrics(&self) -> bool {
        self.metrics.is_some()
    }

    /// What batches the spans of this process and exports them.
    pub(crate) fn spans(&self, resource: &Resource) -> Result<Option<BatchSpanProcessor>, Error> {
        let Some(target) = &self.traces else {
            return Ok(None);
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_target(target)
            .build()
            .map_err(Error::Exporter)?;
        let mut processor = BatchSpanProcessor::builder(self.around(exporter)).build();
        processor.set_resource(resource);
        Ok(Some(processor))
    }

    pub(crate) fn metrics(&self) -> Result<OnRuntime<MetricExporter>, Error> {
        let builder = MetricExporter::builder().with_http();
        let exporter = match &self.metrics {
            Some(target) => builder.with_http_target(target),
            None => builder,
        };
        Ok(self.around(exporter.build().map_err(Error::Exporter)?))
    }

    pub(crate) fn logs(&self) -> Result<Option<OnRuntime<LogExporter>>, Error> {
        let Some(target) = &self.logs else {
            return Ok(None);
        };
        let exporter = LogExporter::builder()
            .with_http()
            .with_http_target(target)
            .build()
            .map_err(Error::Exporter)?;
        Ok(Some(self.around(exporter)))
    }

    fn around<E>(&self, exporter: E) -> OnRuntime<E> {
        OnRuntime {
            exporter,
            handle: self.handle.clone(),
        }
    }
}

impl Target {
    fn new(endpoint: String, timeout: Duration) -> Result<Self, Error> {
        let client: Arc<dyn HttpClient> = if endpoint.starts_with("https://") {
            let connector = HttpsConnectorBuilder::new()
                .with_native_roots()
                .map_err(Error::Roots)?
                .https_only()
                .enable_http1()
                .build();
            Arc::new(Http1::new(connector, timeout))
        } else if endpoint.starts_with("http://") {
            Arc::new(Http1::new(HttpConnector::new(), timeout))
        } else {
            return Err(Error::Endpoint { endpoint });
        };
        Ok(Self {
            endpoint,
            timeout,
            client,
        })
    }
}

trait WithHttpTarget {
    fn with_http_target(self, target: &Target) -> Self;
}

impl<B: WithExportConfig + WithHttpConfig> WithHttpTarget for B {
    fn with_http_target(self, target: &Target) -> Self {
        self.with_endpoint(target.endpoint.clone())
            .with_timeout(target.timeout)
            .with_shared_http_client(Arc::clone(&target.client))
    }
}

/// An exporter whose exports run in the context of a Tokio runtime.
#[derive(Debug)]
pub(crate) struct OnRuntime<E> {
    exporter: E,
    handle: Handle,
}

impl opentelemetry_sdk::trace::SpanExporter for OnRuntime<SpanExporter> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        TokioContext::new(self.exporter.export(batch), self.handle.clone()).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl opentelemetry_sdk::logs::LogExporter for OnRuntime<LogExporter> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        TokioContext::new(self.exporter.export(batch), self.handle.clone()).await
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl PushMetricExporter for OnRuntime<MetricExporter> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        TokioContext::new(self.exporter.export(metrics), self.handle.clone()).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}
