//! Breaks what the schedule says, marks it in the journal, and waits each time until the line
//! works again.

use std::fmt;
use std::time::Duration;

use rehearsal::journal::{Journal, Kind, Post, Seen};
use rehearsal::{Lasting, Live};
use sqlx::PgPool;
use testkit::CuttingProxy;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, sleep_until};

use super::disk::Disk;
use super::nodes::Nodes;
use super::quiet::QuietTime;
use super::schedule::{Fault, Round, Short, Strike, Victim};
use crate::process::Halted;
use crate::roles::Roles;
use crate::say;
use crate::servers::{Server, Servers};

/// So soon after a fault is over the line has to work again, with servers counted from when
/// their port is open. On a machine that is busy with other things this is counted in the time
/// that it gave ([`QuietTime`]).
pub(crate) const RETURN: Duration = Duration::from_secs(15);
/// A fault that has not struck by then never will.
const STRUCK: Duration = Duration::from_mins(3);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Everything that can be broken, and where one sees what came of it.
pub(crate) struct Nemesis<'a> {
    pub(crate) live: &'a Live,
    pub(crate) servers: &'a mut Servers,
    pub(crate) roles: &'a mut Roles,
    /// The broker's other nodes, where it has some.
    pub(crate) nodes: Option<&'a mut Nodes>,
    /// PostgreSQL's, where one could be had.
    pub(crate) disk: Option<&'a Disk>,
    pub(crate) ledger: &'a PgPool,
}

/// A round that is over.
#[derive(Clone, Debug)]
pub(crate) struct Struck {
    pub(crate) what: String,
    /// When everything was whole again, since the beginning of the rehearsal.
    pub(crate) over: Duration,
    /// How long it took from there until something was taken, booked and told.
    pub(crate) returned: Returned,
}

/// How long it took until the line did each again; `None` where it did not in time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Returned {
    taken: Option<Duration>,
    booked: Option<Duration>,
    told: Option<Duration>,
    /// How long was waited for all of it, by the clock.
    pub(crate) waited: Duration,
    /// How much of a quiet machine's time that was.
    quiet: Duration,
}

impl Returned {
    /// What it did not do.
    pub(crate) fn missing(self) -> Vec<&'static str> {
        let each = [
            (self.taken, "taken"),
            (self.booked, "booked"),
            (self.told, "told"),
        ];
        let missing = each.into_iter().filter(|(after, _)| after.is_none());
        missing.map(|(_, what)| what).collect()
    }
}

impl fmt::Display for Returned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = |after: Option<Duration>| match after {
            Some(after) => format!("{:.1} s", after.as_secs_f64()),
            None => "NEVER".to_owned(),
        };
        let [taken, booked, told] = [self.taken, self.booked, self.told].map(seconds);
        let quiet = self.quiet.as_secs_f64();
        write!(
            f,
            "taken after {taken}, booked {booked}, told {told} ({quiet:.1} s of a quiet machine)"
        )
    }
}

/// A fault that is on.
struct On {
    mark: Lasting,
    halted: Option<Halted>,
}

impl Nemesis<'_> {
    /// Breaks all of it, round after round.
    pub(crate) async fn strike(&mut self, rounds: &[Round]) -> Vec<Struck> {
        let mut struck = Vec::new();
        for round in rounds {
            sleep(round.calm).await;
            let at = self.live.now();
            let over = self.round(&round.strikes).await;
            let returned = self.returned(over).await;
            say(&format!(
                "{:6.1} s  {round}; whole {:.1} s later, then {returned}",
                at.as_secs_f64(),
                over.saturating_sub(at).as_secs_f64(),
            ));
            struck.push(Struck {
                what: round.to_string(),
                over,
                returned,
            });
        }
        struck
    }

    /// When the last of it was over.
    async fn round(&mut self, strikes: &[Strike]) -> Duration {
        let began = Instant::now();
        let mut moments: Vec<(Duration, bool, usize)> = Vec::new();
        for (place, strike) in strikes.iter().enumerate() {
            moments.push((strike.after, false, place));
            moments.push((strike.after + strike.lasts, true, place));
        }
        moments.sort_unstable();
        let mut on: Vec<Option<On>> = strikes.iter().map(|_| None).collect();
        let mut over = Duration::ZERO;
        for (at, is_end, place) in moments {
            sleep_until(began + at).await;
            let fault = strikes[place].fault;
            if !is_end {
                on[place] = Some(self.begin(fault).await);
            } else if let Some(on) = on[place].take() {
                over = self.end(fault, on).await.max(over);
            }
        }
        over
    }

    async fn begin(&mut self, fault: Fault) -> On {
        let mut on = On {
            mark: self.live.lasting_fault(&fault.to_string()),
            halted: None,
        };
        match fault {
            Fault::Kill(Victim::Server(server), stall) => self.kill(server, stall).await,
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

    /// Of a broker with several nodes the one that leads is killed.
    async fn kill(&mut self, server: Server, stall: Duration) {
        match &mut self.nodes {
            Some(nodes) if server == Server::Broker => {
                let killed = nodes.kill_leader(self.servers, stall).await;
                say(&format!("killed: {killed}"));
            }
            Some(_) | None => self.servers.kill(server, stall).await,
        }
    }

    /// Makes it whole again. When it was: of a server, when its port was open.
    async fn end(&mut self, fault: Fault, on: On) -> Duration {
        let mut over = None;
        match fault {
            Fault::Kill(Victim::Server(server), _) => over = Some(self.start(server).await),
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
                    // It may have given up.
                    self.servers.start_missing().await;
                }
            }
            Fault::Lose(_) | Fault::Flush | Fault::Roll => {}
        }
        on.mark.over();
        over.unwrap_or_else(|| self.live.now())
    }

    /// Starts what is down of a server. When its port was open.
    async fn start(&mut self, server: Server) -> Duration {
        let (at, live) = (self.servers.at(server), self.live.clone());
        let opening = tokio::spawn(async move {
            while TcpStream::connect(at).await.is_err() {
                sleep(LOOK_EVERY).await;
            }
            live.now()
        });
        self.servers.start_missing().await;
        if let Some(nodes) = &mut self.nodes {
            nodes.start_missing(self.servers).await;
            // Which of them was killed, and when its port opened, is not known here.
            opening.abort();
            return self.live.now();
        }
        opening.await.unwrap()
    }

    /// Waits until something that was sent since is taken, something is booked, and a player
    /// is told of something; for as long as that may take.
    async fn returned(&self, over: Duration) -> Returned {
        let mut before = self.booked().await;
        let mut returned = Returned::default();
        let mut quiet = QuietTime::since(self.live.now().saturating_sub(over));
        loop {
            let since = self.live.now().saturating_sub(over);
            let note = |what: &mut Option<Duration>, is_it: bool| {
                *what = what.or(is_it.then_some(since));
            };
            if returned.booked.is_none() {
                let booked = self.booked().await;
                before = before.or(booked);
                note(&mut returned.booked, booked > before);
            }
            let (taken, told) = self
                .live
                .look(|journal| (is_taken_since(journal, over), is_told_since(journal, over)));
            note(&mut returned.taken, taken);
            note(&mut returned.told, told);
            (returned.waited, returned.quiet) = (since, quiet.passed());
            if returned.missing().is_empty() || returned.quiet > RETURN {
                return returned;
            }
            quiet.pass().await;
        }
    }

    /// Notices that have ended; `None` while the ledger does not say.
    async fn booked(&self) -> Option<i64> {
        let count = "SELECT count(*) FROM notices WHERE outcome IS NOT NULL";
        sqlx::query_scalar(count).fetch_one(self.ledger).await.ok()
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

/// Whether a notice that asks nothing left since and was acknowledged.
fn is_taken_since(journal: &Journal, since: Duration) -> bool {
    let is_told = |post: &Post| {
        let place = usize::try_from(post.shopper).unwrap();
        let notice = journal.shoppers[place].notices[usize::from(post.notice)];
        post.sent >= since && post.is_acknowledged() && is_of_weight(notice)
    };
    let answers = journal.posts.iter().rev();
    let mut later = answers.take_while(|post| post.ended >= since);
    later.any(is_told)
}

/// Whether it is well signed and changes something.
pub(crate) fn is_of_weight(notice: rehearsal::journal::Notice) -> bool {
    use rehearsal::journal::Says;
    let asks = matches!(notice.says, Says::KnownPlayer | Says::UnknownPlayer);
    notice.kind != Kind::Forged && !asks
}

fn is_told_since(journal: &Journal, since: Duration) -> bool {
    let sights = journal.sights.iter().rev();
    let mut later = sights.take_while(|sight| sight.at >= since);
    later.any(|sight| matches!(sight.seen, Seen::Pushed(_)))
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
