//! Breaks what the schedule says, marks it in the journal, and waits each time until the line
//! works again.

use std::net::SocketAddr;
use std::time::Duration;

use rehearsal::{Lasting, Live};
use testkit::CuttingProxy;
use tokio::time::{Instant, sleep, sleep_until};

use super::disk::Disk;
use super::nodes::Nodes;
use super::returning::{Returned, Watch, Watching};
use super::schedule::{Fault, Round, Short, Strike, Victim};
use crate::process::Halted;
use crate::roles::Roles;
use crate::say;
use crate::servers::{Server, Servers};

/// A fault that has not struck by then never will.
const STRUCK: Duration = Duration::from_mins(10);
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Everything that can be broken, and where one sees what came of it.
pub(crate) struct Nemesis<'a> {
    pub(crate) live: &'a Live,
    pub(crate) servers: &'a mut Servers,
    pub(crate) roles: &'a mut Roles,
    /// The broker's other nodes, where it has some.
    pub(crate) nodes: Option<&'a mut Nodes>,
    /// PostgreSQL's, where one could be had.
    pub(crate) disk: Option<&'a Disk>,
    pub(crate) watch: Watch,
}

/// A round that is over.
#[derive(Clone, Debug)]
pub(crate) struct Struck {
    pub(crate) what: String,
    /// How the line came back from it.
    pub(crate) returned: Returned,
}

/// A fault that is on.
struct On {
    mark: Lasting,
    halted: Option<Halted>,
    /// Where what was killed will listen again.
    port: Option<SocketAddr>,
}

impl Nemesis<'_> {
    /// Breaks all of it, round after round.
    pub(crate) async fn strike(&mut self, rounds: &[Round]) -> Vec<Struck> {
        let mut struck = Vec::new();
        for round in rounds {
            sleep(round.calm).await;
            let at = self.live.now();
            let returned = self.round(&round.strikes).await;
            say(&format!(
                "{:6.1} s  {round}; whole {:.1} s later, then {returned}",
                at.as_secs_f64(),
                returned.over.saturating_sub(at).as_secs_f64(),
            ));
            struck.push(Struck {
                what: round.to_string(),
                returned,
            });
        }
        struck
    }

    /// Breaks it and makes it whole again, and waits until the line works.
    async fn round(&mut self, strikes: &[Strike]) -> Returned {
        let began = Instant::now();
        let mut moments: Vec<(Duration, bool, usize)> = Vec::new();
        for (place, strike) in strikes.iter().enumerate() {
            moments.push((strike.after, false, place));
            moments.push((strike.after + strike.lasts, true, place));
        }
        moments.sort_unstable();
        let mut on: Vec<Option<On>> = strikes.iter().map(|_| None).collect();
        let mut watching = None;
        for (at, is_end, place) in moments {
            sleep_until(began + at).await;
            let fault = strikes[place].fault;
            if !is_end {
                on[place] = Some(self.begin(fault).await);
            } else if let Some(on) = on[place].take() {
                // From the last one that is over.
                watching = Some(self.end(fault, on).await);
            }
        }
        let watching = watching.expect("a round breaks something");
        watching.await.unwrap()
    }

    async fn begin(&mut self, fault: Fault) -> On {
        let mut on = On {
            mark: self.live.lasting_fault(&fault.to_string()),
            halted: None,
            port: None,
        };
        match fault {
            Fault::Kill(Victim::Server(server), stall) => {
                on.port = Some(self.kill(server, stall).await);
            }
            Fault::Kill(Victim::Role(role), stall) => self.roles.kill(role, stall).await,
            Fault::Halt(Victim::Server(server)) => {
                on.halted = Some(self.servers.halt(server).await);
            }
            Fault::Halt(Victim::Role(role)) => on.halted = Some(self.roles.halt(role).await),
            Fault::Cut(server) => self.line_to(server).await.cut(),
            Fault::Stall(server) => self.line_to(server).await.stall(),
            Fault::Delay(server, by) => self.line_to(server).await.delay(by),
            Fault::Lose(server) => self.line_to(server).await.lose(),
            Fault::Flush => self.servers.flush_redis().await,
            Fault::Alarm(short) => {
                self.servers.rabbitmqctl(&short.out()).await;
                self.alarm_is(short, true).await;
            }
            Fault::Full => {
                if let Some(disk) = self.disk {
                    self.fill(disk).await;
                }
            }
            Fault::Roll => self.roles.roll().await,
        }
        on
    }

    /// The line to a server, once somebody uses it: else nothing would be broken with it.
    async fn line_to(&self, server: Server) -> &CuttingProxy {
        let line = self.roles.line_to(server);
        let is_used = async || line.connections() > 0;
        until(is_used, "somebody is connected").await;
        line
    }

    /// Waits until the broker itself says that it is short of something, or has enough again.
    async fn alarm_is(&self, short: Short, on: bool) {
        let is_so = async || self.servers.has_alarm(short.alarm()).await == on;
        until(is_so, "the broker heeds what it runs short of").await;
    }

    /// Fills PostgreSQL's disk, until a write of its own has failed.
    async fn fill(&self, disk: &Disk) {
        let before = self.servers.failed_writes();
        disk.fill();
        let has_failed = async || self.servers.failed_writes() > before;
        until(has_failed, "PostgreSQL finds its disk full").await;
    }

    /// Of a broker with several nodes the one that leads is killed. Where it listened.
    async fn kill(&mut self, server: Server, stall: Duration) -> SocketAddr {
        match &mut self.nodes {
            Some(nodes) if server == Server::Broker => {
                let (killed, at) = nodes.kill_leader(self.servers, stall).await;
                say(&format!("killed: {killed}"));
                at
            }
            Some(_) | None => {
                self.servers.kill(server, stall).await;
                self.servers.at(server)
            }
        }
    }

    /// Makes it whole again, and has it watched from then on: with a server from when its port
    /// is open.
    async fn end(&mut self, fault: Fault, on: On) -> Watching {
        let mut watching = on.port.map(|port| self.watch.begin(Some(port)));
        match fault {
            Fault::Kill(Victim::Server(_), _) => {
                self.servers.start_missing().await;
                if let Some(nodes) = &mut self.nodes {
                    nodes.start_missing(self.servers).await;
                }
            }
            Fault::Kill(Victim::Role(_), _) => self.roles.start_missing(),
            Fault::Halt(_) => on.halted.into_iter().for_each(Halted::go_on),
            Fault::Cut(server) | Fault::Stall(server) | Fault::Delay(server, _) => {
                self.roles.line_to(server).heal();
            }
            Fault::Alarm(short) => {
                self.servers.rabbitmqctl(&short.enough()).await;
                self.alarm_is(short, false).await;
            }
            Fault::Full => {
                if let Some(disk) = self.disk {
                    disk.free();
                    watching = Some(self.watch.begin(Some(self.servers.at(Server::Postgres))));
                    // It may have given up.
                    self.servers.start_missing().await;
                }
            }
            Fault::Lose(_) | Fault::Flush | Fault::Roll => {}
        }
        on.mark.over();
        watching.unwrap_or_else(|| self.watch.begin(None))
    }
}

/// Waits until something is so that has to come.
async fn until(is_so: impl AsyncFn() -> bool, what: &str) {
    let deadline = Instant::now() + STRUCK;
    while !is_so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(LOOK_EVERY).await;
    }
}

impl Short {
    /// What makes it so.
    const fn out(self) -> [&'static str; 2] {
        match self {
            Self::Memory => ["set_vm_memory_high_watermark", "0"],
            Self::Disk => ["set_disk_free_limit", "900GB"],
        }
    }

    /// By which the broker's node tells of it.
    const fn alarm(self) -> &'static str {
        match self {
            Self::Memory => "mem_alarm",
            Self::Disk => "disk_free_alarm",
        }
    }

    /// What ends it.
    const fn enough(self) -> [&'static str; 2] {
        match self {
            Self::Memory => ["set_vm_memory_high_watermark", "0.4"],
            Self::Disk => ["set_disk_free_limit", "500MB"],
        }
    }
}
