//! What a collector hears of an order, from processes that know nothing of each other.
#![expect(
    clippy::print_stdout,
    reason = "the README shows the trace of one order"
)]

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use hyper::Method;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};
use sqlx::Executor as _;
use testkit::{Jwt, Postgres, RabbitMq, WebSocket};
use tests::Http;
use xsolla::signature::authorization_header;

use crate::collector::{Collector, Span, Told, attribute, text};
use crate::process::{LOGIN_SECRET, PROJECT, Process, Settings, WEBHOOK_SECRET};

const PLAYER: &str = "canary-player";
const EMAIL: &str = "canary@example.net";

/// The trace of a paid order, as the README shows it, without its times.
const PAID: &str = "\
POST /webhooks/xsolla/{project}            ingress    server
└─ publish grantline.tasks.v1:grant        ingress    producer
   └─ consume grantline.grant.v1           worker     consumer
      ├─ claim                             worker     client
      ├─ book notices                      worker     client
      └─ publish grantline.hints.v1        worker     producer
         ├─ push order status              publisher  producer
         └─ push order status              publisher  producer
";

fn notice(kind: &str, order: i64) -> String {
    json!({
        "notification_type": kind,
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 2, "amount": "3.9800"}],
        "order": {
            "id": order, "mode": "default", "currency_type": "real", "currency": "EUR",
            "amount": "3.9800", "status": "paid", "invoice_id": (order + 100).to_string()
        },
        "user": {"external_id": PLAYER, "email": EMAIL}
    })
    .to_string()
}

async fn post(at: SocketAddr, path: &str, body: &str) -> u16 {
    let signature = authorization_header(body.as_bytes(), WEBHOOK_SECRET.as_bytes());
    let headers = [("authorization", signature.as_str())];
    let url = format!("http://{at}{path}");
    let answer = Http::new().ask(Method::POST, &url, &headers, body).await;
    answer.unwrap().status.as_u16()
}

async fn order(at: SocketAddr, kind: &str, order: i64) {
    let path = format!("/webhooks/xsolla/{PROJECT}");
    assert_eq!(post(at, &path, &notice(kind, order)).await, 204);
}

fn address(line: &str, role: &str) -> SocketAddr {
    let (_, rest) = line.split_once(&format!("{role}=Some(")).unwrap();
    rest.split_once(')').unwrap().0.parse().unwrap()
}

/// A client of the player, connected.
async fn player(at: SocketAddr) -> WebSocket {
    let token = Jwt::new(PLAYER, task::now().unix_timestamp() + 3_600).hs256(LOGIN_SECRET);
    let mut client = WebSocket::open(at, "/connection/websocket").await;
    let auth = json!({"auth": token, "project_id": PROJECT});
    client
        .send(json!({"id": 1, "connect": {"data": auth, "name": "js"}}))
        .await;
    client.message().await;
    client
}

async fn hears(client: &mut WebSocket, status: &str) {
    while !client.message().await.to_string().contains(status) {}
}

/// What the collector has been told, as soon as it is enough.
async fn told(collector: &Collector, enough: impl Fn(&Told) -> bool) -> Told {
    let waiting = async {
        while !enough(&collector.told()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_mins(1), waiting).await;
    let told = collector.told();
    assert!(in_time.is_ok(), "not all was told: {:#?}", told.spans);
    told
}

fn variables(collector: &Collector, sampler: &str) -> Vec<(&'static str, String)> {
    [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}", collector.at),
        ),
        ("OTEL_TRACES_SAMPLER", sampler.to_owned()),
        ("OTEL_SERVICE_NAME", "the-store".to_owned()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
        ("OTEL_BLRP_SCHEDULE_DELAY", "100".to_owned()),
        ("OTEL_METRICS_EXPORTER", "none".to_owned()),
    ]
    .into()
}

/// The spans of a trace from `root` on, indented by depth, those that began first on top.
fn tree(spans: &[Span], root: &Span, with_times: bool) -> String {
    let mut text = String::new();
    let origin = root.it.start_time_unix_nano;
    let mut write = |span: &Span, indent: String| {
        let kind = format!("{:?}", span.it.kind()).to_lowercase();
        let line = format!("{indent}{}", span.it.name);
        write!(text, "{line:<42} {:<10} {kind:<8}", span.role).unwrap();
        if with_times {
            let began = millis(span.it.start_time_unix_nano - origin);
            let took = millis(span.it.end_time_unix_nano - span.it.start_time_unix_nano);
            write!(text, " {began:>7.2} {took:>7.2} ms").unwrap();
            for name in ["grantline.outcome", "order.status"] {
                if let Some(value) = span.attribute(name) {
                    write!(text, "  {value}").unwrap();
                }
            }
        }
        while text.ends_with(' ') {
            text.pop();
        }
        text.push('\n');
    };
    write(root, String::new());
    descend(spans, root, "", &mut write);
    text
}

fn descend(spans: &[Span], of: &Span, indent: &str, write: &mut impl FnMut(&Span, String)) {
    let is_child = |span: &&Span| {
        span.it.parent_span_id == of.it.span_id && span.it.trace_id == of.it.trace_id
    };
    let mut children: Vec<_> = spans.iter().filter(is_child).collect();
    children.sort_by_key(|span| span.it.start_time_unix_nano);
    let last = children.len().saturating_sub(1);
    for (index, child) in children.into_iter().enumerate() {
        let (joint, below) = if index == last {
            ("└─ ", "   ")
        } else {
            ("├─ ", "│  ")
        };
        write(child, format!("{indent}{joint}"));
        descend(spans, child, &format!("{indent}{below}"), write);
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of one test")]
fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// The requests about an order.
fn requests<'a>(told: &'a Told, order: &str) -> Vec<&'a Span> {
    let is_request = |span: &&Span| {
        span.it.kind() == SpanKind::Server && span.attribute("order.id").as_deref() == Some(order)
    };
    told.spans.iter().filter(is_request).collect()
}

fn of_trace<'a>(told: &'a Told, root: &Span, name: &str) -> Vec<&'a Span> {
    let found = |span: &&Span| span.it.trace_id == root.it.trace_id && span.it.name == name;
    told.spans.iter().filter(found).collect()
}

#[tokio::test]
async fn the_trace_of_an_order_goes_from_the_request_to_the_push_through_three_processes() {
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    let collector = Collector::start().await;
    let mut settings = Settings::of(&database, &vhost);
    settings.variables = variables(&collector, "parentbased_always_on");
    let mut ingress = Process::start(&["ingress"], &settings);
    let mut worker = Process::start(&["worker"], &settings);
    let mut publisher = Process::start(&["publisher"], &settings);
    let to_ingress = address(&ingress.says(&["Starting"]).await, "ingress");
    let to_publisher = address(&publisher.says(&["Starting"]).await, "publisher");
    ingress
        .says(&["Connected to the broker", "publishing"])
        .await;
    worker.says(&["Connected to Redis"]).await;
    publisher
        .says(&["Connected to the broker", "consuming"])
        .await;

    let mut client = player(to_publisher).await;
    // Redis is asked as soon as the worker knows the ledger's epoch.
    for number in 1.. {
        order(to_ingress, "order_paid", number).await;
        hears(&mut client, "done").await;
        let is_claim = |span: &Span| span.it.name == "claim";
        if number == 40 || collector.told().spans.iter().any(is_claim) {
            break;
        }
    }
    order(to_ingress, "order_paid", 41).await;
    hears(&mut client, "done").await;
    order(to_ingress, "order_canceled", 41).await;
    hears(&mut client, "canceled").await;
    for process in [&mut ingress, &mut worker, &mut publisher] {
        assert_eq!(process.stop().await, Some(0));
    }

    let told = told(&collector, |told| requests(told, "41").len() == 2).await;
    let [paid, canceled] = requests(&told, "41")[..] else {
        panic!("{:#?}", told.spans);
    };
    println!("{}", tree(&told.spans, paid, true));
    assert_eq!(tree(&told.spans, paid, false), PAID, "{:#?}", told.spans);
    what_is_said_of_each_step(&told, paid);

    // The cancellation is a trace of its own, which leads to where the order began.
    let [first] = of_trace(&told, paid, "book notices")[..] else {
        panic!("{:#?}", told.spans);
    };
    let [later] = of_trace(&told, canceled, "consume grantline.revoke.v1")[..] else {
        panic!("{:#?}", told.spans);
    };
    let [link] = &later.it.links[..] else {
        panic!("{later:#?}");
    };
    assert_eq!(
        (&link.trace_id, &link.span_id),
        (&first.it.trace_id, &first.it.span_id)
    );
    let [consumed] = of_trace(&told, paid, "consume grantline.grant.v1")[..] else {
        panic!("{:#?}", told.spans);
    };
    assert!(consumed.it.links.is_empty(), "the first one leads nowhere");
    for name in looked_at() {
        assert!(consumed.attribute(&name).is_some(), "{name}: {consumed:#?}");
    }
    lines_name_their_trace(&told, paid, &ingress);
}

fn what_is_said_of_each_step(told: &Told, paid: &Span) {
    let spans = told.spans.iter();
    let spans: Vec<_> = spans
        .filter(|span| span.it.trace_id == paid.it.trace_id)
        .collect();
    for span in &spans {
        assert_eq!(span.service, "the-store");
        assert!(!span.is_error(), "{span:#?}");
        if span.it.name != "claim" {
            assert_eq!(
                span.attribute("order.id").as_deref(),
                Some("41"),
                "{span:#?}"
            );
        }
    }
    let said = |name: &str, attributes: &[(&str, &str)]| {
        let span = spans.iter().find(|span| span.it.name == name).unwrap();
        for (attribute, value) in attributes {
            assert_eq!(
                span.attribute(attribute).as_deref(),
                Some(*value),
                "{span:#?}"
            );
        }
    };
    said(
        "POST /webhooks/xsolla/{project}",
        &[
            ("http.request.method", "POST"),
            ("http.route", "/webhooks/xsolla/{project}"),
            ("http.response.status_code", "204"),
        ],
    );
    said(
        "publish grantline.tasks.v1:grant",
        &[
            ("messaging.system", "rabbitmq"),
            ("messaging.operation.type", "send"),
            ("messaging.destination.name", "grantline.tasks.v1:grant"),
            ("messaging.rabbitmq.destination.routing_key", "grant"),
        ],
    );
    said(
        "consume grantline.grant.v1",
        &[
            ("messaging.system", "rabbitmq"),
            ("messaging.operation.type", "process"),
            ("grantline.outcome", "booked"),
            ("transaction.id", "141"),
        ],
    );
    said("claim", &[("db.system.name", "redis")]);
    said(
        "book notices",
        &[
            ("db.system.name", "postgresql"),
            ("db.operation.name", "book"),
        ],
    );
    let all = format!("{told:?}");
    for personal in [PLAYER, EMAIL] {
        assert!(!all.contains(personal), "{personal} was told");
    }
}

/// On stderr as over OTLP.
fn lines_name_their_trace(told: &Told, paid: &Span, ingress: &Process) {
    let trace = hex(&paid.it.trace_id);
    let log = ingress.text();
    let is_accepted = |line: &&str| line.contains("Notice accepted") && line.contains(&trace);
    let accepted = log.lines().find(is_accepted);
    let accepted = accepted.unwrap_or_else(|| panic!("no line of {trace}:\n{log}"));
    assert!(accepted.contains("order.id=41"), "{accepted}");
    let pushed = told.lines.iter().find(|line| {
        line.trace_id == paid.it.trace_id
            && line.body.as_ref().and_then(text).as_deref() == Some("Notice accepted")
    });
    let pushed = pushed.expect("the line is pushed, too");
    for (name, value) in [("order.id", "41"), ("transaction.id", "141")] {
        let told = attribute(&pushed.attributes, name);
        assert_eq!(told.as_deref(), Some(value), "{pushed:#?}");
    }
}

/// The attributes by which the collector's configuration keeps traces. Fails if it is none.
fn looked_at() -> Vec<String> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let ended = Command::new(format!("{root}/.cache/py/bin/python"))
        .arg(format!("{root}/tests/py/collector.py"))
        .arg(format!("{root}/deploy/otel/collector.yaml"))
        .output()
        .expect("Python and PyYAML are there: `make test` installs them");
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(ended.status.success(), "{}", said(&ended.stderr));
    said(&ended.stdout).lines().map(ToOwned::to_owned).collect()
}

#[test]
fn every_pipeline_of_the_collector_names_what_is_declared() {
    assert_eq!(looked_at(), ["grantline.outcome", "grantline.attempt"]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test]
async fn of_an_unsampled_trace_only_what_ends_in_error_is_told() {
    let (database, vhost) = tokio::join!(Postgres::database(), RabbitMq::vhost());
    let reject = "ALTER TABLE bookings ADD CONSTRAINT closed CHECK (source <> 'order:2')";
    database.pool().execute(reject).await.unwrap();
    let collector = Collector::start().await;
    let mut settings = Settings::of(&database, &vhost);
    settings.variables = variables(&collector, "always_off");
    let json = ("GRANTLINE__TELEMETRY__FORMAT", "json".to_owned());
    settings.variables.push(json);
    let mut process = Process::start(&["serve"], &settings);
    let starting: Value = serde_json::from_str(&process.says(&["Starting"]).await).unwrap();
    let at = starting["ingress"].as_str().unwrap();
    let at = at.trim_start_matches("Some(").trim_end_matches(')');
    let at: SocketAddr = at.parse().unwrap();
    process
        .says(&["Connected to the broker", "publishing"])
        .await;

    order(at, "order_paid", 1).await;
    order(at, "order_paid", 2).await;
    let nowhere = notice("order_paid", 3);
    assert_eq!(post(at, "/webhooks/xsolla/7", &nowhere).await, 503);
    let loud = process.says(&["A notice needs a person"]).await;
    assert_eq!(process.stop().await, Some(0));

    let told = told(&collector, |told| told.spans.len() >= 3).await;
    let mut faults = Vec::new();
    for span in &told.spans {
        assert!(span.is_error(), "{span:#?}");
        assert_eq!(span.it.flags & 1, 0, "it is not sampled: {span:#?}");
        assert_ne!(
            span.attribute("order.id").as_deref(),
            Some("1"),
            "{span:#?}"
        );
        faults.push((span.it.name.as_str(), span.attribute("error.type").unwrap()));
    }
    faults.sort();
    let expected = [
        ("POST", "no_such_project"),
        ("book notices", "ledger_rejected"),
        ("consume grantline.grant.v1", "rejected"),
    ];
    let expected = expected.map(|(name, fault)| (name, fault.to_owned()));
    faults.dedup();
    assert_eq!(faults, expected);

    let loud: Value = serde_json::from_str(&loud).unwrap();
    let parked = told
        .spans
        .iter()
        .find(|span| span.it.kind() == SpanKind::Consumer);
    assert_eq!(
        loud["trace_id"],
        hex(&parked.unwrap().it.trace_id),
        "{loud}"
    );
    assert_eq!(
        (&loud["order.id"], &loud["transaction.id"]),
        (&json!(2), &json!(102))
    );
    let ids = "SELECT count(DISTINCT trace_id) FROM notices WHERE trace_id IS NOT NULL";
    let ids: i64 = sqlx::query_scalar(ids)
        .fetch_one(database.pool())
        .await
        .unwrap();
    assert_eq!(ids, 2, "the ledger names the trace of each notice");
}
