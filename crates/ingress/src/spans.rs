//! What a request tells of itself in traces, in OpenTelemetry's words for HTTP.

use hyper::{Method, StatusCode};
use order::{Kind, OrderId, ProjectId, TransactionId};
use telemetry::{Span, SpanKind};

use crate::receive::XSOLLA;
use crate::report::Report;

/// The route of everything that is served.
const ROUTE: &str = "/webhooks/xsolla/{project}";

/// Ends the span of a request. The path is told only where it is one of ours, for a
/// stranger's may hold anything.
pub(crate) fn answered(
    span: Span,
    method: &Method,
    report: &Report,
    verdict: &'static str,
    status: StatusCode,
) {
    let fault = status.is_server_error().then_some(verdict);
    let method = httpd::method_name(method);
    span.end(SpanKind::Server, method, fault, |told| {
        if let Some(project) = report.project.map(ProjectId::get) {
            told.named(format!("{method} {ROUTE}"))
                .set("http.route", ROUTE)
                .set("url.path", format!("{XSOLLA}{project}"))
                .set("project.id", project);
        }
        told.set("url.scheme", "http")
            .set("http.request.method", method)
            .set("http.response.status_code", i64::from(status.as_u16()))
            .set("request.id", report.request.clone())
            .set("grantline.verdict", verdict)
            .set_some("order.id", report.order.map(OrderId::get))
            .set_some("transaction.id", report.transaction.map(TransactionId::get));
        let kind = report.kind.as_ref().map(Kind::as_str);
        told.set_some("notice.kind", kind.map(ToOwned::to_owned));
    });
}
