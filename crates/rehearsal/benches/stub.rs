//! How much a rehearsal sends at most: against a stub that answers everything at once, in the
//! same process, on the same cores.
//!
//! `cargo bench -p rehearsal`, and with `-- FILE` also against the instance of that file, to
//! compare: `grantline serve` says where it is. Shoppers arrive faster than they can be served, so that what
//! is measured is the rehearsal itself.
#![expect(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on has failed"
)]
#![expect(clippy::print_stdout, reason = "this is what it is for")]

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rehearsal::{GameServer, Instance, Live, Plan, Rate, Run, Shares, Target, Webhook, prepare};
use secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// How long it sends.
const SPAN: Duration = Duration::from_secs(5);
/// Clock ticks of the kernel a second, on every Linux there is.
const TICKS: f64 = 100.0;

const YES: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";
/// To the one question a rehearsal has.
const MARKED: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-length: 33\r\n\r\n{\"project\": 1, \"rehearsal\": true}";

/// Reads one request after the other and answers it. No library: the less the stub does, the
/// more of what is measured is the rehearsal.
async fn converse(mut stream: TcpStream) {
    let mut held = BytesMut::new();
    while stream.read_buf(&mut held).await.is_ok_and(|read| read > 0) {
        while let Some(length) = first_request(&held) {
            let request = held.split_to(length);
            let is_question = request.starts_with(b"GET ");
            let answer = if is_question { MARKED } else { YES };
            if stream.write_all(answer).await.is_err() {
                return;
            }
        }
    }
}

/// How long the first request is, with its body. `None` while it is not whole.
fn first_request(bytes: &[u8]) -> Option<usize> {
    const LENGTH: &[u8] = b"content-length: ";
    let head = 4 + bytes.windows(4).position(|it| it == b"\r\n\r\n")?;
    let length = bytes[..head]
        .windows(LENGTH.len())
        .position(|it| it.eq_ignore_ascii_case(LENGTH));
    let digits = bytes[length.map_or(head, |at| at + LENGTH.len())..]
        .iter()
        .take_while(|it| it.is_ascii_digit());
    let body = digits.fold(0, |length, digit| 10 * length + usize::from(digit - b'0'));
    (bytes.len() >= head + body).then_some(head + body)
}

async fn serve(listener: TcpListener) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        tokio::spawn(converse(stream));
    }
}

fn runtime(name: &'static str) -> Runtime {
    let mut runtime = Builder::new_multi_thread();
    runtime.enable_all().thread_name(name).build().unwrap()
}

/// Seconds of processor time that threads of this name have used.
fn used(name: &str) -> f64 {
    let mut ticks = 0.0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let stat = fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
        let (head, rest) = stat.rsplit_once(") ").unwrap();
        if head.split_once('(').unwrap().1 == name {
            let fields: Vec<&str> = rest.split(' ').collect();
            ticks += fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
        }
    }
    ticks / TICKS
}

fn target(at: SocketAddr) -> Target {
    let secret = || Secret::inline("secret-of-the-bench").unwrap();
    Target {
        webhook: Webhook {
            url: format!("http://{at}/webhooks/xsolla/1"),
            secret: secret(),
        },
        client: None,
        server: Some(GameServer {
            url: format!("http://{at}"),
            key: secret(),
        }),
    }
}

fn main() {
    let stub = runtime("stub");
    let listener = stub.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let target = target(listener.local_addr().unwrap());
    stub.spawn(serve(listener));
    let rehearsal = runtime("rehearsal");
    println!("                                orders/s  acknowledged/s  µs each: rehearsal  stub");
    for (name, shares) in [
        ("the usual shares", Shares::default()),
        ("order_paid, kept", kept()),
    ] {
        let measured = measure(target.clone(), 1, shares.clone());
        println!("  stub, {name:<22} {}", rehearsal.block_on(measured));
        // The program's own name and cargo's `--bench` come first.
        let instance = std::env::args().skip(1).find(|it| !it.starts_with('-'));
        if let Some(file) = instance {
            let file = Path::new(&file);
            let instance = Instance::read(file).unwrap();
            let mut target = instance.target(file).unwrap();
            target.client = None;
            let measured = measure(target, instance.project, shares);
            println!("  line, {name:<22} {}", rehearsal.block_on(measured));
        }
    }
}

/// Sends as fast as it is answered, and tells of it in a row.
async fn measure(target: Target, project: i64, shares: Shares) -> String {
    let rate = Rate {
        orders_per_second: 40_000.0,
        duration: SPAN,
        ramp: Duration::ZERO,
        spikes: Vec::new(),
    };
    let mut plan = Plan::new(project, 7, Run::draw(), rate).unwrap();
    plan.shares = shares;
    plan.players = 100;
    // Rests are not what is measured here.
    plan.time_scale = 1_000_000;
    let ready = prepare(plan, target, 0).await.unwrap();
    let live = Live::new(7);
    let stop = CancellationToken::new();
    let before = ["rehearsal", "stub"].map(used);
    let began = Instant::now();
    let ending = stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(SPAN).await;
        ending.cancel();
    });
    let journal = tokio::spawn(async move { ready.play(&live, stop).await });
    let journal = journal.await.unwrap();
    let took = began.elapsed().as_secs_f64();
    let after = ["rehearsal", "stub"].map(used);
    let count = |number: usize| f64::from(u32::try_from(number).unwrap());
    let taken = journal.posts.iter().filter(|post| post.is_acknowledged());
    let shoppers: BTreeSet<_> = journal.posts.iter().map(|post| post.shopper).collect();
    let each = |place: usize| (after[place] - before[place]) * 1e6 / count(journal.posts.len());
    format!(
        "{:>10.0} {:>15.0} {:>19.1} {:>5.1}",
        count(shoppers.len()) / took,
        count(taken.count()) / took,
        each(0),
        each(1),
    )
}

/// One `order_paid` with its payment, and the questions before it.
fn kept() -> Shares {
    Shares::none()
        .with(&["combined=100%".parse().unwrap()])
        .unwrap()
}
