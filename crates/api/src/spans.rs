//! What a request tells of itself in traces, in OpenTelemetry's words for HTTP.

use hyper::{Method, StatusCode};
use order::ProjectId;
use task::Hints;
use telemetry::{Place, Span, SpanKind};

/// Ends the span of a request. The path itself is not told: it may name a player.
pub(crate) fn answered(
    span: Span,
    method: &Method,
    route: &'static str,
    project: Option<ProjectId>,
    status: StatusCode,
) {
    let fault = status.is_server_error().then(|| status.as_str().to_owned());
    let method = httpd::method_name(method);
    span.end(SpanKind::Server, method, fault.as_deref(), |told| {
        told.named(format!("{method} {route}"))
            .set("http.request.method", method)
            .set("http.route", route)
            .set("url.scheme", "http")
            .set("http.response.status_code", i64::from(status.as_u16()))
            .set_some("project.id", project.map(ProjectId::get));
    });
}

/// Has new rows travel with the place they came about at, if that is told.
pub(crate) fn placed(mut hints: Hints) -> Hints {
    let place = Place::current().filter(Place::is_sampled);
    if let Some(place) = place {
        let traceparent = place.context().traceparent;
        for row in 0..hints.rows.len() {
            hints.traces.put(row, traceparent.clone());
        }
    }
    hints
}
