//! What every shopper shares: the plan, the connections, the journal.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::game_server::ApiError;
use crate::http::{Http, HttpError};
use crate::purchase::Purchase;
use crate::target::{GameServer, Target};

use super::chain;
use super::journal::Journal;
use super::life::Life;
use super::live::{Counted, Live};
use super::plan::Plan;

/// How long an answer of the api may take.
const API_LIMIT: Duration = Duration::from_secs(10);
/// How many players are registered at once.
const REGISTERING: usize = 32;
/// How often a registration is tried: a repeat is harmless.
pub(crate) const REGISTRATIONS: u32 = 3;
/// How often the instance is asked how it stands.
const GAUGE: Duration = Duration::from_secs(1);

/// Why a rehearsal does not begin.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// Whoever may not ask cannot know that nobody really buys there.
    #[error(
        "only a project that is marked for it is rehearsed, and the api that would say so is not known"
    )]
    NoApi,
    /// The project is not marked.
    #[error(
        "project {project} is not marked for rehearsals: thousands of purchases would be booked \
         in it. On an instance where nobody really buys, set `rehearsal = true` in \
         `[projects.{project}]`"
    )]
    NotMarked {
        /// Xsolla's id of it.
        project: i64,
    },
    /// The api says something else.
    #[error("the api does not say whether project {project} is marked for rehearsals: {answer}")]
    Unclear {
        /// Xsolla's id of it.
        project: i64,
        /// What it said.
        answer: String,
    },
    /// The api cannot be asked.
    #[error("the api cannot be asked whether project {project} is marked for rehearsals")]
    Silent {
        /// Xsolla's id of it.
        project: i64,
        /// Why not.
        #[source]
        source: HttpError,
    },
    /// The players cannot be registered.
    #[error("the players cannot be registered: {0}")]
    Players(String),
    /// Nothing can be sent there.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// A rehearsal that may begin.
#[derive(Debug)]
pub struct Rehearsal {
    plan: Plan,
    target: Target,
    server: GameServer,
    /// For Xsolla's notices.
    notices: Http,
    /// For game clients and game servers.
    others: Arc<Http>,
    unix_now: i64,
    /// Nobody arrives any more.
    closed: CancellationToken,
}

/// What every shopper shares.
pub(crate) struct Stage {
    pub(crate) plan: Plan,
    pub(crate) target: Target,
    pub(crate) server: GameServer,
    pub(crate) notices: Http,
    pub(crate) others: Arc<Http>,
    pub(crate) live: Live,
    /// One of these for each request under way.
    pub(crate) requests: Semaphore,
    /// Nobody arrives any more.
    pub(crate) closed: CancellationToken,
    /// Nothing more is begun.
    pub(crate) stop: CancellationToken,
    /// Players' clients end.
    pub(crate) close: CancellationToken,
    /// The players' clients.
    pub(crate) clients: TaskTracker,
    /// Seconds since 1970 when it began.
    pub(crate) unix_began: i64,
}

/// Makes sure that the project is there to be rehearsed, and registers the players.
///
/// # Errors
/// When the project is not marked `rehearsal = true`, or nobody says whether it is; when the
/// players cannot be registered.
pub async fn prepare(
    plan: Plan,
    target: Target,
    unix_now: i64,
) -> Result<Rehearsal, RehearsalError> {
    let server = target.server.clone().ok_or(RehearsalError::NoApi)?;
    let client = target.client.as_ref().map(|client| client.url.as_str());
    let notices = Http::new([target.webhook.url.as_str()].into_iter(), plan.answer_limit)?;
    let others = Http::new([server.url.as_str()].into_iter().chain(client), API_LIMIT)?;
    let project = plan.project;
    let said = server.project(&others, project).await;
    let said = said.map_err(|source| RehearsalError::Silent { project, source })?;
    match said.json()["rehearsal"].as_bool() {
        Some(true) if said.status == StatusCode::OK => {}
        Some(false) if said.status == StatusCode::OK => {
            return Err(RehearsalError::NotMarked { project });
        }
        _ => {
            let answer = said.summary();
            return Err(RehearsalError::Unclear { project, answer });
        }
    }
    let rehearsal = Rehearsal {
        plan,
        target,
        server,
        notices,
        others: Arc::new(others),
        unix_now,
        closed: CancellationToken::new(),
    };
    rehearsal.register_players().await?;
    Ok(rehearsal)
}

impl Rehearsal {
    async fn register_players(&self) -> Result<(), RehearsalError> {
        let register = async |number| {
            let player = Purchase {
                project: self.plan.project,
                player: self.plan.player(number),
                order: 0,
                transaction: 0,
            };
            let mut last: Result<(), ApiError> = Ok(());
            for _ in 0..REGISTRATIONS {
                match self.server.register_player(&self.others, &player).await {
                    Ok(_) => return Ok(()),
                    Err(error) => last = Err(error),
                }
            }
            last
        };
        let mut each = stream::iter(0..self.plan.players)
            .map(register)
            .buffer_unordered(REGISTERING);
        while let Some(registered) = each.next().await {
            registered.map_err(|error| RehearsalError::Players(error.to_string()))?;
        }
        Ok(())
    }

    /// Nobody arrives any more once this is cancelled. Who is there is told to the end, other
    /// than with the `stop` of [`Rehearsal::play`].
    #[must_use]
    pub fn closing(mut self, closed: CancellationToken) -> Self {
        self.closed = closed;
        self
    }

    /// Plays the sale and returns its journal when everything is sent and the clients have
    /// heard the last, or have waited long enough for it. `stop` ends it before: nobody
    /// arrives any more, and whoever is there sends nothing further.
    pub async fn play(self, live: &Live, stop: CancellationToken) -> Journal {
        let stage = Arc::new(Stage {
            requests: Semaphore::new(self.plan.bounds.requests),
            plan: self.plan,
            target: self.target,
            server: self.server,
            notices: self.notices,
            others: self.others,
            live: live.clone(),
            closed: self.closed,
            stop,
            close: CancellationToken::new(),
            clients: TaskTracker::new(),
            unix_began: self.unix_now,
        });
        let shoppers = TaskTracker::new();
        let gauges = CancellationToken::new();
        let gauging = tokio::spawn(gauge(Arc::clone(&stage), gauges.clone()));
        arrive(&stage, &shoppers).await;
        shoppers.close();
        shoppers.wait().await;
        stage.clients.close();
        // Somebody who interrupts does not wait for what may never come.
        let settle = async {
            tokio::select! {
                () = tokio::time::sleep(stage.plan.settle) => {}
                () = stage.stop.cancelled() => {}
                () = stage.clients.wait() => {}
            }
        };
        settle.await;
        stage.close.cancel();
        stage.clients.wait().await;
        gauges.cancel();
        // It ends by itself; a panic in it has cost the gauges alone.
        let _ = gauging.await;
        live.take()
    }
}

/// Lets shoppers in as the plan says. Where there are too many already the next one waits at
/// the door, and is due from when he came.
async fn arrive(stage: &Arc<Stage>, shoppers: &TaskTracker) {
    let places = Arc::new(Semaphore::new(stage.plan.bounds.shoppers));
    let arrivals = stage.plan.rate.arrivals(stage.plan.seed);
    for (number, at) in (0..).zip(arrivals) {
        let next = async {
            tokio::time::sleep_until(stage.live.instant(at)).await;
            Arc::clone(&places).acquire_owned().await
        };
        let next = stage.closed.run_until_cancelled(next);
        // The semaphore is never closed.
        let Some(Some(Ok(place))) = stage.stop.run_until_cancelled(next).await else {
            break;
        };
        let mut life = Life::draw(&stage.plan, number);
        life.shopper.arrived = at;
        chain::choose_follower(stage, &mut life);
        stage.live.arrived(life.shopper.clone());
        let stage = Arc::clone(stage);
        shoppers.spawn(async move {
            let _counted = Counted::one(&stage.live.counts().shoppers);
            chain::shop(&stage, number, life).await;
            drop(place);
        });
    }
}

/// Asks the instance how it stands, second by second.
async fn gauge(stage: Arc<Stage>, end: CancellationToken) {
    let mut ticks = tokio::time::interval(GAUGE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while end.run_until_cancelled(ticks.tick()).await.is_some() {
        let asked = stage.server.project(&stage.others, stage.plan.project);
        let answer = tokio::time::timeout(GAUGE, asked).await;
        let backlog = match answer {
            Ok(Ok(answer)) => answer.json()["backlog"].as_u64(),
            Ok(Err(_)) | Err(_) => None,
        };
        stage.live.gauged(backlog);
    }
}

impl Stage {
    /// Seconds since 1970, by the clock of the rehearsal.
    pub(crate) fn unix_now(&self) -> i64 {
        let since = i64::try_from(self.live.now().as_secs()).unwrap_or_default();
        self.unix_began.saturating_add(since)
    }

    /// The secret that signs what is genuine.
    pub(crate) fn secret(&self) -> impl AsRef<[u8]> + use<> {
        Bytes::copy_from_slice(self.target.webhook.secret.reveal().as_bytes())
    }
}
