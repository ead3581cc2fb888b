//! The least a confirmed 204 is made of: a server that only answers, and a publisher that
//! only publishes.

use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
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
use testkit::Vhost;
use tokio::net::TcpListener;

/// Makes this program the bare server.
pub(crate) const SERVER: &str = "--bare-server";

/// A bare server in a process of its own, ended when this is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) at: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .arg(SERVER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let at = told_address(&mut process);
        Self { process, at }
    }

    pub(crate) fn process(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address that a process of this program prints once it listens.
pub(crate) fn told_address(process: &mut Child) -> SocketAddr {
    let mut line = String::new();
    let mut told = BufReader::new(process.stdout.take().unwrap());
    told.read_line(&mut line).unwrap();
    line.trim().parse().unwrap()
}

/// Ends this process when whoever started it is gone.
pub(crate) fn end_with_parent() {
    std::thread::spawn(|| {
        let _ = std::io::stdin().read(&mut [0]);
        std::process::exit(0);
    });
}

/// Reads each body and answers 204, until whoever started this process is gone.
pub(crate) async fn serve() {
    end_with_parent();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        let answer = |request: Request<hyper::body::Incoming>| async move {
            request.into_body().collect().await.unwrap();
            let answer = Response::builder().status(StatusCode::NO_CONTENT);
            Ok::<_, Infallible>(answer.body(Empty::<Bytes>::new()).unwrap())
        };
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        tokio::spawn(connection);
    }
}

/// A connection with channels that confirm; only one task uses each.
pub(crate) struct Publisher {
    _connection: Connection,
    channels: Vec<Channel>,
    body: Bytes,
}

impl Publisher {
    pub(crate) async fn connect(vhost: &Vhost, channels: usize, body: &Bytes) -> Self {
        let connection = Connection::connect(vhost.url(), ConnectionProperties::default())
            .await
            .unwrap();
        let mut open = Vec::new();
        for _ in 0..channels {
            let channel = connection.create_channel().await.unwrap();
            let select = channel.confirm_select(ConfirmSelectOptions::default());
            select.await.unwrap();
            publish(&channel, body).await.await;
            open.push(channel);
        }
        Self {
            _connection: connection,
            channels: open,
            body: body.clone(),
        }
    }

    /// Publishes so many messages, always as many outstanding as there may be, and says how
    /// long that took.
    pub(crate) async fn closed_loop(self, outstanding: usize, messages: usize) -> Duration {
        let (outstanding, messages) = self.per_channel(outstanding, messages);
        let began = Instant::now();
        let publishing = self.channels.into_iter().map(|channel| {
            let body = self.body.clone();
            tokio::spawn(async move {
                let mut unconfirmed = FuturesUnordered::new();
                for _ in 0..messages {
                    if unconfirmed.len() == outstanding {
                        unconfirmed.next().await;
                    }
                    unconfirmed.push(publish(&channel, &body).await);
                }
                while unconfirmed.next().await.is_some() {}
            })
        });
        for publishing in futures_util::future::join_all(publishing).await {
            publishing.unwrap();
        }
        began.elapsed()
    }

    /// The latencies of messages published at a steady rate, the channels in turn, each
    /// counted from when it was due; sorted.
    pub(crate) async fn open_loop(
        self,
        outstanding: usize,
        per_second: f64,
        messages: usize,
    ) -> Vec<Duration> {
        let (outstanding, messages) = self.per_channel(outstanding, messages);
        let turns = self.channels.len();
        let began = Instant::now();
        let due = move |turn: usize, number: usize| {
            #[expect(clippy::cast_precision_loss, reason = "a count of messages")]
            let place = (number * turns + turn) as f64;
            began + Duration::from_secs_f64(place / per_second)
        };
        let publishing = self
            .channels
            .into_iter()
            .enumerate()
            .map(|(turn, channel)| {
                let body = self.body.clone();
                tokio::spawn(async move {
                    let mut times = Vec::with_capacity(messages);
                    let mut unconfirmed = FuturesUnordered::new();
                    let mut sent = 0;
                    while times.len() < messages {
                        let due = due(turn, sent);
                        tokio::select! {
                            biased;
                            Some(took) = unconfirmed.next(), if !unconfirmed.is_empty() => {
                                times.push(took);
                            }
                            () = tokio::time::sleep_until(due.into()),
                                if sent < messages && unconfirmed.len() < outstanding =>
                            {
                                let confirmed = publish(&channel, &body).await;
                                unconfirmed.push(async move {
                                    confirmed.await;
                                    due.elapsed()
                                });
                                sent += 1;
                            }
                        }
                    }
                    times
                })
            });
        let mut times = Vec::new();
        for published in futures_util::future::join_all(publishing).await {
            times.extend(published.unwrap());
        }
        times.sort();
        times
    }

    /// The time of each of so many messages, one after the other, sorted. As many again go
    /// before them unmeasured.
    pub(crate) async fn one_at_a_time(self, messages: usize) -> Vec<Duration> {
        let mut times = Vec::with_capacity(messages);
        for _ in 0..2 {
            times.clear();
            for _ in 0..messages {
                let began = Instant::now();
                publish(&self.channels[0], &self.body).await.await;
                times.push(began.elapsed());
            }
        }
        times.sort();
        times
    }

    fn per_channel(&self, outstanding: usize, messages: usize) -> (usize, usize) {
        let channels = self.channels.len();
        (outstanding / channels, messages / channels)
    }
}

/// Hands a message to the client: persistent and mandatory, or its confirm would promise
/// less than a 204 does. The result is its confirm.
async fn publish(channel: &Channel, body: &Bytes) -> impl Future<Output = ()> + use<> {
    let properties = BasicProperties::default().with_delivery_mode(2);
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let (exchange, key) = ("grantline.tasks.v1", "record");
    let confirm = channel
        .basic_publish(exchange.into(), key.into(), options, body, properties)
        .await
        .unwrap();
    async move {
        assert!(matches!(confirm.await.unwrap(), Confirmation::Ack(None)));
    }
}
