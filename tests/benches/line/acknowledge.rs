//! The ingress's durable acknowledgement, beside a bare hyper server and a bare lapin
//! publisher: together the least that a confirmed 204 can cost.

use std::iter::repeat_n;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use testkit::{Postgres, RabbitMq, Vhost};

use crate::bare::{Publisher, Server};
use crate::clock::processor_seconds;
use crate::goal::Goal;
use crate::load::{self, Load, Pace};
use crate::roles::{NOTICE, Role, Stack};
use crate::table::{Run, head, in_turn, middle, percentiles};

const OUTSTANDING: usize = 256;
const CHANNELS: usize = 4;
const ROUNDS: usize = 7;
const REQUESTS: usize = 40_000;
const PACED_ROUNDS: usize = 5;
const PACED: usize = 10_000;
const ALONE_ROUNDS: usize = 5;
const ALONE: usize = 500;

/// What is measured, and the broker under it.
struct Bench {
    vhost: Vhost,
    broker: u32,
    bare: Server,
    ingress: Role,
    request: Bytes,
    body: Bytes,
}

pub(crate) async fn compare() -> [Goal; 3] {
    let vhost = RabbitMq::vhost().await;
    let database = Postgres::database().await;
    let bench = Bench {
        broker: RabbitMq::process().await,
        bare: Server::start(),
        ingress: Role::start("ingress", Stack::Servers(&vhost, &database)).await,
        request: load::signed(NOTICE),
        body: Bytes::from_static(NOTICE),
        vhost,
    };
    let (rate, saturated) = bench.saturated().await;
    [
        saturated,
        bench.paced(rate / 2.0).await,
        bench.alone().await,
    ]
}

impl Bench {
    /// As many at once as there may be. Gives the ingress's rate.
    async fn saturated(&self) -> (f64, Goal) {
        let (mut a, mut b, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        let (bare, ingress) = (self.bare.process(), self.ingress.process());
        for _ in 0..ROUNDS {
            let posting = self
                .posters(self.bare.at, OUTSTANDING)
                .await
                .closed_loop(REQUESTS);
            a.push(self.run(Some(bare), posting).await);

            let publishing = self.publisher(CHANNELS).await;
            let publishing = publishing.closed_loop(OUTSTANDING, REQUESTS);
            b.push(self.run(None, publishing).await);
            self.purge().await;

            let posting = self
                .posters(self.ingress.ingress, OUTSTANDING)
                .await
                .closed_loop(REQUESTS);
            ours.push(self.run(Some(ingress), posting).await);
            self.purge().await;
        }
        println!(
            "durable acknowledgement of {} bytes, {OUTSTANDING} outstanding (median of {ROUNDS} × {REQUESTS})",
            self.body.len()
        );
        head("broker");
        let a = middle("a  bare hyper, 204", &a);
        let b = middle("b  bare lapin, confirmed", &b);
        let least = in_turn("1/(1/a + 1/b), a + b", &a, &b);
        let ours = middle("ingress, 204 after confirm", &ours);
        println!(
            "  processor time of the ingress is {:.2} of a + b\n",
            ours.all() / (a.all() + b.all())
        );
        let goal = Goal {
            what: "ingress at 256 outstanding, of 1/(1/a + 1/b)",
            measured: format!("{:.2}", ours.rate / least),
            aim: "at least 0.6",
            met: ours.rate / least >= 0.6,
        };
        (ours.rate, goal)
    }

    /// At a steady rate, whatever the answers.
    async fn paced(&self, per_second: f64) -> Goal {
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..PACED_ROUNDS {
            let publisher = self.publisher(CHANNELS).await;
            theirs.push(publisher.open_loop(OUTSTANDING, per_second, PACED).await);
            self.purge().await;
            let posters = self.posters(self.ingress.ingress, OUTSTANDING).await;
            let requests = repeat_n(self.request.clone(), PACED);
            ours.push(posters.open_loop(Pace::of(per_second), requests).await);
            self.purge().await;
        }
        println!(
            "open loop at {per_second:.0}/s, from when each was due (median of {PACED_ROUNDS} × {PACED})"
        );
        println!("                                   p50 ms   p99 ms");
        let (_, b) = percentiles("b  bare lapin, confirmed", &theirs);
        let (_, ingress) = percentiles("ingress, 204 after confirm", &ours);
        println!();
        Goal {
            what: "open loop at half that rate: p99 beyond that of b",
            measured: format!("{:.2} ms", ingress - b),
            aim: "at most 10 ms",
            met: ingress - b <= 10.0,
        }
    }

    /// One after the other.
    async fn alone(&self) -> Goal {
        let (mut hyper, mut confirm, mut ours) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ALONE_ROUNDS {
            hyper.push(
                self.posters(self.bare.at, 1)
                    .await
                    .one_at_a_time(ALONE)
                    .await,
            );
            confirm.push(self.publisher(1).await.one_at_a_time(ALONE).await);
            ours.push(
                self.posters(self.ingress.ingress, 1)
                    .await
                    .one_at_a_time(ALONE)
                    .await,
            );
        }
        println!("one at a time (median of {ALONE_ROUNDS} × {ALONE})");
        println!("                                   p50 ms   p99 ms");
        let (hyper, _) = percentiles("a  bare hyper, 204", &hyper);
        let (confirm, _) = percentiles("b  bare lapin, confirmed", &confirm);
        let (ours, _) = percentiles("ingress, 204 after confirm", &ours);
        println!();
        let ratio = ours / (hyper + confirm);
        Goal {
            what: "one at a time: p50, of confirm p50 + hyper p50",
            measured: format!("{ratio:.2} ×"),
            aim: "at most 2 ×",
            met: ratio <= 2.0,
        }
    }

    async fn posters(&self, at: SocketAddr, connections: usize) -> Load {
        Load::connect(at, connections, &self.request).await
    }

    async fn publisher(&self, channels: usize) -> Publisher {
        Publisher::connect(&self.vhost, channels, &self.body).await
    }

    /// What `REQUESTS` operations cost the server, this process and the broker.
    async fn run(&self, server: Option<u32>, operations: impl Future<Output = Duration>) -> Run {
        let spent = || {
            let processes = [server, Some(std::process::id()), Some(self.broker)];
            processes.map(|process| process.map_or(0.0, processor_seconds))
        };
        let before = spent();
        let took = operations.await;
        let after = spent();
        Run::of(
            REQUESTS,
            took,
            [0, 1, 2].map(|one| after[one] - before[one]),
        )
    }

    /// Empties the queue: a long one costs the broker more than a short one.
    async fn purge(&self) {
        let contents = "grantline.record.v1/contents";
        let purged = self
            .vhost
            .call_api(Method::DELETE, "queues", contents, None);
        assert!(purged.await.is_some(), "there is no such queue");
    }
}
