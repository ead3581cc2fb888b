//! `grantline serve` with nothing configured: how soon it is ready, and what it weighs.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use testkit::Folder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::clock::{median, ms};
use crate::goal::Goal;
use crate::memory::Resident;
use crate::process::Process;
use crate::roles::free_addresses;

const ROUNDS: usize = 11;
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// After which a process counts as idle.
const REST: Duration = Duration::from_millis(500);

pub(crate) async fn measure() -> [Goal; 3] {
    let (mut new, mut existing) = (Vec::new(), Vec::new());
    let (mut started, mut after_one) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = Folder::new();
        let (process, ready) = serve(&folder).await;
        new.push(ms(ready));
        process.stop();
        let (process, ready) = serve(&folder).await;
        existing.push(ms(ready));
        sleep(REST).await;
        started.push(Resident::of(process.id()));
        play_one_order(&folder);
        sleep(REST).await;
        after_one.push(Resident::of(process.id()));
    }
    println!("`grantline serve` with nothing configured (median of {ROUNDS})");
    let (new, existing) = (median(&new), median(&existing));
    println!("  ready with a new folder      {new:7.1} ms");
    println!("  ready with that folder       {existing:7.1} ms");
    let shown = |name: &str, seen: &[Resident]| {
        let of = |value: fn(&Resident) -> f64| median(&seen.iter().map(value).collect::<Vec<_>>());
        let (all, own) = (of(|seen| seen.all), of(|seen| seen.own));
        println!("  {name:<28} {all:7.1} MB, of it no page of a file {own:.1} MB");
        all
    };
    shown("resident memory, started", &started);
    let idle = shown("the same after one order", &after_one);
    println!();
    let ready = |what, measured: f64| Goal {
        what,
        measured: format!("{measured:.0} ms"),
        aim: "under 150 ms",
        met: measured < 150.0,
    };
    [
        ready("one file: start to ready, new folder", new),
        ready("one file: start to ready, existing folder", existing),
        Goal {
            what: "one file: resident memory, idle after one order",
            measured: format!("{idle:.1} MB"),
            aim: "under 30 MB",
            met: idle < 30.0,
        },
    ]
}

/// Starts it on a folder, and says how long it took until it was ready.
async fn serve(folder: &Folder) -> (Process, Duration) {
    let [admin, others @ ..] = free_addresses::<4>();
    let mut process = Process::start(&folder.join("log"), |command| {
        command.arg("serve").arg("--data").arg(folder.join("data"));
        let roles = ["INGRESS", "PUBLISHER", "API"].into_iter().zip(others);
        for (role, at) in [("ADMIN", admin)].into_iter().chain(roles) {
            command.env(format!("GRANTLINE__{role}__LISTEN"), at.to_string());
        }
    });
    while !is_ready(admin).await {
        process.check_that_it_may_still("become ready");
        sleep(LOOK_EVERY).await;
    }
    let ready = process.began().elapsed();
    (process, ready)
}

async fn is_ready(admin: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(admin).await else {
        return false;
    };
    let request = b"GET /ready HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let mut answer = Vec::new();
    let asked = stream.write_all(request).await;
    asked.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200 ")
}

/// As somebody who tries it out does, from a process of its own.
fn play_one_order(folder: &Folder) {
    let instance = |folder: &Path| folder.join("data").join("instance.toml");
    let mut play = Process::start(&folder.join("play.log"), |command| {
        command.args(["play", "paid", "--json", "--instance"]);
        command.arg(instance(folder.path()));
    });
    play.wait();
}
