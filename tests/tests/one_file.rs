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

use futures_util::{StreamExt as _, stream};
use hyper::{Method, StatusCode};
use rusqlite::{Connection, OpenFlags};
use serde_json::{Value, json};
use testkit::Folder;
use tests::{Answer, Chance, Http, LISTENERS};
use tokio::process::Child;
use tokio::task::JoinHandle;
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
    http: Http,
    accepted: AtomicU64,
}

impl Line {
    fn new() -> Self {
        let listeners = LISTENERS.map(|role| (role, TcpListener::bind("127.0.0.1:0").unwrap()));
        Self {
            folder: Folder::new(),
            ports: listeners.map(|(role, listener)| (role, listener.local_addr().unwrap())),
            http: Http::new(),
            accepted: AtomicU64::new(0),
        }
    }

    fn start(&self) -> Child {
        tests::serve(&self.folder.join("data"), |role| self.at(role))
            .stdout(Stdio::null())
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

    async fn send(
        &self,
        method: Method,
        url: &str,
        authorization: &str,
        body: &str,
    ) -> Option<Answer> {
        let headers = [("authorization", authorization)];
        let answer = self.http.ask(method, url, &headers, body);
        timeout(ANSWER, answer).await.ok()?.ok()
    }

    /// Sends a notice as Xsolla does, until it is taken.
    async fn deliver(&self, notice: &Value) {
        let body = notice.to_string();
        let secret = self.secret("webhook.secret").unwrap();
        let signed = xsolla::signature::authorization_header(body.as_bytes(), secret.as_bytes());
        let url = format!("http://{}/webhooks/xsolla/{PROJECT}", self.at("INGRESS"));
        loop {
            let answer = self.send(Method::POST, &url, &signed, &body).await;
            match answer.map(|answer| (answer.status, answer.body)) {
                Some((StatusCode::NO_CONTENT, _)) => break,
                Some((StatusCode::SERVICE_UNAVAILABLE, _)) | None => {}
                Some(refusal) => panic!("{refusal:?} for {notice}"),
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
    }

    async fn deliver_all(&self, notices: impl Iterator<Item = &Value>) {
        let each = stream::iter(notices);
        each.for_each_concurrent(WIDTH, |notice| self.deliver(notice))
            .await;
    }

    async fn read(&self, path: &str) -> Option<Value> {
        let bearer = format!("Bearer {}", self.secret("api.key")?);
        let url = format!("http://{}{path}", self.at("API"));
        let answer = self.send(Method::GET, &url, &bearer, "").await?;
        (answer.status == StatusCode::OK).then_some(answer.body)
    }

    /// Messages in all queues of the file, those that a worker holds among them: one goes
    /// when what it says is in the ledger.
    fn queued(&self) -> i64 {
        let file = self.folder.join("data").join("grantline.db");
        let file = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        let sum = "SELECT sum(messages) FROM queue_sizes";
        file.query_row(sum, [], |row| row.get(0)).unwrap()
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

/// Sells orders until enough of them are sold and the last kill is over. Says how many.
fn sell(line: &Arc<Line>, killed: &Arc<AtomicU64>, kills: u64) -> JoinHandle<u64> {
    let (line, killed) = (Arc::clone(line), Arc::clone(killed));
    tokio::spawn(async move {
        let numbers =
            (0..).take_while(|number| *number < ORDERS || killed.load(Ordering::Relaxed) < kills);
        let sell = async |number: u64| {
            for notice in Sale::of(number).notices {
                line.deliver(&notice).await;
            }
            1
        };
        let each = stream::iter(numbers).map(sell).buffer_unordered(WIDTH);
        each.fold(0, async |sum: u64, one: u64| sum + one).await
    })
}

/// Kills the process and starts it again. The next kill hits a line that works again.
async fn kill(line: &Line, process: &mut Child) {
    process.start_kill().unwrap();
    process.wait().await.unwrap();
    let before = line.accepted.load(Ordering::Relaxed);
    *process = line.start();
    wait("the line comes back", async || {
        line.accepted.load(Ordering::Relaxed) > before
    })
    .await;
}

async fn wait(what: &str, condition: impl AsyncFn() -> bool) {
    let held = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    let in_time = timeout(PATIENCE, held).await.is_ok();
    assert!(in_time, "not within {PATIENCE:?}: {what}");
}

fn owed(sales: &[Sale]) -> Held {
    let players = (0..PLAYERS).map(|number| (format!("player-{number}"), BTreeMap::new()));
    let mut owed: Held = players.collect();
    for sale in sales.iter().filter(|sale| !sale.is_canceled) {
        let items = owed.entry(sale.player.clone()).or_default();
        items.insert(sale.item.clone(), 1);
    }
    owed
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_on_one_file_loses_nothing_and_doubles_nothing() {
    let seed = number("GRANTLINE_CHAOS_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let kills = number("GRANTLINE_CHAOS_FILE_KILLS").unwrap_or(3);
    let line = Arc::new(Line::new());
    let mut process = line.start();
    wait("the line starts", async || {
        line.read("/v1/parked").await.is_some()
    })
    .await;

    let killed = Arc::new(AtomicU64::new(0));
    let selling = sell(&line, &killed, kills);
    let mut chance = Chance::new(seed, 0);
    for _ in 0..kills {
        sleep(chance.millis(50, 700)).await;
        kill(&line, &mut process).await;
        killed.fetch_add(1, Ordering::Relaxed);
    }
    let sold = timeout(PATIENCE, selling).await.expect("all is taken");
    let sales: Vec<_> = (0..sold.unwrap()).map(Sale::of).collect();

    // Nothing is left to do, so what is missing now has been forgotten.
    let wrong = format!("GRANTLINE_CHAOS_SEED={seed}, {kills} kills");
    let done = async || line.queued() == 0;
    wait(&format!("what was accepted is done: {wrong}"), done).await;
    let owed = owed(&sales);
    assert_eq!(line.held().await, owed, "{wrong}");
    line.deliver_all(sales.iter().flat_map(|sale| &sale.notices))
        .await;
    wait(&format!("the repeats are done: {wrong}"), done).await;
    assert_eq!(line.held().await, owed, "after repeats: {wrong}");
    let parked = line.read("/v1/parked").await.unwrap();
    assert_eq!(parked["parked"], json!([]), "{wrong}");
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
