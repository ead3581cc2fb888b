//! Pushing to a collector.
//!
//! The SDK exports from plain threads of its own, while the HTTP client needs a Tokio
//! runtime around it. It gets a small one: then the last flush works after the roles'
//! runtime has gone, and from within a single-threaded one.

use std::time::Duration;

use opentelemetry_otlp::{MetricExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::SpanData;
use tokio::runtime::{Handle, Runtime};
use tokio_util::context::TokioContext;

use crate::Error;

/// A collector, and the runtime its clients live in.
#[derive(Debug)]
pub(crate) struct Push {
    base: String,
    handle: Handle,
}

impl Push {
    pub(crate) fn to(endpoint: &str) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("telemetry")
            .enable_all()
            .build()
            .map_err(Error::Thread)?;
        // Lives as long as the process: a thread of the SDK may be in the middle of an
        // export when the flush gives up, and panics when its runtime goes away.
        let runtime: &'static Runtime = Box::leak(Box::new(runtime));
        Ok(Self {
            base: endpoint.trim_end_matches('/').to_owned(),
            handle: runtime.handle().clone(),
        })
    }

    pub(crate) fn spans(&self) -> Result<OnRuntime<SpanExporter>, Error> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", self.base))
            .build()
            .map_err(Error::Exporter)?;
        Ok(self.around(exporter))
    }

    pub(crate) fn metrics(&self) -> Result<OnRuntime<MetricExporter>, Error> {
        let exporter = MetricExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/metrics", self.base))
            .build()
            .map_err(Error::Exporter)?;
        Ok(self.around(exporter))
    }

    fn around<E>(&self, exporter: E) -> OnRuntime<E> {
        OnRuntime {
            exporter,
            handle: self.handle.clone(),
        }
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
