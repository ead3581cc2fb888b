//! Stands in for Xsolla: sends signed notices at a steady rate that no answer slows down
//! (an open loop, but for a bound), and repeats each until it is taken.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, sleep, sleep_until, timeout};

use crate::oracle::Sent;
use crate::orders::{Order, PROJECT};
use tests::Chance;

pub(crate) const WEBHOOK_SECRET: &str = "webhook-secret-of-the-kill-test";

/// Xsolla gives up on an answer after a few seconds.
const ANSWER: Duration = Duration::from_secs(3);
/// Gaps without any 2xx that are shorter than this belong to a busy machine.
const GAP: Duration = Duration::from_millis(500);
/// Copies under way at which no new orders are made: what an outage of some seconds heaps
/// up, and little enough for a slow machine to work off.
const UNDER_WAY_MAX: usize = 1_000;

/// What was sent and what came back, as far as Xsolla can know.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Requests, repeats included.
    pub(crate) requests: u64,
    /// Copies of notices: each is repeated until it is taken.
    pub(crate) copies: u64,
    pub(crate) accepted_copies: u64,
    /// How often each notice was answered 2xx, by its order's number.
    pub(crate) accepted: BTreeMap<(u64, &'static str), u64>,
    /// Answers by status; 0 stands for none.
    pub(crate) answers: BTreeMap<u16, u64>,
    /// Answers that no signed notice may ever get.
    pub(crate) refusals: Vec<String>,
    /// Times without any 2xx.
    pub(crate) gaps: Vec<(Instant, Instant)>,
    last_accepted: Option<Instant>,
}

impl History {
    fn answered(&mut self, number: u64, name: &(&'static str, String), status: Option<StatusCode>) {
        self.requests += 1;
        let code = status.map_or(0, |status| status.as_u16());
        *self.answers.entry(code).or_default() += 1;
        match code {
            200..300 => {
                let now = Instant::now();
                let last = self.last_accepted.replace(now).unwrap_or(now);
                if now - last > GAP {
                    self.gaps.push((last, now));
                }
                self.accepted_copies += 1;
                *self.accepted.entry((number, name.0)).or_default() += 1;
            }
            // No answer, or "come back later".
            0 | 503 => {}
            _ => self.refusals.push(format!("{} {}: {code}", name.0, name.1)),
        }
    }

    /// Seconds between two moments in which nothing was taken.
    pub(crate) fn unavailable(&self, from: Instant, to: Instant) -> Duration {
        let within = self.gaps.iter().map(|(begin, end)| {
            let (begin, end) = ((*begin).max(from), (*end).min(to));
            end.saturating_duration_since(begin)
        });
        within.sum()
    }
}

/// One copy of a notice on its way.
struct Copy {
    /// Of the order.
    number: u64,
    order: Arc<Order>,
    sent: Sent,
    due: Instant,
    /// Draws how long to wait before the next try.
    pauses: Chance,
}

/// The stand-in.
#[derive(Clone)]
pub(crate) struct Xsolla {
    seed: u64,
    ingress: SocketAddr,
    client: Client<HttpConnector, Full<Bytes>>,
    history: Arc<Mutex<History>>,
}

impl Xsolla {
    pub(crate) fn new(seed: u64, ingress: SocketAddr) -> Self {
        Self {
            seed,
            ingress,
            client: Client::builder(TokioExecutor::new()).build_http(),
            history: Arc::default(),
        }
    }

    pub(crate) fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap()
    }

    /// Makes orders at this rate until told to stop, and returns how many there were when
    /// the last copy of the last notice has been taken.
    pub(crate) async fn sell(self, orders_per_second: u32, mut stop: watch::Receiver<bool>) -> u64 {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / orders_per_second);
        // A pause is not made up for.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut sending = JoinSet::new();
        let mut number = 0;
        while !*stop.borrow_and_update() {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stop.changed() => continue,
            }
            while sending.try_join_next().is_some() {}
            if sending.len() > UNDER_WAY_MAX {
                continue;
            }
            let order = Arc::new(Order::draw(self.seed, number));
            for planned in &order.notices {
                for at in &planned.copies {
                    let copy = Copy {
                        number,
                        order: Arc::clone(&order),
                        sent: planned.sent,
                        due: Instant::now() + *at,
                        pauses: Chance::new(!self.seed, self.history().copies),
                    };
                    self.history().copies += 1;
                    sending.spawn(self.clone().deliver(copy));
                }
            }
            number += 1;
        }
        sending.join_all().await;
        number
    }

    async fn deliver(self, mut copy: Copy) {
        sleep_until(copy.due).await;
        let body = Bytes::from(copy.order.body(copy.sent));
        let name = copy.order.name_of(copy.sent);
        loop {
            let status = timeout(ANSWER, self.post(body.clone())).await;
            let status = status.ok().flatten();
            self.history().answered(copy.number, &name, status);
            match status {
                // A refusal is final, as it is for Xsolla; the verdict counts it.
                Some(status) if status != StatusCode::SERVICE_UNAVAILABLE => return,
                _ => sleep(copy.pauses.millis(1_000, 4_000)).await,
            }
        }
    }

    async fn post(&self, body: Bytes) -> Option<StatusCode> {
        let signed = xsolla::signature::authorization_header(&body, WEBHOOK_SECRET.as_bytes());
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://{}/webhooks/xsolla/{PROJECT}", self.ingress))
            .header("authorization", signed)
            .body(Full::new(body))
            .unwrap();
        let answer = self.client.request(request).await.ok()?;
        let status = answer.status();
        // Only a whole answer counts.
        answer.into_body().collect().await.ok()?;
        Some(status)
    }
}
