//! Xsolla's sending side: a body, its signature, one POST.

use bytes::Bytes;
use futures_util::future::join_all;
use hyper::{Method, Request, StatusCode};

use crate::http::{Answer, Http, HttpError};
use crate::script::{Expected, Letter};
use crate::target::Webhook;

/// Sends a letter's copies at the same instant, each on a connection of its own, and
/// returns every answer.
pub(crate) async fn send(
    http: &Http,
    to: &Webhook,
    letter: &Letter,
) -> Result<Vec<Answer>, HttpError> {
    let copies = (0..letter.copies).map(|_| post(http, to, letter));
    join_all(copies).await.into_iter().collect()
}

async fn post(http: &Http, to: &Webhook, letter: &Letter) -> Result<Answer, HttpError> {
    let request = Request::builder()
        .method(Method::POST)
        .header("accept", "application/json")
        .header("content-type", "application/json")
        .header("authorization", signature(to, letter));
    http.send(&to.url, request, letter.body.clone()).await
}

fn signature(to: &Webhook, letter: &Letter) -> String {
    let sign = |body: &Bytes, secret: &[u8]| xsolla::signature::authorization_header(body, secret);
    if letter.forged {
        let nobodys = format!("{:032x}", rand::random::<u128>());
        return sign(&letter.body, nobodys.as_bytes());
    }
    sign(&letter.body, to.secret.reveal().as_bytes())
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
