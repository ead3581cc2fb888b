//! One request, from its head to its answer.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use broker::Broker;
use bytes::Bytes;
use httpd::{Limits, Reply, Request, Service};
use hyper::{Method, StatusCode};
use ledger::Ledger;
use order::ProjectId;
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::fault::Fault;
use crate::keyring::{Caller, Keyring};
use crate::metrics::Metrics;
use crate::projects::Project;
use crate::route::{self, Route};
use crate::{Right, openapi, spans};

/// Answers everything that comes to the listener.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) keyring: Keyring,
    pub(crate) projects: BTreeMap<ProjectId, Project>,
    pub(crate) ledger: Ledger,
    pub(crate) broker: Broker,
    pub(crate) limits: Limits,
    pub(crate) max_page_rows: u32,
    pub(crate) openapi: Bytes,
    pub(crate) metrics: Metrics,
}

/// What the log and the metrics say of a request. Filled as trust grows.
struct Report {
    method: Method,
    key: String,
    route: &'static str,
    project: Option<ProjectId>,
}

impl Service for Api {
    async fn answer(&self, request: Request, _peer: SocketAddr) -> Reply {
        let arrived = Instant::now();
        let mut report = Report {
            method: request.method().clone(),
            key: "none".to_owned(),
            route: "none",
            project: None,
        };
        let span = tracing::info_span!("api.answer");
        let trace = telemetry::Span::begin();
        let work = self.serve(request, &mut report).instrument(span.clone());
        let outcome = trace.around(work).await;
        span.in_scope(|| {
            let _within = trace.enter();
            let reply = self.conclude(&report, outcome, arrived.elapsed());
            let (method, project) = (&report.method, report.project);
            spans::answered(trace, method, report.route, project, reply.status());
            reply
        })
    }
}

impl Api {
    /// Serves one request, in the order of trust.
    ///
    /// The client may go away at any await: a booking goes on by itself, and the hint or
    /// the note that is then missing is made up for by the publishers' own look at the
    /// ledger, or by a second replay, which books nothing twice.
    async fn serve(&self, request: Request, report: &mut Report) -> Result<Reply, Fault> {
        if request.uri().path() == openapi::PATH {
            report.route = openapi::PATH;
            return self.document(request.method());
        }
        let caller = self.keyring.authenticate(request.headers())?;
        report.key.clone_from(&caller.name);
        let (endpoint, route) = route::find(request.method(), request.uri().path())?;
        report.route = endpoint.template;
        report.project = route.project();
        caller.must_have(endpoint.right)?;
        if let Some(project) = route.project() {
            caller.must_see(project)?;
            self.must_know(project)?;
        }
        self.dispatch(route, caller, request).await
    }

    async fn dispatch(
        &self,
        route: Route,
        caller: &Caller,
        request: Request,
    ) -> Result<Reply, Fault> {
        let query = request.uri().query();
        match route {
            Route::Project(project) => self.about(project).await,
            Route::RegisterPlayer(project, player) => self.register_player(project, &player).await,
            Route::OrdersOf(project, player) => self.orders_of(project, &player, query).await,
            Route::NoticesOf(project, player) => self.notices_of(project, &player, query).await,
            Route::Inventory(project, player) => self.inventory(project, &player).await,
            Route::RegisterOrder(project, order) => {
                let body = httpd::read_body(request.into_body(), &self.limits).await?;
                self.register_order(project, order, &body).await
            }
            Route::Order(project, order) => self.order(project, order).await,
            Route::Transaction(project, number) => self.transaction(project, number).await,
            Route::ParkedList => self.parked_list(caller, query).await,
            Route::Parked(id) => self.parked(caller, id, caller.has(Right::Bodies)).await,
            Route::Replay(id) => self.replay(caller, id).await,
        }
    }

    pub(crate) fn must_know(&self, project: ProjectId) -> Result<(), Fault> {
        if self.projects.contains_key(&project) {
            return Ok(());
        }
        Err(Fault::UnknownProject(project))
    }

    fn conclude(&self, report: &Report, outcome: Result<Reply, Fault>, elapsed: Duration) -> Reply {
        let (reply, verdict) = match outcome {
            Ok(reply) => (reply, "served"),
            Err(fault) => {
                if fault.status().is_server_error() {
                    let error: &dyn std::error::Error = &fault;
                    tracing::error!(error, "Request not served");
                }
                (fault.reply(), fault.code())
            }
        };
        let status = reply.status();
        tracing::info!(
            key = report.key,
            method = %report.method,
            route = report.route,
            project.id = report.project.map(ProjectId::get),
            status = status.as_u16(),
            verdict,
            elapsed = ?elapsed,
            "Request answered"
        );
        let answer = (status.as_u16(), verdict);
        self.metrics
            .answered(&report.key, report.route, answer, elapsed);
        reply
    }
}

/// An answer in JSON that nobody may keep: the next one may differ.
pub(crate) fn reply<T: serde::Serialize>(status: StatusCode, value: &T) -> Reply {
    let mut reply = httpd::json(status, value);
    let no_store = hyper::header::HeaderValue::from_static("no-store");
    reply
        .headers_mut()
        .insert(hyper::header::CACHE_CONTROL, no_store);
    reply
}
