//! A receiver of Xsolla's webhooks that answers as a test says, and the api beside it.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rehearsal::journal::Journal;
use rehearsal::{GameServer, Live, Plan, Rate, Run, Shares, Target, Webhook, prepare};
use secret::Secret;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub(crate) const PROJECT: i64 = 44_056;
pub(crate) const SECRET: &str = "secret-of-the-tests";

/// How a notice is answered: how late, and with what.
pub(crate) type Says = (Duration, u16);

/// Longer than any test waits.
pub(crate) const NEVER: Duration = Duration::from_hours(1);
pub(crate) const AT_ONCE: Duration = Duration::ZERO;

/// A notice that came.
pub(crate) struct Asked<'a> {
    pub(crate) kind: &'a str,
    pub(crate) is_signed: bool,
    /// How often this very body came before.
    pub(crate) before: u32,
}

type Answers = dyn Fn(&Asked<'_>) -> Says + Send + Sync;

/// How often each body came.
type Came = Mutex<HashMap<Bytes, u32>>;

pub(crate) struct Receiver {
    pub(crate) at: SocketAddr,
}

impl Receiver {
    pub(crate) async fn start(
        answers: impl Fn(&Asked<'_>) -> Says + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(answers, (200, r#"{"project": 44056, "rehearsal": true}"#)).await
    }

    /// One whose api says this of the project.
    pub(crate) async fn start_with(
        answers: impl Fn(&Asked<'_>) -> Says + Send + Sync + 'static,
        project: (u16, &'static str),
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let answers: Arc<Answers> = Arc::new(answers);
        let came: Arc<Came> = Arc::default();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (answers, came) = (Arc::clone(&answers), Arc::clone(&came));
                let each = service_fn(move |request| {
                    answer(request, Arc::clone(&answers), Arc::clone(&came), project)
                });
                let http = hyper::server::conn::http1::Builder::new();
                tokio::spawn(http.serve_connection(TokioIo::new(stream), each));
            }
        });
        Self { at }
    }

    pub(crate) fn target(&self) -> Target {
        let secret = || Secret::inline(SECRET).unwrap();
        Target {
            webhook: Webhook {
                url: format!("http://{}/webhooks/xsolla/{PROJECT}", self.at),
                secret: secret(),
            },
            client: None,
            server: Some(GameServer {
                url: format!("http://{}", self.at),
                key: secret(),
            }),
        }
    }

    pub(crate) async fn rehearse(&self, plan: Plan) -> Journal {
        play(plan, self.target()).await
    }
}

async fn answer(
    request: Request<Incoming>,
    answers: Arc<Answers>,
    came: Arc<Came>,
    project: (u16, &'static str),
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let answer = |code, body| {
        let mut answer = Response::new(Full::from(body));
        *answer.status_mut() = StatusCode::from_u16(code).unwrap();
        Ok(answer)
    };
    if head.uri.path() == format!("/v1/projects/{PROJECT}") {
        return answer(project.0, project.1);
    }
    if head.uri.path().starts_with("/v1/") {
        return answer(201, "{}");
    }
    let signed = xsolla::signature::authorization_header(&body, SECRET.as_bytes());
    let notice: Value = serde_json::from_slice(&body).unwrap();
    let kind = notice["notification_type"].as_str().unwrap();
    let before = {
        let mut came = came.lock().unwrap();
        let times = came.entry(body.clone()).or_default();
        *times += 1;
        *times - 1
    };
    let is_signed = head.headers["authorization"] == signed.as_str();
    let (late, code) = answers(&Asked {
        kind,
        is_signed,
        before,
    });
    tokio::time::sleep(late).await;
    answer(code, "")
}

/// A short sale with these shares alone, a thousand times as fast as Xsolla's own.
pub(crate) fn plan(orders_per_second: f64, shares: &[&str]) -> Plan {
    let rate = Rate {
        orders_per_second,
        duration: Duration::from_millis(500),
        ramp: Duration::ZERO,
        spikes: Vec::new(),
    };
    let mut plan = Plan::new(PROJECT, 7, Run::new(7), rate).unwrap();
    let settings: Vec<_> = shares.iter().map(|it| it.parse().unwrap()).collect();
    plan.shares = Shares::none().with(&settings).unwrap();
    plan.time_scale = 60_000;
    plan.answer_limit = NEVER;
    plan
}

pub(crate) async fn play(plan: Plan, target: Target) -> Journal {
    let live = Live::new(plan.seed);
    let ready = prepare(plan, target, 0).await.unwrap();
    let playing = ready.play(&live, CancellationToken::new());
    let journal = tokio::time::timeout(Duration::from_mins(2), playing).await;
    journal.expect("it ends")
}
