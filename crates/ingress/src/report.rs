//! What is known about one request, for its one line in the log.
//!
//! Ids and verdicts alone: never a body, a secret, a signature, a player or an address.

use std::convert::Infallible;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::StatusCode;
use order::{Kind, OrderId, ProjectId, TransactionId};
use task::MessageId;
use telemetry::{QUIET, Repeats};
use tokio::time::Instant;
use xsolla::Glance;

use crate::answer::{Evidence, Question, Refusal, Served, label};

/// Gives each request an id that no other one of any process has.
#[derive(Debug)]
pub(crate) struct RequestIds {
    process: u64,
    issued: AtomicU64,
}

impl RequestIds {
    pub(crate) fn new() -> Self {
        Self {
            // The standard library's only source of randomness.
            process: RandomState::new().build_hasher().finish(),
            issued: AtomicU64::new(0),
        }
    }

    pub(crate) fn next(&self) -> String {
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        format!("{:016x}-{number}", self.process)
    }
}

/// Lines about requests that were not served, by project and verdict.
pub(crate) type Refusals = Repeats<(Option<ProjectId>, &'static str)>;

/// Writes how many lines were held back.
pub(crate) fn sum_up(refusals: &Refusals) {
    for ((project, verdict), requests) in refusals.sum_up(Instant::now()) {
        tracing::warn!(
            project = project.map(ProjectId::get),
            verdict,
            requests,
            "More requests ended like that"
        );
    }
}

/// The same, every now and then.
pub(crate) async fn sum_up_for_ever(refusals: &Refusals) -> Infallible {
    let mut ticks = tokio::time::interval(QUIET);
    loop {
        ticks.tick().await;
        sum_up(refusals);
    }
}

/// What is known about one request. Filled as trust grows.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) request: String,
    pub(crate) project: Option<ProjectId>,
    /// Of notices alone: a question is short enough to be guessed from its digest.
    pub(crate) message: Option<MessageId>,
    pub(crate) slot: Option<String>,
    pub(crate) question: Option<Question>,
    pub(crate) other_project: bool,
    pub(crate) kind: Option<Kind>,
    pub(crate) order: Option<OrderId>,
    pub(crate) transaction: Option<TransactionId>,
}

impl Report {
    pub(crate) const fn new(request: String) -> Self {
        Self {
            request,
            project: None,
            message: None,
            slot: None,
            question: None,
            other_project: false,
            kind: None,
            order: None,
            transaction: None,
        }
    }

    pub(crate) fn read(&mut self, glance: &Glance) {
        self.kind = Some(glance.kind.clone());
        self.order = glance.order;
        self.transaction = glance.transaction;
    }

    /// The type for metrics. Names that Grantline does not know share one label, for their
    /// number has no bound.
    pub(crate) fn kind_label(&self) -> String {
        match (self.question, &self.kind) {
            (Some(question), _) => question.as_str().to_owned(),
            (None, Some(Kind::Other(_))) => "other".to_owned(),
            (None, Some(kind)) => kind.to_string(),
            (None, None) => "unverified".to_owned(),
        }
    }

    /// Writes the one line about the request, or counts it among `refusals`. What is held
    /// back is still written where `debug` is.
    pub(crate) fn log(
        &self,
        refusals: &Refusals,
        outcome: &Result<Served, Refusal>,
        status: StatusCode,
        after: Duration,
    ) {
        let error = outcome
            .as_ref()
            .err()
            .map(|refusal| refusal as &(dyn std::error::Error + 'static));
        macro_rules! line {
            ($level:ident, $text:literal) => {
                tracing::$level!(
                    request.id = %self.request,
                    project = self.project.map(ProjectId::get),
                    notice.kind = self.kind.as_ref().map(Kind::as_str),
                    question = self.question.map(Question::as_str),
                    order.id = self.order.map(OrderId::get),
                    transaction.id = self.transaction.map(TransactionId::get),
                    message.id = self.message.as_ref().map(tracing::field::display),
                    secret.slot = self.slot,
                    other_project = self.other_project,
                    verdict = label(outcome),
                    status = status.as_u16(),
                    ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
                    error,
                    $text
                )
            };
        }
        let is_written = is_normal(outcome, status)
            || refusals
                .admit(&(self.project, label(outcome)), Instant::now())
                .is_some();
        match outcome {
            _ if !is_written => line!(debug, "Ended like others before"),
            Ok(Served::Queued) if self.other_project => {
                line!(warn, "Notice of another project accepted");
            }
            Ok(Served::Queued) => line!(info, "Notice accepted"),
            Ok(Served::Found(_, Evidence::Remembered | Evidence::Assumed)) => {
                line!(warn, "Question answered without asking");
            }
            Ok(Served::Found(_, Evidence::Asked) | Served::Told(..)) => {
                line!(info, "Question answered");
            }
            Err(Refusal::NoSuchPlayer(_)) if status.is_client_error() => {
                line!(info, "Question answered");
            }
            Err(Refusal::Signature(_)) => line!(warn, "Signature refused"),
            Err(Refusal::Quarantined | Refusal::NotQuarantined(_)) => {
                line!(error, "No secret fits a webhook from Xsolla");
            }
            Err(
                Refusal::NoSuchPath
                | Refusal::TooMany
                | Refusal::WrongMethod
                | Refusal::NoSuchProject
                | Refusal::Body(_)
                | Refusal::ForeignSource
                | Refusal::NoSuchPlayer(_)
                | Refusal::NobodyToAsk(_)
                | Refusal::NobodyAnswers(..)
                | Refusal::NotQueued(_)
                | Refusal::TooLate
                | Refusal::Panicked,
            ) => line!(error, "Webhook not served"),
        }
    }
}

/// Whether a request ended as requests do all day: each has its own line.
fn is_normal(outcome: &Result<Served, Refusal>, status: StatusCode) -> bool {
    match outcome {
        Ok(Served::Queued | Served::Found(_, Evidence::Asked) | Served::Told(..)) => true,
        Err(Refusal::NoSuchPlayer(_)) => status.is_client_error(),
        Ok(Served::Found(_, Evidence::Remembered | Evidence::Assumed)) | Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
