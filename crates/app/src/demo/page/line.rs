//! What the page asks of the running line: as Xsolla, as the game server, as Xsolla Login.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use hyper::{Method, StatusCode};
use rehearsal::{Answer, GameClient, GameServer, Http, HttpError, Target, Webhook};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use crate::demo::{PLAYER, PROJECT};

/// The longest the line may take for one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The line behind the page.
pub(crate) struct Behind {
    webhook: Webhook,
    client: GameClient,
    server: GameServer,
    http: Http,
}

/// How a request went.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Answered {
    /// The code that came back.
    pub(crate) code: u16,
    /// From the first byte sent to the last one received, in milliseconds.
    ms: f64,
    /// When it was sent, in milliseconds since 1970.
    sent_at: f64,
}

impl Behind {
    pub(crate) fn new(target: Target) -> anyhow::Result<Self> {
        let server = target.server.context("the demo needs the api")?;
        let urls = [target.webhook.url.as_str(), server.url.as_str()];
        Ok(Self {
            http: Http::new(urls.into_iter(), PATIENCE)?,
            webhook: target.webhook,
            client: target.client.context("the demo needs the publisher")?,
            server,
        })
    }

    /// A token of the player, good until this second.
    pub(crate) fn token(&self, expires_at: i64) -> anyhow::Result<String> {
        Ok(self.client.token(PLAYER, expires_at)?)
    }

    /// Sends a notice, signed as Xsolla signs it, whatever is answered.
    pub(crate) async fn notify(&self, notice: &Value) -> anyhow::Result<Answered> {
        let body = notice.to_string().into();
        Ok(timed(self.webhook.send(&self.http, body)).await?.0)
    }

    /// Asks the api for what is there. `None` if it is not.
    pub(crate) async fn read(&self, what: &str) -> anyhow::Result<Option<Value>> {
        match self.call(Method::GET, what, Value::Null).await? {
            (answered, _) if answered.code == StatusCode::NOT_FOUND => Ok(None),
            (answered, body) => {
                answered.must_succeed(what)?;
                Ok(Some(body))
            }
        }
    }

    /// Tells the api what a game server tells it.
    pub(crate) async fn register(&self, what: &str, body: Value) -> anyhow::Result<Answered> {
        let (answered, _) = self.call(Method::PUT, what, body).await?;
        answered.must_succeed(what)?;
        Ok(answered)
    }

    async fn call(
        &self,
        method: Method,
        what: &str,
        body: Value,
    ) -> anyhow::Result<(Answered, Value)> {
        let path = format!("/v1/projects/{PROJECT}/{what}");
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        timed(self.server.call(&self.http, method, &path, body.into())).await
    }
}

impl Answered {
    fn must_succeed(&self, what: &str) -> anyhow::Result<()> {
        if (200..300).contains(&self.code) {
            return Ok(());
        }
        bail!("the api answered {} for {what}", self.code)
    }
}

/// The form in which scripts count instants: milliseconds since 1970, to the microsecond.
pub(crate) fn unix_ms(at: OffsetDateTime) -> f64 {
    (at - OffsetDateTime::UNIX_EPOCH).as_seconds_f64() * 1_000.0
}

async fn timed(
    request: impl Future<Output = Result<Answer, HttpError>>,
) -> anyhow::Result<(Answered, Value)> {
    let sent_at = unix_ms(task::now());
    let began = Instant::now();
    let answer = request.await?;
    let answered = Answered {
        code: answer.status.as_u16(),
        ms: began.elapsed().as_secs_f64() * 1_000.0,
        sent_at,
    };
    Ok((answered, answer.json()))
}
