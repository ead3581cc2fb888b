//! What it costs to tell a collector: a process of all roles with one, and one without.
//!
//! Processor time is counted from the beginning of a round to that of the process's next one,
//! so that what is exported afterwards, while the other process has its turn, is counted, too.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use testkit::{Postgres, RabbitMq};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::clock::{median, processor_seconds};
use crate::goal::Goal;
use crate::load::{Load, Pace};
use crate::order;
use crate::player::Player;
use crate::roles::{Role, Stack};

const ROUNDS: usize = 11;
/// Orders of a round: so many that the clock ticks of the kernel, 10 ms, are half a percent of what
/// it costs.
const ORDERS: u32 = 20_000;
const CONNECTIONS: usize = 64;
/// Each buys the same number of orders.
const PLAYERS: i64 = 50;
/// How long nothing may be heard.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process, and who hears of its orders.
struct Side {
    line: Role,
    ordered: i64,
}

impl Side {
    async fn start(stack: Stack<'_>, collector: Option<SocketAddr>) -> Self {
        let line = Role::start_with("serve", stack, |command| {
            if let Some(collector) = collector {
                command.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"));
            }
        });
        Self {
            line: line.await,
            ordered: 0,
        }
    }

    fn processor(&self) -> f64 {
        processor_seconds(self.line.process())
    }

    /// Has so many orders paid, and hears of each that it is done.
    async fn round(&mut self) {
        let first = self.ordered + 1;
        self.ordered += i64::from(ORDERS);
        let requests = (first..=self.ordered).map(|order| order::paid(order, &name(order)));
        let unheard = order::paid(i64::MAX, "nobody");
        let load = Load::connect(self.line.ingress, CONNECTIONS, &unheard).await;
        // Who hears nothing while the other side has its turn would miss a ping.
        let mut players = Vec::new();
        for number in 0..PLAYERS {
            players.push(Player::connect(&self.line, &name(number)).await);
        }
        let hearing = players.iter_mut().map(hear);
        tokio::join!(
            load.open_loop(Pace::of(f64::INFINITY), requests),
            join_all(hearing)
        );
    }
}

/// Who buys. One alone could not read all that is pushed as fast as it comes.
fn name(order: i64) -> String {
    format!("mira-{}", order % PLAYERS)
}

/// Until all orders of a round are done that are this player's.
async fn hear(player: &mut Player) {
    let mut done = 0;
    while done < i64::from(ORDERS) / PLAYERS {
        let heard = timeout(PATIENCE, player.hear()).await;
        let (_, status) = heard.expect("every accepted order is done soon");
        done += i64::from(status == "done");
    }
}

pub(crate) async fn on_one_file() -> Goal {
    let what = "one file: processor time with a collector, of without";
    measure(what, [Stack::OneFile; 2]).await
}

/// Each side has queues and tables of its own.
pub(crate) async fn on_servers() -> Goal {
    let vhosts = [RabbitMq::vhost().await, RabbitMq::vhost().await];
    let databases = [Postgres::database().await, Postgres::database().await];
    let sides = [0, 1].map(|side| Stack::Servers(&vhosts[side], &databases[side]));
    let what = "servers: processor time with a collector, of without";
    measure(what, sides).await
}

async fn measure(what: &'static str, [without, with]: [Stack<'_>; 2]) -> Goal {
    let collector = collector().await;
    let mut sides = [
        Side::start(without, None).await,
        Side::start(with, Some(collector)).await,
    ];
    // The first ones pay for caches and plans.
    for side in &mut sides {
        side.round().await;
    }
    let mut spent = [Vec::new(), Vec::new()];
    let mut began = sides.each_ref().map(Side::processor);
    for _ in 0..ROUNDS {
        for side in &mut sides {
            side.round().await;
        }
        let ended = sides.each_ref().map(Side::processor);
        for side in 0..2 {
            let micros = (ended[side] - began[side]) * 1e6 / f64::from(ORDERS);
            spent[side].push(micros);
        }
        began = ended;
    }
    report(what, &spent)
}

fn report(what: &'static str, [without, with]: &[Vec<f64>; 2]) -> Goal {
    let ratios = without
        .iter()
        .zip(with)
        .map(|(without, with)| with / without);
    let ratio = median(&ratios.collect::<Vec<_>>());
    println!("{what}, one trace in twenty told (median of {ROUNDS} × {ORDERS})");
    println!("                                   µs of processor time an order");
    println!("  {:<28} {:10.1}", "without", median(without));
    println!("  {:<28} {:10.1}  × {ratio:.3}\n", "with", median(with));
    Goal {
        what,
        measured: format!("{ratio:.3} ×"),
        aim: "at most 1.05 ×",
        met: ratio <= 1.05,
    }
}

/// Takes whatever it is told, in this process, which is not measured.
async fn collector() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let server = hyper::server::conn::http1::Builder::new();
            tokio::spawn(server.serve_connection(TokioIo::new(tcp), service_fn(take)));
        }
    });
    at
}

async fn take(request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let _ = request.into_body().collect().await;
    Ok(Response::new(Empty::new()))
}
