//! What every role writes at `debug`, searched for what belongs in no log.

use std::net::SocketAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Executor as _;
use testkit::{Jwt, Postgres, RabbitMq, WebSocket};
use tests::Http;
use xsolla::signature::authorization_header;

use crate::process::{
    API_KEY, LOGIN_SECRET, PROJECT, Process, QUARANTINE_KEY, Settings, WEBHOOK_SECRET,
};

/// Personal data in what follows.
const PERSONAL: [&str; 6] = [
    "canary-player",
    "canary@example.net",
    "203.0.113.77",
    "Canary Falk",
    "canary-public",
    "canary-in-a-field-nobody-knows",
];

const OTHER_SECRET: &str = "canary-other-secret-0123456789abcdef";
const OTHER_KEY: &str = "canary-other-key";

const SECRETS: [&str; 6] = [
    WEBHOOK_SECRET,
    LOGIN_SECRET,
    API_KEY,
    QUARANTINE_KEY,
    OTHER_SECRET,
    OTHER_KEY,
];

/// Where the roles of one process listen.
pub(crate) struct Addresses {
    pub(crate) ingress: SocketAddr,
    publisher: SocketAddr,
    pub(crate) api: SocketAddr,
}

impl Addresses {
    /// Out of the line that says them.
    pub(crate) fn read(line: &str) -> Self {
        let at = |role: &str| {
            let (_, rest) = line.split_once(&format!("{role}=Some(")).unwrap();
            rest.split_once(')').unwrap().0.parse().unwrap()
        };
        Self {
            ingress: at("ingress"),
            publisher: at("publisher"),
            api: at("api"),
        }
    }
}

async fn ask(
    method: Method,
    at: SocketAddr,
    path: &str,
    authorization: &str,
    body: &str,
) -> (StatusCode, Value) {
    let headers = [("authorization", authorization)];
    let (http, url) = (Http::new(), format!("http://{at}{path}"));
    let answer = http.ask(method, &url, &headers, body).await.unwrap();
    (answer.status, answer.body)
}

async fn eventually(what: &str, condition: impl AsyncFn() -> bool) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_mins(1);
    let held = tokio::time::timeout(limit, waiting).await.is_ok();
    assert!(held, "not within {limit:?}: {what}");
}

fn user() -> Value {
    json!({
        "id": "canary-player", "external_id": "canary-player", "email": "canary@example.net",
        "ip": "203.0.113.77", "name": "Canary Falk", "public_id": "canary-public"
    })
}

fn order(kind: &str, id: i64, mode: &str) -> String {
    json!({
        "notification_type": kind,
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 2, "amount": "3.9800"}],
        "order": {
            "id": id, "mode": mode, "currency_type": "real", "currency": "EUR",
            "amount": "3.9800", "status": "paid", "invoice_id": (id + 100).to_string()
        },
        "user": user(), "custom_parameters": {"x": "canary-in-a-field-nobody-knows"}
    })
    .to_string()
}

fn of_transaction(kind: &str, id: i64, project: i64) -> String {
    json!({
        "notification_type": kind,
        "settings": {"project_id": project, "merchant_id": 1},
        "purchase": {"total": {"currency": "EUR", "amount": 3.98}},
        "user": user(), "transaction": {"id": id, "payment_method": 1380},
        "refund_details": {"code": 1, "reason": "canary-in-a-field-nobody-knows"}
    })
    .to_string()
}

/// Posts notices that end in every way. Returns what they were signed with.
async fn webhooks(at: SocketAddr) -> Vec<String> {
    let path = format!("/webhooks/xsolla/{PROJECT}");
    let validation = json!({"notification_type": "user_validation", "user": user()}).to_string();
    let broken = format!("{{canary-player{}", user());
    let mut signatures = Vec::new();
    for (body, secret, status) in [
        (&validation, WEBHOOK_SECRET, 400),
        (&order("order_paid", 1, "default"), WEBHOOK_SECRET, 204),
        (&order("order_paid", 1, "default"), WEBHOOK_SECRET, 204),
        (&order("order_paid", 2, "default"), WEBHOOK_SECRET, 204),
        (&order("order_paid", 3, "sandbox"), WEBHOOK_SECRET, 204),
        (&order("order_canceled", 1, "default"), WEBHOOK_SECRET, 204),
        (
            &of_transaction("payment", 900, PROJECT),
            WEBHOOK_SECRET,
            204,
        ),
        (&of_transaction("refund", 900, PROJECT), WEBHOOK_SECRET, 204),
        (&of_transaction("payment", 901, 7), WEBHOOK_SECRET, 204),
        (&of_transaction("canary", 902, PROJECT), WEBHOOK_SECRET, 204),
        (&broken, WEBHOOK_SECRET, 204),
        (&order("order_paid", 4, "default"), OTHER_SECRET, 503),
        (&validation, OTHER_SECRET, 400),
    ] {
        let signature = authorization_header(body.as_bytes(), secret.as_bytes());
        let (found, _) = ask(Method::POST, at, &path, &signature, body).await;
        assert_eq!(found, status, "{body}");
        let (_, digits) = signature.split_once(' ').unwrap();
        signatures.push(digits.to_owned());
    }
    signatures
}

/// What a game server and an operator do, and a stranger tries.
async fn requests(at: SocketAddr) {
    let key = format!("Bearer {API_KEY}");
    let api = async |method, path: &str| ask(method, at, path, &key, "").await;
    let parked = async || {
        let (_, listed) = api(Method::GET, "/v1/parked").await;
        let listed = listed["parked"].as_array().unwrap();
        listed
            .iter()
            .map(|parked| parked["id"].to_string())
            .collect::<Vec<_>>()
    };
    eventually("three are parked", async || parked().await.len() >= 3).await;
    for id in parked().await {
        let (status, _) = api(Method::GET, &format!("/v1/parked/{id}")).await;
        assert_eq!(status, 200);
        let (status, _) = api(Method::POST, &format!("/v1/parked/{id}/replay")).await;
        assert!(status.is_success(), "{status}");
    }
    let of_project = format!("/v1/projects/{PROJECT}");
    for (method, path, status) in [
        (Method::PUT, "/players/canary-player", 201),
        (Method::GET, "/players/canary-player/notices", 200),
        (Method::GET, "/orders/1", 200),
        (Method::GET, "/orders/99", 404),
    ] {
        let (found, _) = api(method, &format!("{of_project}{path}")).await;
        assert_eq!(found, status, "{path}");
    }
    let stranger = format!("Bearer {OTHER_KEY}");
    let (status, _) = ask(Method::GET, at, "/v1/parked", &stranger, "").await;
    assert_eq!(status, 401);
}

/// What a player does, and one who is none tries. Returns their tokens.
async fn players(at: SocketAddr) -> [String; 2] {
    let expires_at = task::now().unix_timestamp() + 3_600;
    let jwt = Jwt::new("canary-player", expires_at);
    let tokens = [jwt.hs256(LOGIN_SECRET), jwt.hs256(OTHER_SECRET)];
    for (token, status) in tokens.iter().zip([200, 401]) {
        let bearer = format!("Bearer {token}");
        let path = format!("/api/v2/project/{PROJECT}/order/1");
        let (found, _) = ask(Method::GET, at, &path, &bearer, "").await;
        assert_eq!(found, status);
        let mut client = WebSocket::open(at, "/connection/websocket").await;
        let auth = json!({"auth": token, "project_id": PROJECT});
        let connect = json!({"id": 1, "connect": {"data": auth, "name": "js"}});
        client.send(connect).await;
        client.heard().await;
    }
    tokens
}

fn password(url: &str) -> &str {
    let (_, rest) = url.split_once("://").unwrap();
    let (credentials, _) = rest.rsplit_once('@').unwrap();
    credentials.split_once(':').unwrap().1
}

#[tokio::test]
async fn no_role_logs_anything_personal_or_secret_at_debug() {
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    // The error of the second order holds its row, and so its player.
    let reject = "ALTER TABLE bookings ADD CONSTRAINT closed CHECK (source <> 'order:2')";
    database.pool().execute(reject).await.unwrap();
    let mut settings = Settings::of(&database, &vhost);
    settings.level = "debug";
    let mut process = Process::start(&["serve"], &settings);
    let at = Addresses::read(&process.says(&["Starting", "role=\"serve\""]).await);
    let connected = ["Connected to the broker", "publishing"];
    process.says(&connected).await;
    process.says(&["Connected to Redis"]).await;

    let signatures = webhooks(at.ingress).await;
    requests(at.api).await;
    let tokens = players(at.publisher).await;
    assert_eq!(process.stop().await, Some(0));

    let log = process.text();
    for line in [
        "DEBUG",
        "Notice accepted",
        "A notice needs a person",
        "Client connection ended",
        "No secret fits a webhook from Xsolla",
    ] {
        assert!(log.contains(line), "{line}:\n{log}");
    }
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
    let planted = PERSONAL.into_iter().chain(SECRETS).chain(parts);
    let planted = planted.chain(signatures.iter().map(String::as_str));
    let passwords = [&settings.ledger, &settings.broker].map(|url| password(url));
    for canary in planted.chain(passwords) {
        let line = log.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary}");
    }
}
