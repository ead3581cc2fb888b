//! The ingress's durable acknowledgement, beside a bare hyper server and a bare lapin
//! publisher: together the least that a confirmed 204 can cost.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use http_body_util::{BodyExt as _, Empty};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use testkit::{RabbitMq, Vhost};
use tokio::net::TcpListener;

use crate::clock::{median, ms, percentile};
use crate::load::{Target, closed_loop, one_at_a_time, open_loop};
use crate::roles::{self, PROJECT, SECRET};

const OUTSTANDING: usize = 256;
const REQUESTS: usize = 20_000;
const ROUNDS: usize = 5;
const CHANNELS: usize = 4;

pub(crate) async fn compare() {
    let vhost = RabbitMq::vhost().await;
    let body = Bytes::from_static(xsolla::fixtures::ORDER_PAID_COMBINED);
    let ingress = target(roles::ingress(&vhost).await, &body);
    let bare = target(bare_server().await, &body);
    let (mut a, mut b, mut ours) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        a.push(closed_loop(&bare, OUTSTANDING, REQUESTS).await);
        b.push(bare_publisher(&vhost, &body, REQUESTS).await);
        ours.push(closed_loop(&ingress, OUTSTANDING, REQUESTS).await);
    }
    let (a, b, ours) = (median(&mut a), median(&mut b), median(&mut ours));
    let least = 1.0 / (1.0 / a + 1.0 / b);
    println!(
        "durable acknowledgement of {} bytes, {OUTSTANDING} outstanding",
        body.len()
    );
    println!("  a  bare hyper 204             {a:8.0} /s");
    println!("  b  bare lapin, confirmed      {b:8.0} /s   ({CHANNELS} channels, quorum queue)");
    println!("     1/(1/a + 1/b)              {least:8.0} /s");
    println!(
        "  ingress                       {ours:8.0} /s   {:.2} of it (aim: at least 0.6)\n",
        ours / least
    );

    let p99 = |times: &[Duration]| ms(percentile(times, 0.99));
    let p50 = |times: &[Duration]| ms(percentile(times, 0.5));
    let steady = open_loop(&ingress, ours / 2.0, 10_000).await;
    println!("open loop at {:.0} /s", ours / 2.0);
    println!(
        "  ingress                       p50 {:.2} ms  p99 {:.2} ms\n",
        p50(&steady),
        p99(&steady)
    );

    let alone = one_at_a_time(&ingress, 500).await;
    let hyper = one_at_a_time(&bare, 500).await;
    let confirms = confirms_one_at_a_time(&vhost, &body, 500).await;
    let least = p50(&hyper) + p50(&confirms);
    println!("one at a time");
    println!(
        "  hyper p50 {:.2} ms + confirm p50 {:.2} ms",
        p50(&hyper),
        p50(&confirms)
    );
    println!(
        "  ingress p50 {:.2} ms           {:.1}× (aim: at most 2)\n",
        p50(&alone),
        p50(&alone) / least
    );
}

fn target(at: SocketAddr, body: &Bytes) -> Target {
    Target {
        at,
        path: format!("/webhooks/xsolla/{PROJECT}"),
        authorization: xsolla::signature::authorization_header(body, SECRET.as_bytes()),
        body: body.clone(),
    }
}

/// Reads the body and answers 204.
async fn bare_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            let answer = |request: Request<hyper::body::Incoming>| async move {
                let _ = request.into_body().collect().await;
                let answer = Response::builder().status(StatusCode::NO_CONTENT);
                Ok::<_, Infallible>(answer.body(Empty::<Bytes>::new()).unwrap())
            };
            let serve =
                http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
            tokio::spawn(serve);
        }
    });
    at
}

async fn channels(vhost: &Vhost, count: usize) -> (Connection, Vec<Channel>) {
    let connection = Connection::connect(vhost.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let mut channels = Vec::new();
    for _ in 0..count {
        let channel = connection.create_channel().await.unwrap();
        channel
            .confirm_select(ConfirmSelectOptions::default())
            .await
            .unwrap();
        channels.push(channel);
    }
    (connection, channels)
}

async fn publish(channel: &Channel, body: &Bytes) -> impl Future<Output = ()> + use<> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions::default();
    let (exchange, key) = ("grantline.tasks.v1", "grant");
    let confirm = channel
        .basic_publish(exchange.into(), key.into(), options, body, properties)
        .await
        .unwrap();
    async move {
        assert!(matches!(confirm.await.unwrap(), Confirmation::Ack(None)));
    }
}

/// Confirmed messages a second, the same number outstanding, one task a channel.
async fn bare_publisher(vhost: &Vhost, body: &Bytes, messages: usize) -> f64 {
    let (_connection, channels) = channels(vhost, CHANNELS).await;
    let began = Instant::now();
    let publishing = channels.into_iter().map(|channel| {
        let body = body.clone();
        tokio::spawn(async move {
            let mut outstanding = FuturesUnordered::new();
            for _ in 0..messages / CHANNELS {
                if outstanding.len() == OUTSTANDING / CHANNELS {
                    outstanding.next().await;
                }
                outstanding.push(publish(&channel, &body).await);
            }
            while outstanding.next().await.is_some() {}
        })
    });
    futures_util::future::join_all(publishing).await;
    #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
    let messages = messages as f64;
    messages / began.elapsed().as_secs_f64()
}

async fn confirms_one_at_a_time(vhost: &Vhost, body: &Bytes, messages: usize) -> Vec<Duration> {
    let (_connection, channels) = channels(vhost, 1).await;
    let mut times = Vec::new();
    for _ in 0..messages {
        let began = Instant::now();
        publish(&channels[0], body).await.await;
        times.push(began.elapsed());
    }
    times.sort();
    times
}
