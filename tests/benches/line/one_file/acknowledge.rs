//! The embedded ingress's durable acknowledgement, beside a bare hyper server and a bare
//! loop that commits: together the least that a 204 after a commit can cost.

use std::net::SocketAddr;

use testkit::Folder;

use super::commits::Rows;
use super::ingress_alone::Ingress;
use crate::bare::Server;
use crate::clock::processor_seconds;
use crate::goal::Goal;
use crate::load::{self, Load};
use crate::roles::{NOTICE, Role, Stack};
use crate::table::{Run, head, in_turn, middle};

const OUTSTANDING: usize = 256;
const ROUNDS: usize = 7;
/// A multiple of `OUTSTANDING`.
const REQUESTS: usize = 80 * OUTSTANDING;

pub(crate) async fn compare() -> Goal {
    let (mut a, mut s, mut ours, mut all_roles) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let bare = Server::start();
    for _ in 0..ROUNDS {
        a.push(posted(bare.at, bare.process()).await);
        s.push(committed());
        let ingress = Ingress::start();
        ours.push(posted(ingress.at, ingress.process()).await);
        drop(ingress);
        let line = Role::start("serve", Stack::OneFile).await;
        all_roles.push(posted(line.ingress, line.process()).await);
    }
    println!(
        "one file: durable acknowledgement of {} bytes, {OUTSTANDING} outstanding (median of {ROUNDS} × {REQUESTS})",
        NOTICE.len()
    );
    head("loop");
    let a = middle("a  bare hyper, 204", &a);
    let s = middle("s  bare SQLite, in groups", &s);
    let least = in_turn("1/(1/a + 1/s), a + s", &a, &s);
    let ours = middle("ingress, 204 after commit", &ours);
    middle("the same while workers book", &all_roles);
    println!();
    Goal {
        what: "one file: ingress at 256 outstanding, of 1/(1/a + 1/s)",
        measured: format!("{:.2}", ours.rate / least),
        aim: "at least 0.5",
        met: ours.rate / least >= 0.5,
    }
}

/// As many at once as there may be.
async fn posted(at: SocketAddr, server: u32) -> Run {
    let load = Load::connect(at, OUTSTANDING, &load::signed(NOTICE)).await;
    let spent = || [server, std::process::id()].map(processor_seconds);
    let before = spent();
    let took = load.closed_loop(REQUESTS).await;
    let after = spent();
    Run::of(
        REQUESTS,
        took,
        [after[0] - before[0], after[1] - before[1], 0.0],
    )
}

/// Groups as large as the requests that wait at once.
fn committed() -> Run {
    let folder = Folder::new();
    let rows = Rows::create(&folder.join("rows.db"), NOTICE);
    let before = processor_seconds(std::process::id());
    let took = rows.commit(REQUESTS, OUTSTANDING);
    let spent = processor_seconds(std::process::id()) - before;
    Run::of(REQUESTS, took, [0.0, 0.0, spent])
}
