//! Xsolla's sending side: a body, its signature, one POST.

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::{Method, Request, StatusCode};

use crate::http::{Answer, Http, HttpError};
use crate::play::{Expected, Letter};
use crate::target::Webhook;

/// Sends a letter's copies at the same instant, each on a connection of its own, and
/// returns every answer.
pub(crate) async fn send(
    http: &Http,
    to: &Webhook,
    letter: &Letter,
) -> Result<Vec<Answer>, HttpError> {
    let copies = (0..letter.copies).map(|_| async {
        let body = letter.body.clone();
        if letter.forged {
            let nobodys = format!("{:032x}", rand::random::<u128>());
            to.post(http, body, nobodys.as_bytes()).await
        } else {
            to.send(http, body).await
        }
    });
    join_all(copies).await.into_iter().collect()
}

impl Webhook {
    /// Sends a notice as Xsolla does: signed, in one POST.
    ///
    /// # Errors
    /// When there is no answer. A refusal is one.
    pub async fn send(&self, http: &Http, body: Bytes) -> Result<Answer, HttpError> {
        self.post(http, body, self.secret.reveal().as_bytes()).await
    }

    async fn post(&self, http: &Http, body: Bytes, secret: &[u8]) -> Result<Answer, HttpError> {
        let signature = xsolla::signature::authorization_header(&body, secret);
        self.post_signed(http, body, &signature).await
    }

    /// Posts a body with a signature that was made before.
    pub(crate) async fn post_signed(
        &self,
        http: &Http,
        body: Bytes,
        signature: &str,
    ) -> Result<Answer, HttpError> {
        let request = Request::builder()
            .method(Method::POST)
            .header("accept", "application/json")
            .header("content-type", "application/json")
            .header("authorization", signature);
        http.send(&self.url, request, body).await
    }
}

impl Expected {
    /// Whether this is the answer.
    pub(crate) fn is_met_by(self, answer: &Answer) -> bool {
        match self {
            Self::Accepted => matches!(
                answer.status,
                StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT
            ),
            Self::Refused(code) => {
                answer.status == StatusCode::BAD_REQUEST
                    && answer.code().as_deref() == Some(code.as_str())
            }
        }
    }

    pub(crate) fn words(self) -> String {
        match self {
            Self::Accepted => "204 (200 and 201 count as well)".to_owned(),
            Self::Refused(code) => format!("400 {}", code.as_str()),
        }
    }
}
