//! Why a request is not served, and what the caller can do about it.

use broker::PublishError;
use httpd::{BodyError, Reply};
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use ledger::LedgerError;
use order::{OrderId, ProjectId};
use schemars::JsonSchema;
use serde::Serialize;
use task::ParkedId;

/// Why a request is not served. The message is for the caller.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("send the header `Authorization: Bearer KEY` with the secret of one of `api.keys`")]
    NoKey,
    #[error("the key sent is none of `api.keys`; it may have been replaced")]
    UnknownKey,
    #[error("the key `{key}` lacks the right `{right}`; add it to `api.keys.{key}.rights`")]
    NoRight { key: String, right: &'static str },
    #[error("the key `{key}` may not see project {project}; add it to `api.keys.{key}.projects`")]
    ForeignProject { key: String, project: ProjectId },
    #[error("project {0} is not configured; add the section `[projects.{0}]`")]
    UnknownProject(ProjectId),
    #[error("there is no such path; `GET /v1/openapi.json` lists all of them")]
    NoRoute,
    #[error("this path takes {allowed} only")]
    WrongMethod { allowed: String },
    #[error("{0}")]
    Input(String),
    #[error("{0}")]
    Body(#[from] BodyError),
    #[error("no {0} is known; it may not have arrived yet")]
    NotFound(String),
    #[error(
        "order {0} belongs to another player than the one named; whoever is named first keeps it"
    )]
    OtherPlayer(OrderId),
    #[error("parked entry {0} is settled; there is nothing left to replay")]
    Settled(ParkedId),
    #[error("parked entry {0} does not tell its project, so it cannot be replayed")]
    NotReplayable(ParkedId),
    #[error("{0}; send the request again")]
    Ledger(#[from] LedgerError),
    #[error("{0}; send the request again")]
    Publish(#[from] PublishError),
}

impl Fault {
    pub(crate) const fn status(&self) -> StatusCode {
        self.answer().0
    }

    /// One word for programs, logs and metrics.
    pub(crate) const fn code(&self) -> &'static str {
        self.answer().1
    }

    const fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::NoKey => (StatusCode::UNAUTHORIZED, "no_key"),
            Self::UnknownKey => (StatusCode::UNAUTHORIZED, "unknown_key"),
            Self::NoRight { .. } => (StatusCode::FORBIDDEN, "no_right"),
            Self::ForeignProject { .. } => (StatusCode::FORBIDDEN, "foreign_project"),
            Self::UnknownProject(_) => (StatusCode::NOT_FOUND, "unknown_project"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "no_route"),
            Self::WrongMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "wrong_method"),
            Self::Input(_) => (StatusCode::BAD_REQUEST, "invalid"),
            Self::Body(BodyError::TooLarge { .. }) => {
                (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large")
            }
            Self::Body(BodyError::TooSlow { .. }) => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
            Self::Body(BodyError::Broken(_)) => (StatusCode::BAD_REQUEST, "body_broken"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::OtherPlayer(_) => (StatusCode::CONFLICT, "other_player"),
            Self::Settled(_) => (StatusCode::CONFLICT, "settled"),
            Self::NotReplayable(_) => (StatusCode::CONFLICT, "not_replayable"),
            Self::Ledger(LedgerError::Unavailable(_) | LedgerError::Interrupted(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "ledger_unavailable")
            }
            Self::Ledger(LedgerError::Rejected(_)) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "ledger_rejected")
            }
            Self::Ledger(LedgerError::Unreadable { .. }) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "ledger_unreadable")
            }
            Self::Publish(_) => (StatusCode::SERVICE_UNAVAILABLE, "broker_unavailable"),
        }
    }

    /// As it goes out.
    pub(crate) fn reply(&self) -> Reply {
        let error = Shown {
            code: self.code(),
            message: self.to_string(),
        };
        let mut reply = httpd::json(self.status(), &Refusal { error });
        if let Some((name, value)) = self.header() {
            reply.headers_mut().insert(name, value);
        }
        reply
    }

    fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        if let Self::WrongMethod { allowed } = self {
            return Some((ALLOW, HeaderValue::try_from(allowed).ok()?));
        }
        match self.status() {
            StatusCode::UNAUTHORIZED => {
                Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")))
            }
            StatusCode::SERVICE_UNAVAILABLE => Some((RETRY_AFTER, HeaderValue::from_static("1"))),
            _ => None,
        }
    }
}

/// Why a request was not served.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Refusal {
    error: Shown,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fault")]
struct Shown {
    /// One word for programs.
    code: &'static str,
    /// What to do about it, for a person.
    message: String,
}
