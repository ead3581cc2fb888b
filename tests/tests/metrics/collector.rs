//! A collector that takes metrics by OTLP and keeps the newest push.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use httpd::{Limits, Listener, Request};
use hyper::StatusCode;
use lifecycle::Lifecycle;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{Metric, metric::Data};
use prost::Message as _;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::process::TOLD;

/// What the pushes say of one metric.
#[derive(Clone, Debug, Default)]
pub(crate) struct Instrument {
    pub(crate) name: String,
    /// As Prometheus calls it.
    pub(crate) kind: &'static str,
    pub(crate) unit: String,
    pub(crate) about: String,
    /// The names of its labels.
    pub(crate) labels: BTreeSet<String>,
}

impl Instrument {
    fn of(metric: Metric) -> Option<Self> {
        let (kind, labels): (_, Vec<Vec<KeyValue>>) = match metric.data? {
            Data::Gauge(gauge) => {
                let points = gauge.data_points.into_iter();
                ("gauge", points.map(|point| point.attributes).collect())
            }
            Data::Sum(sum) => {
                let kind = if sum.is_monotonic { "counter" } else { "gauge" };
                let points = sum.data_points.into_iter();
                (kind, points.map(|point| point.attributes).collect())
            }
            Data::Histogram(histogram) => {
                let points = histogram.data_points.into_iter();
                ("histogram", points.map(|point| point.attributes).collect())
            }
            Data::ExponentialHistogram(_) | Data::Summary(_) => return None,
        };
        Some(Self {
            name: metric.name,
            kind,
            unit: metric.unit,
            about: metric.description,
            labels: labels.into_iter().flatten().map(|it| it.key).collect(),
        })
    }

    /// The name of its family on `/metrics`.
    pub(crate) fn prometheus_name(&self) -> String {
        let name = self.name.replace('.', "_");
        let unit = match self.unit.as_str() {
            "s" => "_seconds",
            "By" => "_bytes",
            _ => "",
        };
        let total = if self.kind == "counter" { "_total" } else { "" };
        format!("{name}{unit}{total}")
    }
}

/// A push: the attributes of its resource, and its instruments by name.
#[derive(Clone, Debug, Default)]
struct Push {
    number: u64,
    resource: BTreeMap<String, String>,
    instruments: BTreeMap<String, Instrument>,
}

pub(crate) struct Collector {
    /// For `telemetry.otlp_endpoint`.
    pub(crate) endpoint: String,
    newest: watch::Receiver<Push>,
    _lifecycle: Lifecycle,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let (told, newest) = watch::channel(Push::default());
        let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let endpoint = format!("http://{}", listener.local_addr());
        let lifecycle = Lifecycle::new();
        let limits = Limits {
            max_body_bytes: 16 << 20,
            ..Limits::default()
        };
        let body_limits = limits.clone();
        let service = move |request: Request, _| {
            let (told, limits) = (told.clone(), body_limits.clone());
            async move {
                let is_metrics = request.uri().path() == "/v1/metrics";
                let body = httpd::read_body(request.into_body(), &limits).await;
                if let (true, Ok(body)) = (is_metrics, body) {
                    let request = ExportMetricsServiceRequest::decode(body).unwrap();
                    told.send_modify(|newest| newest.take_in(request));
                }
                httpd::bytes(StatusCode::OK, "application/x-protobuf", String::new())
            }
        };
        let serving = lifecycle.clone();
        tokio::spawn(async move { httpd::serve(listener, limits, service, &serving).await });
        Self {
            endpoint,
            newest,
            _lifecycle: lifecycle,
        }
    }

    /// The instruments of a push that was made after this call, from a process whose resource
    /// has this attribute.
    pub(crate) async fn next_of(&self, key: &str, value: &str) -> BTreeMap<String, Instrument> {
        let mut newest = self.newest.clone();
        // The one after the next was collected after this call.
        let number = newest.borrow().number + 2;
        let next = timeout(TOLD, newest.wait_for(|push| push.number >= number)).await;
        let push = next.expect("a push in time").unwrap().clone();
        assert_eq!(push.resource.get(key).map(String::as_str), Some(value));
        assert!(
            push.resource.contains_key("service.version"),
            "{:?}",
            push.resource
        );
        push.instruments
    }
}

impl Push {
    fn take_in(&mut self, request: ExportMetricsServiceRequest) {
        let all = request.resource_metrics.into_iter();
        self.number += 1;
        self.instruments.clear();
        for of_resource in all {
            let attributes = of_resource.resource.map(|it| it.attributes);
            self.resource = attributes.into_iter().flatten().filter_map(text).collect();
            let scopes = of_resource.scope_metrics.into_iter();
            for metric in scopes.flat_map(|scope| scope.metrics) {
                if let Some(instrument) = Instrument::of(metric) {
                    self.instruments.insert(instrument.name.clone(), instrument);
                }
            }
        }
    }
}

fn text(attribute: KeyValue) -> Option<(String, String)> {
    let value = attribute.value?.value?;
    if let any_value::Value::StringValue(value) = value {
        return Some((attribute.key, value));
    }
    None
}
