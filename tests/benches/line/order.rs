//! One order at a time on an idle machine: from the webhook to the push at the client.

use std::time::{Duration, Instant};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use testkit::RabbitMq;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;

use crate::clock::{ms, percentile};
use crate::load::{Poster, Target};
use crate::roles::{self, LOGIN_PROJECT, LOGIN_SECRET, Line, PROJECT, SECRET};

const ORDERS: i64 = 300;

pub(crate) async fn measure() {
    let vhost = RabbitMq::vhost().await;
    let line = roles::line(&vhost).await;
    let mut client = client(&line).await;
    let mut times = Vec::new();
    for order in 1..=ORDERS {
        let mut poster = Poster::connect(order_paid(&line, order)).await;
        let began = Instant::now();
        let (_, pushed) = tokio::join!(poster.post(), until_done(&mut client, order, began));
        times.push(pushed);
    }
    // The first ones pay for connections and plans.
    let mut times = times.split_off(times.len() / 10);
    times.sort();
    let (p50, p99) = (ms(percentile(&times, 0.5)), ms(percentile(&times, 0.99)));
    println!("one order at a time, webhook sent to `done` pushed");
    println!("  p50 {p50:.2} ms (aim: under 10)   p99 {p99:.2} ms\n");
}

fn order_paid(line: &Line, order: i64) -> Target {
    let body = json!({
        "notification_type": "order_paid",
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 1, "amount": "1.9900"}],
        "order": {"id": order, "mode": "default", "currency_type": "real", "currency": "EUR",
                  "amount": "1.9900", "status": "paid", "invoice_id": order.to_string()},
        "user": {"external_id": "mira"}
    })
    .to_string();
    Target {
        at: line.ingress,
        path: format!("/webhooks/xsolla/{PROJECT}"),
        authorization: xsolla::signature::authorization_header(body.as_bytes(), SECRET.as_bytes()),
        body: body.into(),
    }
}

type Client = tokio_tungstenite::WebSocketStream<TcpStream>;

async fn client(line: &Line) -> Client {
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

/// The time until `done` of this order is heard.
async fn until_done(client: &mut Client, order: i64, began: Instant) -> Duration {
    loop {
        let frame = client.next().await.unwrap().unwrap();
        let frame: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        let data = &frame["push"]["pub"]["data"];
        if data["order_id"] == order && data["status"] == "done" {
            return began.elapsed();
        }
        if frame == json!({}) {
            client.send(Message::text("{}")).await.unwrap();
        }
    }
}
