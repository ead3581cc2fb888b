//! The way back: after a fault the line has to take, book and tell again in time.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use rehearsal::Live;
use rehearsal::journal::{Journal, Kind, Notice, Post, Says, Seen};
use sqlx::PgPool;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::quiet::QuietTime;

/// So soon after a fault is over the line has to work again, with servers counted from when
/// their port is open. On a machine that is busy with other things this is counted in the time
/// that it gave ([`QuietTime`]).
pub(crate) const RETURN: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// For the ledger to say what it has booked.
const ANSWER: Duration = Duration::from_secs(3);

/// How long it took until the line did each again; `None` where it did not in time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Returned {
    /// When everything was whole again, since the beginning of the rehearsal.
    pub(crate) over: Duration,
    taken: Option<Duration>,
    booked: Option<Duration>,
    told: Option<Duration>,
    /// How long all of it took, or was waited for, by the clock.
    pub(crate) took: Duration,
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

/// Half of the times it took no longer than this, by the clock.
pub(crate) fn median(returned: &[Returned]) -> Duration {
    let mut took: Vec<Duration> = returned.iter().map(|it| it.took).collect();
    took.sort_unstable();
    took.get(took.len() / 2).copied().unwrap_or_default()
}

/// Somebody who waits for the line to work again.
pub(crate) type Watching = AbortOnDropHandle<Returned>;

/// Where one sees whether the line works.
#[derive(Clone)]
pub(crate) struct Watch {
    pub(crate) live: Live,
    pub(crate) ledger: PgPool,
}

impl Watch {
    /// Begins to wait, from now or from when somebody listens there.
    pub(crate) fn begin(&self, port: Option<SocketAddr>) -> Watching {
        let watch = self.clone();
        AbortOnDropHandle::new(tokio::spawn(async move {
            if let Some(at) = port {
                while TcpStream::connect(at).await.is_err() {
                    sleep(LOOK_EVERY).await;
                }
            }
            watch.returned().await
        }))
    }

    /// Waits until something that was sent since is taken, something is booked, and a player
    /// is told of something; for as long as that may take.
    async fn returned(&self) -> Returned {
        let mut quiet = QuietTime::from_now();
        let over = self.live.now();
        let mut before = None;
        let mut returned = Returned {
            over,
            ..Returned::default()
        };
        loop {
            if returned.booked.is_none() {
                let booked = self.booked().await;
                before = before.or(booked);
                let since = self.live.now().saturating_sub(over);
                returned.booked = (booked > before).then_some(since);
            }
            (returned.taken, returned.told) = self
                .live
                .look(|journal| (taken_since(journal, over), told_since(journal, over)));
            let each = [returned.taken, returned.booked, returned.told];
            let all: Option<Vec<Duration>> = each.into_iter().collect();
            returned.quiet = quiet.passed();
            returned.took = match all.and_then(|all| all.into_iter().max()) {
                Some(last) => last,
                None if returned.quiet > RETURN => self.live.now().saturating_sub(over),
                None => {
                    quiet.pass().await;
                    continue;
                }
            };
            return returned;
        }
    }

    /// Notices that have ended; `None` while the ledger does not say.
    async fn booked(&self) -> Option<i64> {
        let count = "SELECT count(*) FROM notices WHERE outcome IS NOT NULL";
        let count = sqlx::query_scalar(count).fetch_one(&self.ledger);
        timeout(ANSWER, count).await.ok()?.ok()
    }
}

/// After how long a notice that changes something and left since was acknowledged.
fn taken_since(journal: &Journal, since: Duration) -> Option<Duration> {
    let is_it = |post: &&Post| {
        let place = usize::try_from(post.shopper).unwrap();
        let notice = journal.shoppers[place].notices[usize::from(post.notice)];
        post.sent >= since && post.is_acknowledged() && is_of_weight(notice)
    };
    let answers = journal.posts.iter().rev();
    let later = answers.take_while(|post| post.ended >= since);
    later
        .filter(is_it)
        .map(|post| post.ended.saturating_sub(since))
        .min()
}

/// Whether it is well signed and changes something.
pub(crate) fn is_of_weight(notice: Notice) -> bool {
    let asks = matches!(notice.says, Says::KnownPlayer | Says::UnknownPlayer);
    notice.kind != Kind::Forged && !asks
}

/// After how long a player was told of something.
fn told_since(journal: &Journal, since: Duration) -> Option<Duration> {
    let sights = journal.sights.iter().rev();
    let later = sights.take_while(|sight| sight.at >= since);
    let pushed = later.filter(|sight| matches!(sight.seen, Seen::Pushed(_)));
    pushed.map(|sight| sight.at.saturating_sub(since)).min()
}
