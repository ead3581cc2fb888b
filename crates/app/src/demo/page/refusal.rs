//! Why a request to the demo's page is not served.

use httpd::{BodyError, Reply, json};
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue};
use serde_json::json;

/// Why there is no answer but this.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("this page answers to its own names alone")]
    Host,
    #[error("another page may not ask this one for anything")]
    Origin,
    #[error("there is nothing at this address")]
    NoRoute,
    #[error("this address takes {0}")]
    Method(&'static str),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("expected JSON such as {{\"offer\":\"blade\"}}: {0}")]
    Input(#[from] serde_json::Error),
    #[error("the shop has no such offer")]
    NoOffer,
    #[error("the player has no such order")]
    NoOrder,
    #[error("the line did not answer as it should")]
    Line(#[source] anyhow::Error),
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Host => StatusCode::MISDIRECTED_REQUEST,
            Self::Origin => StatusCode::FORBIDDEN,
            Self::NoRoute | Self::NoOrder => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Body(error) => error.status(),
            Self::Input(_) => StatusCode::BAD_REQUEST,
            Self::NoOffer => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Line(_) => StatusCode::BAD_GATEWAY,
        }
    }

    pub(crate) fn reply(&self) -> Reply {
        let mut reply = json(self.status(), &json!({"error": self.to_string()}));
        if let Self::Method(allowed) = self {
            let allowed = HeaderValue::from_static(allowed);
            reply.headers_mut().insert(ALLOW, allowed);
        }
        reply
    }
}
