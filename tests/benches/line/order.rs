//! One order at a time on an idle machine: from the webhook to the push at the client.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testkit::{Postgres, RabbitMq};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::clock::{ms, percentile};
use crate::goal::Goal;
use crate::load::{self, Poster};
use crate::roles::{LOGIN_PROJECT, LOGIN_SECRET, PROJECT, Role};

const UNMEASURED: i64 = 50;
const ORDERS: i64 = 500;

pub(crate) async fn measure() -> [Goal; 1] {
    let vhost = RabbitMq::vhost().await;
    let database = Postgres::database().await;
    let line = Role::start("serve", &vhost, &database).await;
    let mut client = client(&line).await;
    let mut poster = Poster::connect(line.ingress).await;
    let mut times = Vec::new();
    // The first ones pay for connections and plans.
    for order in 1..=UNMEASURED + ORDERS {
        let request = load::signed(&order_paid(order));
        let sent = Instant::now();
        let (acknowledged, [paid, done]) = tokio::join!(
            async {
                poster.post(&request).await;
                sent.elapsed()
            },
            pushes(&mut client, order, sent)
        );
        if order > UNMEASURED {
            times.push([acknowledged, paid, done]);
        }
    }
    println!("one order at a time, from the webhook sent ({ORDERS} orders, `grantline serve`)");
    println!("                                   p50 ms   p99 ms");
    let steps = [
        "204 received",
        "`paid` received by the client",
        "`done` received by the client",
    ];
    let [_, _, pushed] = [0, 1, 2].map(|step| {
        let mut times: Vec<Duration> = times.iter().map(|steps| steps[step]).collect();
        times.sort();
        let (half, most) = (ms(percentile(&times, 0.5)), ms(percentile(&times, 0.99)));
        println!("  {:<28} {half:10.2} {most:8.2}", steps[step]);
        half
    });
    println!();
    [Goal {
        what: "one order at a time, webhook sent to `done` pushed, p50",
        measured: format!("{pushed:.2} ms"),
        aim: "under 10 ms",
        met: pushed < 10.0,
    }]
}

fn order_paid(order: i64) -> Vec<u8> {
    let body = json!({
        "notification_type": "order_paid",
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 1, "amount": "1.9900"}],
        "order": {"id": order, "mode": "default", "currency_type": "real", "currency": "EUR",
                  "amount": "1.9900", "status": "paid", "invoice_id": order.to_string()},
        "user": {"external_id": "mira"}
    });
    body.to_string().into()
}

type Client = tokio_tungstenite::WebSocketStream<TcpStream>;

async fn client(line: &Role) -> Client {
    let claims = json!({
        "sub": "mira", "iss": "https://login.xsolla.com", "xsolla_login_project_id": LOGIN_PROJECT,
        "exp": task::now().unix_timestamp() + 3_600
    });
    let key = jsonwebtoken::EncodingKey::from_secret(LOGIN_SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let stream = TcpStream::connect(line.publisher).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let url = format!("ws://{}/connection/websocket", line.publisher);
    let (mut client, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let connect = json!({"id": 1, "connect": {"data": {"auth": token, "project_id": PROJECT}}});
    client
        .send(Message::text(connect.to_string()))
        .await
        .unwrap();
    let reply = client.next().await.unwrap().unwrap();
    assert!(reply.to_text().unwrap().contains("subs"), "{reply}");
    client
}

/// When `paid` and `done` of this order were heard, from when it was sent.
async fn pushes(client: &mut Client, order: i64, sent: Instant) -> [Duration; 2] {
    let mut paid = None;
    loop {
        let frames = client.next().await.unwrap().unwrap();
        let at = sent.elapsed();
        // One message may carry several frames, a line each.
        for frame in frames.to_text().unwrap().lines() {
            let frame: Value = serde_json::from_str(frame).unwrap();
            if frame == json!({}) {
                client.send(Message::text("{}")).await.unwrap();
            }
            let data = &frame["push"]["pub"]["data"];
            if data["order_id"] == order && data["status"] == "paid" {
                paid = Some(at);
            }
            if data["order_id"] == order && data["status"] == "done" {
                return [paid.expect("paid comes before done"), at];
            }
        }
    }
}
