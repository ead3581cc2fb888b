//! One order at a time on an idle machine: from the webhook to the push at the client.

use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::json;

use crate::clock::{ms, percentile};
use crate::load::{self, Poster};
use crate::player::Player;
use crate::roles::Role;

const UNMEASURED: i64 = 50;
const ORDERS: i64 = 500;

/// Milliseconds until `done` is heard, the median.
pub(crate) async fn measure(line: &Role, stack: &str) -> f64 {
    let mut player = Player::connect(line, "mira").await;
    let mut poster = Poster::connect(line.ingress).await;
    let mut times = Vec::new();
    // The first ones pay for connections and plans.
    for order in 1..=UNMEASURED + ORDERS {
        let request = paid(order, "mira");
        let sent = Instant::now();
        let (acknowledged, [paid, done]) = tokio::join!(
            async {
                poster.post(&request).await;
                sent.elapsed()
            },
            pushes(&mut player, order, sent)
        );
        if order > UNMEASURED {
            times.push([acknowledged, paid, done]);
        }
    }
    println!(
        "one order at a time, from the webhook sent ({ORDERS} orders, `grantline serve` on {stack})"
    );
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
    pushed
}

/// The signed notice of an order that a player has paid.
pub(crate) fn paid(order: i64, player: &str) -> Bytes {
    let body = json!({
        "notification_type": "order_paid",
        "items": [{"sku": "blade", "type": "virtual_good", "quantity": 1, "amount": "1.9900"}],
        "order": {"id": order, "mode": "default", "currency_type": "real", "currency": "EUR",
                  "amount": "1.9900", "status": "paid", "invoice_id": order.to_string()},
        "user": {"external_id": player}
    });
    load::signed(body.to_string().as_bytes())
}

/// When `paid` and `done` of this order were heard, from when it was sent.
async fn pushes(player: &mut Player, order: i64, sent: Instant) -> [Duration; 2] {
    let mut paid = None;
    loop {
        let (of, status) = player.hear().await;
        let at = sent.elapsed();
        match status.as_str() {
            "paid" if of == order => paid = Some(at),
            "done" if of == order => return [paid.expect("paid comes before done"), at],
            _ => {}
        }
    }
}
