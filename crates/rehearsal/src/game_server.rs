//! The game server's side: players, orders and inventories over the api.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::http::{Answer, Http, HttpError};
use crate::purchase::Purchase;
use crate::target::GameServer;

/// What a player holds, by SKU.
pub(crate) type Held = BTreeMap<String, i64>;

/// Why the api did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{path} was answered {answer}")]
    Refused {
        path: String,
        answer: String,
        status: StatusCode,
    },
}

/// How a notice ended in the ledger.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: String,
    pub(crate) reason: Option<String>,
}

impl GameServer {
    pub(crate) async fn register_player(
        &self,
        http: &Http,
        of: &Purchase,
    ) -> Result<Answer, ApiError> {
        let path = format!(
            "/v1/projects/{}/players/{}",
            of.project,
            segment(&of.player)
        );
        self.ask(http, Method::PUT, &path, Bytes::new()).await
    }

    pub(crate) async fn register_order(
        &self,
        http: &Http,
        of: &Purchase,
    ) -> Result<Answer, ApiError> {
        let body = json!({"player": of.player}).to_string();
        self.ask(http, Method::PUT, &order_path(of), body.into())
            .await
    }

    /// What the instance says of the project, whatever it is.
    pub(crate) async fn project(&self, http: &Http, project: i64) -> Result<Answer, HttpError> {
        let path = format!("/v1/projects/{project}");
        self.call(http, Method::GET, &path, Bytes::new()).await
    }

    pub(crate) async fn inventory(&self, http: &Http, of: &Purchase) -> Result<Held, ApiError> {
        let player = segment(&of.player);
        let path = format!("/v1/projects/{}/players/{player}/inventory", of.project);
        let answer = self.ask(http, Method::GET, &path, Bytes::new()).await?;
        let body = answer.json();
        let items = body["items"].as_array().into_iter().flatten();
        let held = items.filter_map(|item| {
            let sku = item["sku"].as_str()?.to_owned();
            Some((sku, item["quantity"].as_i64()?))
        });
        Ok(held.collect())
    }

    /// How the newest notice of this kind about the order ended; `None` while it has not.
    pub(crate) async fn ended(
        &self,
        http: &Http,
        of: &Purchase,
        kind: &str,
    ) -> Result<Option<Ended>, ApiError> {
        let order = match self
            .ask(http, Method::GET, &order_path(of), Bytes::new())
            .await
        {
            Ok(answer) => answer.json(),
            Err(ApiError::Refused {
                status: StatusCode::NOT_FOUND,
                ..
            }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut notices = order["notices"].as_array().into_iter().flatten();
        let notice = notices.find(|notice| notice["kind"] == kind);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        Ok(notice.map(|notice| Ended {
            outcome: text(&notice["outcome"]).unwrap_or_default(),
            reason: text(&notice["reason"]),
        }))
    }

    /// Sends a request with the key to `path`, which begins with `/`.
    ///
    /// # Errors
    /// When there is no answer. A refusal is one.
    pub async fn call(
        &self,
        http: &Http,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, HttpError> {
        let request = Request::builder()
            .method(method)
            .header("authorization", format!("Bearer {}", &*self.key.reveal()))
            .header("content-type", "application/json");
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        http.send(&url, request, body).await
    }

    async fn ask(
        &self,
        http: &Http,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Answer, ApiError> {
        let answer = self.call(http, method, path, body).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(ApiError::Refused {
            path: path.to_owned(),
            answer: answer.summary(),
            status: answer.status,
        })
    }
}

fn order_path(of: &Purchase) -> String {
    format!("/v1/projects/{}/orders/{}", of.project, of.order)
}

/// A text as one segment of a path.
pub(crate) fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut written = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            written.push(byte.into());
        } else {
            let _ = write!(written, "%{byte:02X}");
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_of_any_letters_is_one_segment() {
        assert_eq!(segment("mira-7_a.b~c"), "mira-7_a.b~c");
        assert_eq!(segment("a/b?c d%ü"), "a%2Fb%3Fc%20d%25%C3%BC");
    }
}
