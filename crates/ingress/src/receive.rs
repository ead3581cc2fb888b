//! One webhook, from its head to its answer.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use broker::Broker;
use bytes::Bytes;
use httpd::{Check, Limits, Reply, Request, Service};
use hyper::{Method, StatusCode, Uri};
use order::{Kind, ProjectId};
use task::{MessageId, Task, TraceContext};
use time::OffsetDateTime;
use tokio::time::Instant;
use tracing::Instrument;
use xsolla::Glance;
use xsolla::signature::Digest;

use crate::Network;
use crate::address::sender;
use crate::answer::{Answer, Question, Refusal, Served, label};
use crate::keyring::{SignatureFault, digests};
use crate::metrics::Metrics;
use crate::project::Project;
use crate::quarantine::{KeepError, Kept};
use crate::rate::Rate;
use crate::report::{Refusals, Report, RequestIds};
use crate::spans;
use crate::web_shop::is_check;

const BELOW: &str = "/webhooks";
/// Where Xsolla posts, with the project's id behind it.
pub(crate) const XSOLLA: &str = "/webhooks/xsolla/";

/// Answers everything that comes to the listener.
#[derive(Debug)]
pub(crate) struct Ingress {
    pub(crate) projects: HashMap<ProjectId, Project>,
    pub(crate) broker: Broker,
    pub(crate) sources: Vec<Network>,
    pub(crate) proxies: u8,
    pub(crate) rate: Option<Rate>,
    pub(crate) limits: Limits,
    pub(crate) deadline: Duration,
    pub(crate) metrics: Metrics,
    pub(crate) requests: RequestIds,
    pub(crate) refusals: Arc<Refusals>,
    pub(crate) players: Check,
}

impl Service for Ingress {
    async fn answer(&self, request: Request, peer: SocketAddr) -> Reply {
        if !is_below_webhooks(request.uri()) {
            return httpd::empty(StatusCode::NOT_FOUND);
        }
        let arrived = Instant::now();
        let mut report = Report::new(self.requests.next());
        let span = tracing::info_span!("ingress.receive", request.id = %report.request);
        let (trace, method) = (telemetry::Span::begin(), request.method().clone());
        // Dropping `receive` leaves nothing half done: a message handed to the broker is
        // sent once or not at all, and an unknown outcome is answered 503.
        let work = tokio::time::timeout(self.deadline, self.receive(request, peer, &mut report));
        // An idle connection keeps room for what its next request needs: an address.
        let work = Box::pin(work);
        let outcome = trace
            .around(work.instrument(span.clone()))
            .await
            .unwrap_or(Err(Refusal::TooLate));
        span.in_scope(|| {
            let _within = trace.enter();
            let verdict = label(&outcome);
            let reply = self.conclude(&report, outcome, arrived.elapsed());
            spans::answered(trace, &method, &report, verdict, reply.status());
            reply
        })
    }

    /// 400 would be final for a paid order, and silence is not.
    fn answers_unreadable_heads(&self) -> bool {
        false
    }

    fn after_panic(&self) -> Reply {
        let report = Report::new(self.requests.next());
        let outcome = Err(Refusal::Panicked);
        let (trace, verdict) = (telemetry::Span::begin(), label(&outcome));
        let _within = trace.enter();
        let reply = self.conclude(&report, outcome, Duration::ZERO);
        spans::answered(trace, &Method::POST, &report, verdict, reply.status());
        reply
    }
}

impl Ingress {
    /// Serves one request, in the order of trust.
    ///
    /// A 2xx tells Xsolla never to send this notice again, so `Queued` is returned only
    /// after the broker's confirm. Nothing is parsed before the signature holds, but for the
    /// Web Shop's unsigned check and an open quarantine; and nothing that is signed is refused
    /// but an unknown player.
    async fn receive(
        &self,
        request: Request,
        peer: SocketAddr,
        report: &mut Report,
    ) -> Result<Served, Refusal> {
        let project = self.addressee(request.uri())?;
        report.project = Some(project.id);
        if request.method() != Method::POST {
            return Err(Refusal::WrongMethod);
        }
        let sender = sender(peer, request.headers(), self.proxies);
        if !self.sources.is_empty() && !self.sources.iter().any(|network| network.contains(sender))
        {
            return Err(Refusal::ForeignSource);
        }
        // Behind the networks: a stranger's flood must not use up what is Xsolla's.
        if self
            .rate
            .as_ref()
            .is_some_and(|rate| !rate.admits(Instant::now()))
        {
            return Err(Refusal::TooMany);
        }
        let (head, body) = request.into_parts();
        let body = httpd::read_body(body, &self.limits).await?;
        let received_at = task::now();

        match project.keyring.verify(&head.headers, &body) {
            Ok(slot) => {
                self.metrics.signed(project.id, slot);
                report.slot = Some(slot.to_owned());
            }
            Err(SignatureFault::Missing) if project.has_web_shop && is_check(&body) => {
                report.question = Some(Question::WebShopCheck);
                if !project.admits(sender) {
                    return Err(Refusal::ForeignSource);
                }
                let glance = Glance::of(&body);
                return self
                    .question(project, Question::WebShopCheck, &glance, body)
                    .await;
            }
            Err(fault) => {
                self.metrics.not_signed(project.id, fault);
                let digest = digests(&head.headers).find_map(Result::ok);
                return Err(match digest {
                    Some(digest) => self.mismatched(project, &digest, &body, received_at).await,
                    None => fault.into(),
                });
            }
        }

        let glance = Glance::of(&body);
        report.question = question_of(&glance.kind, &body);
        report.read(&glance);
        if let Some(question) = report.question {
            return self.question(project, question, &glance, body).await;
        }
        let message = MessageId::of(&body);
        report.message = Some(message);
        if glance.names_other_project(project.id) {
            // Signed with this project's secret, so it is not refused; the worker parks it.
            report.other_project = true;
            self.metrics.other_project(project.id);
        }
        // Unknown and unreadable notices travel the same way as orders: Xsolla may add
        // types at any time, and a refusal of a paid order gives the money back.
        let task = into_task(project.id, glance, message, received_at, body);
        self.broker.publish(&task).await?;
        // Accept after confirm: nothing above this line answers a notice with a 2xx.
        Ok(Served::Queued)
    }

    /// What becomes of a body that no secret fits: refused for good, or kept and asked for
    /// again.
    async fn mismatched(
        &self,
        project: &Project,
        digest: &Digest,
        body: &Bytes,
        received_at: OffsetDateTime,
    ) -> Refusal {
        // Its address was checked against `sources`; without them it would prove nothing.
        let quarantine = project.quarantine.as_ref();
        let Some(quarantine) = quarantine.filter(|it| it.is_open() && !self.sources.is_empty())
        else {
            return SignatureFault::Mismatch.into();
        };
        let kept = match question_of(&Glance::of(body).kind, body) {
            None => quarantine.keep(digest, body, received_at).await,
            // Paid for already.
            Some(Question::Pincode) => Err(KeepError::Question),
            // Nothing is paid yet, and Xsolla tests an endpoint with a wrong signature.
            Some(
                Question::UserValidation
                | Question::UserSearch
                | Question::Catalogue
                | Question::WebShopCheck,
            ) => return SignatureFault::Mismatch.into(),
        };
        let outcome = match &kept {
            Ok(Kept::Now) => "kept",
            Ok(Kept::Before) => "repeated",
            Err(error) => error.label(),
        };
        self.metrics.quarantine(project.id, outcome, 1);
        kept.map_or_else(Refusal::from, |_| Refusal::Quarantined)
    }

    fn addressee(&self, uri: &Uri) -> Result<&Project, Refusal> {
        let id = uri.path().strip_prefix(XSOLLA).ok_or(Refusal::NoSuchPath)?;
        let id: ProjectId = id.parse().map_err(|_| Refusal::NoSuchPath)?;
        self.projects.get(&id).ok_or(Refusal::NoSuchProject)
    }

    async fn question(
        &self,
        project: &Project,
        question: Question,
        glance: &Glance,
        body: Bytes,
    ) -> Result<Served, Refusal> {
        let outcome = project.answer(question, glance.player.as_ref(), body).await;
        self.metrics
            .question(project.id, question.as_str(), label(&outcome));
        match &outcome {
            Err(Refusal::NobodyAnswers(_, error)) => {
                self.players
                    .not_ok(format!("project {}: {error}", project.id));
            }
            Ok(_) | Err(_) => self.players.ok(),
        }
        outcome
    }

    /// Counts, logs and answers.
    fn conclude(
        &self,
        report: &Report,
        outcome: Result<Served, Refusal>,
        after: Duration,
    ) -> Reply {
        let answer = Answer::to(&outcome);
        let verdict = label(&outcome);
        self.metrics
            .answered(&report.kind_label(), verdict, answer.status.as_u16(), after);
        report.log(&self.refusals, &outcome, answer.status, after);
        answer.reply(outcome)
    }
}

fn is_below_webhooks(uri: &Uri) -> bool {
    uri.path()
        .strip_prefix(BELOW)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The question a signed body asks.
fn question_of(kind: &Kind, body: &[u8]) -> Option<Question> {
    // The documentation shows the Web Shop's check unsigned. Should one be signed, a 204
    // would vouch for whoever it names.
    if *kind == Kind::Unreadable && is_check(body) {
        Some(Question::WebShopCheck)
    } else {
        Question::of(kind)
    }
}

/// The task of a verified body.
pub(crate) fn into_task(
    project: ProjectId,
    glance: Glance,
    message: MessageId,
    received_at: OffsetDateTime,
    body: Bytes,
) -> Task {
    let trace = telemetry::current().map(|context| TraceContext {
        parent: context.traceparent,
        state: context.tracestate,
    });
    Task {
        project,
        kind: glance.kind,
        message,
        order: glance.order,
        transaction: glance.transaction,
        player: glance.player,
        received_at,
        attempt: 0,
        replay: None,
        trace,
        body,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_folder_of_webhooks_is_below_it() {
        for (path, below) in [
            ("/webhooks", true),
            ("/webhooks/", true),
            ("/webhooks/xsolla/44056?x=/", true),
            ("/webhooksx", false),
            ("/", false),
            ("/x/webhooks/", false),
        ] {
            assert_eq!(is_below_webhooks(&Uri::from_static(path)), below, "{path}");
        }
    }

    #[tokio::test]
    async fn a_panic_is_answered_like_any_trouble_of_ours() {
        let telemetry = telemetry::Telemetry::quiet();
        let meter = telemetry.meter("ingress");
        let lifecycle = lifecycle::Lifecycle::new();
        let nowhere = secret::Secret::inline("amqp://127.0.0.1:9/none").unwrap();
        let ingress = Ingress {
            projects: HashMap::new(),
            broker: Broker::connect(broker::Config::at(nowhere), "ingress", &meter),
            sources: Vec::new(),
            proxies: 0,
            rate: None,
            limits: Limits::default(),
            deadline: Duration::from_secs(1),
            metrics: Metrics::new(&meter),
            requests: RequestIds::new(),
            refusals: Arc::default(),
            players: httpd::Readiness::new(&lifecycle)
                .register("ingress.players", httpd::Need::Informational),
        };
        let reply = ingress.after_panic();
        assert_eq!(reply.status(), 503);
        assert_eq!(reply.headers()["content-type"], "application/json");
        assert!(telemetry.metrics_text().contains(r#"verdict="panicked""#));
    }
}
