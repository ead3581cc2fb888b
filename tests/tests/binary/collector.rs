//! A collector: takes OTLP over HTTP, and keeps what the processes tell.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::trace::v1 as otlp;
use prost::Message as _;
use tokio::net::TcpListener;

/// A span as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// The `grantline.role` of the process.
    pub(crate) role: String,
    pub(crate) service: String,
    pub(crate) it: otlp::Span,
}

impl Span {
    pub(crate) fn attribute(&self, name: &str) -> Option<String> {
        attribute(&self.it.attributes, name)
    }

    pub(crate) fn is_error(&self) -> bool {
        let status = self.it.status.as_ref();
        status.is_some_and(|status| status.code() == otlp::status::StatusCode::Error)
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) spans: Vec<Span>,
    pub(crate) lines: Vec<LogRecord>,
}

pub(crate) struct Collector {
    pub(crate) at: SocketAddr,
    told: Arc<Mutex<Told>>,
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, told) = (
            listener.local_addr().unwrap(),
            Arc::<Mutex<Told>>::default(),
        );
        let keeps = Arc::clone(&told);
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let keeps = Arc::clone(&keeps);
                let take = service_fn(move |request| take(request, Arc::clone(&keeps)));
                let server = hyper::server::conn::http1::Builder::new();
                tokio::spawn(server.serve_connection(TokioIo::new(tcp), take));
            }
        });
        Self { at, told }
    }

    pub(crate) fn told(&self) -> Told {
        self.told.lock().unwrap().clone()
    }
}

async fn take(
    request: Request<Incoming>,
    told: Arc<Mutex<Told>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut told = told.lock().unwrap();
    match path.as_str() {
        "/v1/traces" => told.spans.extend(spans(&body)),
        "/v1/logs" => told.lines.extend(lines(&body)),
        _ => {}
    }
    Ok(Response::new(Full::default()))
}

fn spans(body: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    let mut spans = Vec::new();
    for of_resource in request.resource_spans {
        let resource = of_resource.resource.unwrap().attributes;
        let said = |name: &str| attribute(&resource, name).unwrap_or_default();
        let (role, service) = (said("grantline.role"), said("service.name"));
        for it in of_resource.scope_spans.into_iter().flat_map(|it| it.spans) {
            spans.push(Span {
                role: role.clone(),
                service: service.clone(),
                it,
            });
        }
    }
    spans
}

fn lines(body: &[u8]) -> Vec<LogRecord> {
    let request = ExportLogsServiceRequest::decode(body).unwrap();
    let of_scope = request.resource_logs.into_iter();
    let of_scope = of_scope.flat_map(|of_resource| of_resource.scope_logs);
    of_scope.flat_map(|of_scope| of_scope.log_records).collect()
}

/// As text.
pub(crate) fn attribute(attributes: &[KeyValue], name: &str) -> Option<String> {
    let found = attributes.iter().find(|pair| pair.key == name)?;
    text(found.value.as_ref()?)
}

pub(crate) fn text(value: &AnyValue) -> Option<String> {
    match value.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        Value::BoolValue(is) => Some(is.to_string()),
        Value::DoubleValue(number) => Some(number.to_string()),
        other @ (Value::ArrayValue(_)
        | Value::KvlistValue(_)
        | Value::BytesValue(_)
        | Value::StringValueStrindex(_)) => Some(format!("{other:?}")),
    }
}
