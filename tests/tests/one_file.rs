//! The whole line in one process on one file, killed in mid-stream. Whatever was answered 2xx
//! must have its one effect in the end.
//!
//! `make test` kills three times, `make chaos` many more. `GRANTLINE_CHAOS_SEED` repeats the
//! times, `GRANTLINE_CHAOS_FILE_KILLS` chooses how many.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use testkit::Folder;
use tests::Chance;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// The demo's.
const PROJECT: i64 = 44_056;
const PLAYERS: u64 = 20;
/// At least; more are sold until the last kill is over.
const ORDERS: u64 = 300;
/// Orders under way at once.
const WIDTH: usize = 16;
const ANSWER: Duration = Duration::from_secs(3);
/// Longest wait for something that must happen, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// `grantline serve` in a folder of its own, on ports that stay the same.
struct Line {
    folder: Folder,
    ports: [(&'static str, SocketAddr); 4],
    client: Client<HttpConnector, Full<Bytes>>,
    accepted: AtomicU64,
}

impl Line {
    fn new() -> Self {
        let listeners = ["INGRESS", "PUBLISHER", "API", "ADMIN"]
            .map(|role| (role, TcpListener::bind("127.0.0.1:0").unwrap()));
        Self {
            folder: Folder::new(),
            ports: listeners.map(|(role, listener)| (role, listener.local_addr().unwrap())),
            client: Client::builder(TokioExecutor::new()).build_http(),
            accepted: AtomicU64::new(0),
        }
    }

    fn start(&self) -> Child {
        let listen =
            |(role, at): (&str, SocketAddr)| (format!("GRANTLINE__{role}__LISTEN"), at.to_string());
        Command::new(tests::fresh_binary())
            .args(["serve", "--data"])
            .arg(self.folder.join("data"))
            .envs(self.ports.map(listen))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }

    fn at(&self, role: &str) -> SocketAddr {
        self.ports.iter().find(|(name, _)| *name == role).unwrap().1
    }

    /// `None` before the first start has drawn it.
    fn secret(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.folder.join("data").join(name)).ok()
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Option<(StatusCode, Value)> {
        let answer = async {
            let answer = self.client.request(request).await.ok()?;
            let status = answer.status();
            // Only a whole answer counts.
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            Some((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
        };
        timeout(ANSWER, answer).await.ok().flatten()
    }

    /// Sends a notice as Xsolla does, until it is taken.
    async fn deliver(&self, notice: &Value) {
        let body = notice.to_string();
        let secret = self.secret("webhook.secret").unwrap();
        let signed = xsolla::signature::authorization_header(body.as_bytes(), secret.as_bytes());
        loop {
            let uri = format!("http://{}/webhooks/xsolla/{PROJECT}", self.at("INGRESS"));
            let request = Request::builder()
                .method(Method::POST)
                .uri(uri)
                .header("authorization", &signed)
                .body(Full::new(Bytes::from(body.clone())))
                .unwrap();
            match self.send(request).await {
                Some((StatusCode::NO_CONTENT, _)) => break,
                Some((StatusCode::SERVICE_UNAVAILABLE, _)) | None => {}
                Some(refusal) => panic!("{refusal:?} for {notice}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    async fn read(&self, path: &str) -> Option<Value> {
        let key = self.secret("api.key")?;
        let request = Request::builder()
            .uri(format!("http://{}{path}", self.at("API")))
            .header("authorization", format!("Bearer {key}"))
            .body(Full::default())
            .unwrap();
        let (status, body) = self.send(request).await?;
        (status == StatusCode::OK).then_some(body)
    }

    /// What each player has: how many of which item.
    async fn held(&self) -> Held {
        let mut held = Held::new();
        for number in 0..PLAYERS {
            let player = format!("player-{number}");
            let path = format!("/v1/projects/{PROJECT}/players/{player}/inventory");
            let inventory = self.read(&path).await.unwrap_or_default();
            let items = inventory["items"].as_array().cloned().unwrap_or_default();
            let item =
                |item: &Value| Some((item["sku"].as_str()?.to_owned(), item["quantity"].as_u64()?));
            held.insert(player, items.iter().filter_map(item).collect());
        }
        held
    }
}

/// Items by player.
type Held = BTreeMap<String, BTreeMap<String, u64>>;

/// The order of this number: one item that no other order grants, and for some a cancellation as well, first or last.
struct Sale {
    player: String,
    item: String,
    is_canceled: bool,
    notices: Vec<Value>,
}

impl Sale {
    fn of(number: u64) -> Self {
        let player = format!("player-{}", number % PLAYERS);
        let item = format!("blade-{number}");
        let notice = |kind: &str, billing: &str| {
            json!({
                "notification_type": kind,
                "items": [{"sku": item, "type": "virtual_good", "quantity": 1, "amount": "1"}],
                "order": {
                    "id": 1_000 + number, "mode": "default", "currency_type": "real",
                    "currency": "EUR", "amount": "1", "status": "paid"
                },
                "billing": {
                    "notification_type": billing,
                    "settings": {"project_id": PROJECT, "merchant_id": 1},
                    "transaction": {"id": 500_000 + number}
                },
                "user": {"external_id": player}
            })
        };
        let mut notices = vec![notice("order_paid", "payment")];
        let is_canceled = number.is_multiple_of(5);
        if is_canceled {
            let at = usize::from(number.is_multiple_of(2));
            notices.insert(at, notice("order_canceled", "refund"));
        }
        Self {
            player,
            item,
            is_canceled,
            notices,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_on_one_file_loses_nothing_and_doubles_nothing() {
    let seed = number("GRANTLINE_CHAOS_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let kills = number("GRANTLINE_CHAOS_FILE_KILLS").unwrap_or(3);
    let line = Arc::new(Line::new());
    let mut process = line.start();
    let reachable = async {
        while line.read("/v1/parked").await.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reachable).await.expect("the line starts");

    let (selling, over) = (Arc::clone(&line), Arc::new(AtomicU64::new(0)));
    let killed = Arc::clone(&over);
    let sold = tokio::spawn(async move {
        let numbers =
            (0..).take_while(|number| *number < ORDERS || killed.load(Ordering::Relaxed) < kills);
        let sell = async |number: u64| {
            for notice in Sale::of(number).notices {
                selling.deliver(&notice).await;
            }
            1
        };
        let each = stream::iter(numbers).map(sell).buffer_unordered(WIDTH);
        each.fold(0, async |sum: u64, one: u64| sum + one).await
    });
    let mut chance = Chance::new(seed, 0);
    for _ in 0..kills {
        sleep(chance.millis(50, 700)).await;
        process.start_kill().unwrap();
        process.wait().await.unwrap();
        let before = line.accepted.load(Ordering::Relaxed);
        process = line.start();
        // The next one hits a line that works again.
        let works = async {
            while line.accepted.load(Ordering::Relaxed) == before {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, works).await.expect("the line comes back");
        over.fetch_add(1, Ordering::Relaxed);
    }
    let sold = timeout(PATIENCE, sold)
        .await
        .expect("all is taken")
        .unwrap();

    let sales: Vec<_> = (0..sold).map(Sale::of).collect();
    let mut owed: Held = (0..PLAYERS)
        .map(|number| (format!("player-{number}"), BTreeMap::new()))
        .collect();
    for sale in sales.iter().filter(|sale| !sale.is_canceled) {
        let items = owed.entry(sale.player.clone()).or_default();
        items.insert(sale.item.clone(), 1);
    }
    let all_is_there = async {
        while line.held().await != owed {
            sleep(Duration::from_millis(50)).await;
        }
    };
    let ended = timeout(PATIENCE, all_is_there).await;
    let wrong = || format!("GRANTLINE_CHAOS_SEED={seed}, {kills} kills");
    let mut held = line.held().await;
    held.retain(|player, items| owed.get(player) != Some(items));
    assert!(ended.is_ok(), "{}: {held:?}, owed {owed:?}", wrong());
    // A repeat of everything changes nothing, and comes after all that may still be under way.
    let repeats = sales.iter().flat_map(|sale| &sale.notices);
    stream::iter(repeats)
        .for_each_concurrent(WIDTH, |notice| line.deliver(notice))
        .await;
    assert_eq!(line.held().await, owed, "{}", wrong());
    let parked = line.read("/v1/parked").await.unwrap();
    assert_eq!(parked["parked"], json!([]), "{}", wrong());
}

#[expect(
    clippy::disallowed_methods,
    reason = "how a person chooses what is killed"
)]
fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is `{value}`, expected a number")),
    )
}
