//! One client's connection as a machine: events in, [`Action`]s out.
//!
//! It walks from awaiting the connect command over authentication and the first
//! read of the stream to live, and ends closed. Every step that needs the outside
//! is an action the driver carries out and answers with an event. An event that
//! does not fit the present step is ignored, because it may have crossed with a
//! close or a time-out.

mod budget;
mod driver;
mod keepalive;
mod settings;
mod stream;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use self::{
    budget::Budget,
    keepalive::{Beat, Keepalive},
    stream::{Recheck, Stream},
};
pub use self::{
    driver::{Action, Identity, LoadRequest, Loaded, Tally},
    settings::Settings,
};
use crate::{
    code::{Close, ErrorCode},
    json,
    message::{Command, Connect, Connected, Position, Publication, Reply, Request, Subscribed},
};

/// Commands that may arrive before the connect reply; one more closes 3013.
const DEFERRED_MAX: usize = 8;

/// The longest pause before a read that failed is asked for again; the shortest is half.
const LOAD_PAUSE: Duration = Duration::from_secs(1);

/// The longest channel name in a command; a longer one closes 3501.
const CHANNEL_BYTES_MAX: usize = 512;

/// The server's end of one client connection.
#[derive(Debug)]
pub struct Connection {
    settings: Arc<Settings>,
    jitter: f64,
    lifetime_until: Instant,
    budget: Budget,
    phase: Phase,
    tally: Tally,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum Phase {
    AwaitingConnect { until: Instant },
    Authenticating(Authenticating),
    Subscribing(Subscribing),
    Live(Live),
    Closed,
}

#[derive(Debug)]
struct Authenticating {
    connect_id: u32,
    until: Instant,
    recover: HashMap<String, Position>,
    deferred: Vec<Command>,
}

#[derive(Debug)]
struct Subscribing {
    connect_id: u32,
    until: Instant,
    identity: Identity,
    recover: Option<Position>,
    /// Rows or a top were announced while the stream was being read.
    heard: bool,
    deferred: Vec<Command>,
}

#[derive(Debug)]
struct Live {
    stream: Stream,
    keepalive: Keepalive,
    expires_at: Option<Instant>,
}

impl Connection {
    /// A connection whose WebSocket handshake was completed at `now`.
    ///
    /// `jitter` is a random number from 0 to 1. It spreads pings and ends of life
    /// of connections that began together.
    #[must_use]
    pub fn new(settings: Arc<Settings>, jitter: f64, now: Instant) -> Self {
        let jitter = if jitter.is_nan() {
            0.0
        } else {
            jitter.clamp(0.0, 1.0)
        };
        Self {
            jitter,
            lifetime_until: now + settings.lifetime_max.mul_f64(1.0 - jitter / 10.0),
            budget: Budget::new(now),
            phase: Phase::AwaitingConnect {
                until: now + settings.connect_timeout,
            },
            tally: Tally::default(),
            actions: VecDeque::new(),
            settings,
        }
    }

    /// What the client was given so far.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        self.tally
    }

    /// The next thing to do. Ask until `None` after every event.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`tick`](Self::tick) wants to be called; `None` once closed. Every event
    /// may move it.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        match &self.phase {
            Phase::AwaitingConnect { until } => Some(*until),
            Phase::Authenticating(authenticating) => Some(authenticating.until),
            Phase::Subscribing(subscribing) => Some(subscribing.until),
            Phase::Live(live) => [live.expires_at, live.stream.load_until()]
                .into_iter()
                .chain([live.stream.load_again_at()])
                .flatten()
                .chain([live.keepalive.deadline(), self.lifetime_until])
                .min(),
            Phase::Closed => None,
        }
    }

    /// Time has passed. Feed frames that have already arrived first, or a pong in
    /// the socket's buffer is taken for missing.
    pub fn tick(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::AwaitingConnect { until } if *until <= now => self.close(Close::Stale),
            // The client has done its part, so it must not be told to stay away.
            Phase::Authenticating(Authenticating { until, .. })
            | Phase::Subscribing(Subscribing { until, .. })
                if *until <= now =>
            {
                self.close(Close::Internal);
            }
            Phase::Live(live) => {
                if live.expires_at.is_some_and(|at| at <= now) {
                    self.close(Close::Expired);
                } else if self.lifetime_until <= now {
                    // Not 3005: the credentials are as good as before, and the two should
                    // be told apart in a client's log.
                    self.close(Close::ForceReconnect);
                } else if live.stream.load_until().is_some_and(|until| until <= now) {
                    self.close(Close::Internal);
                } else {
                    let again = live.stream.load_again(now);
                    self.actions.extend(again.map(Action::Load));
                    match live.keepalive.tick(&self.settings, now) {
                        Beat::Rest => {}
                        Beat::Ping => self.send(&Reply::Ping),
                        Beat::NoPong => self.close(Close::NoPong),
                    }
                }
            }
            Phase::AwaitingConnect { .. }
            | Phase::Authenticating(_)
            | Phase::Subscribing(_)
            | Phase::Closed => {}
        }
    }

    /// A text message has arrived. Its size is the driver's to bound.
    pub fn receive(&mut self, frame: &[u8], now: Instant) {
        if let Phase::Live(live) = &mut self.phase {
            live.keepalive.heard();
        }
        let mut empty = true;
        for command in json::commands(frame) {
            empty = false;
            match command {
                // 3013 and not a terminal code: a page caught in a loop comes back with
                // the growing pauses every SDK makes, and works again once it is mended.
                Ok(_) if !self.budget.spend(&self.settings, now) => {
                    self.close(Close::TooManyRequests);
                }
                Ok(command) => self.command(command, now),
                Err(_) => self.close(Close::BadRequest),
            }
            if matches!(self.phase, Phase::Closed) {
                return;
            }
        }
        if empty {
            self.close(Close::BadRequest);
        }
    }

    /// The client is who it says and may hear `identity.channel`.
    ///
    /// Rows committed from here on must reach [`advance`](Self::advance), so register
    /// for hints before this call.
    pub fn authenticated(&mut self, identity: Identity, now: Instant) {
        let Phase::Authenticating(authenticating) = &mut self.phase else {
            return;
        };
        let recover = authenticating.recover.remove(&identity.channel);
        let after = recover.as_ref().map(|position| position.offset);
        self.phase = Phase::Subscribing(Subscribing {
            connect_id: authenticating.connect_id,
            until: now + self.settings.connect_timeout,
            identity,
            recover,
            heard: false,
            deferred: std::mem::take(&mut authenticating.deferred),
        });
        let rows_max = self.settings.rows_max;
        self.actions
            .push_back(Action::Load(LoadRequest { after, rows_max }));
    }

    /// The read asked for by [`Action::Load`] has succeeded.
    pub fn loaded(&mut self, loaded: &Loaded, now: Instant) {
        match &mut self.phase {
            Phase::Subscribing(_) => self.subscribe(loaded, now),
            Phase::Live(live) => {
                let before = live.stream.position;
                let mut send = |frame| self.actions.push_back(Action::Send(frame));
                let outcome = live.stream.loaded(loaded, &mut send);
                self.tally.pushes += live.stream.position - before;
                match outcome {
                    Ok(()) => self.load_if_needed(Recheck::AsHeard, now),
                    Err(close) => self.close(close),
                }
            }
            Phase::AwaitingConnect { .. } | Phase::Authenticating(_) | Phase::Closed => {}
        }
    }

    /// The read asked for by [`Action::Load`] has failed.
    ///
    /// Closes 3004 before the connect reply, so that the client comes back later. After
    /// it the read is asked for again until [`Settings::load_timeout`] is over: a store
    /// that comes back must not be met by every client reconnecting at once.
    pub fn load_failed(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Live(live) => {
                let pause = LOAD_PAUSE.mul_f64(f64::midpoint(1.0, self.jitter));
                live.stream.load_failed(now + pause);
            }
            Phase::AwaitingConnect { .. } | Phase::Authenticating(_) | Phase::Subscribing(_) => {
                self.close(Close::Internal);
            }
            Phase::Closed => {}
        }
    }

    /// Rows of the client's stream were committed. They may be repeated, out of
    /// order or incomplete: the machine skips what it has and reads what it lacks.
    pub fn advance(&mut self, epoch: &str, rows: &[Publication], now: Instant) {
        match &mut self.phase {
            Phase::Subscribing(subscribing) => subscribing.heard = true,
            Phase::Live(live) => {
                let before = live.stream.position;
                let mut send = |frame| self.actions.push_back(Action::Send(frame));
                let outcome = live.stream.advance(epoch, rows, &mut send);
                self.tally.pushes += live.stream.position - before;
                match outcome {
                    Ok(()) => self.load_if_needed(Recheck::AsHeard, now),
                    Err(close) => self.close(close),
                }
            }
            Phase::AwaitingConnect { .. } | Phase::Authenticating(_) | Phase::Closed => {}
        }
    }

    /// The stream's top was read by someone else, to find hints that were lost.
    pub fn top(&mut self, epoch: &str, offset: u64, now: Instant) {
        match &mut self.phase {
            Phase::Subscribing(subscribing) => subscribing.heard = true,
            Phase::Live(live) => match live.stream.top(epoch, offset) {
                Ok(recheck) => self.load_if_needed(recheck, now),
                Err(close) => self.close(close),
            },
            Phase::AwaitingConnect { .. } | Phase::Authenticating(_) | Phase::Closed => {}
        }
    }

    /// Ends the connection: [`Close::Shutdown`] when the process drains,
    /// [`Close::InvalidToken`] for bad credentials, [`Close::Slow`] when writes do
    /// not get through. What is already queued is sent before; later events do
    /// nothing.
    pub fn close(&mut self, close: Close) {
        if !matches!(self.phase, Phase::Closed) {
            self.phase = Phase::Closed;
            self.actions.push_back(Action::Close(close));
        }
    }

    fn command(&mut self, command: Command, now: Instant) {
        let Command { id, request } = command;
        match request {
            Request::Pong => {}
            Request::Connect(connect) => self.connect(id, connect, now),
            Request::History(_)
            | Request::Ping
            | Request::Send
            | Request::NotOffered { .. }
            | Request::Unknown => {
                let request = Command { id, request };
                if !well_formed(&request) {
                    return self.close(Close::BadRequest);
                }
                match &mut self.phase {
                    Phase::AwaitingConnect { .. } => self.close(Close::BadRequest),
                    Phase::Authenticating(Authenticating { deferred, .. })
                    | Phase::Subscribing(Subscribing { deferred, .. }) => {
                        if deferred.len() == DEFERRED_MAX {
                            self.close(Close::TooManyRequests);
                        } else {
                            deferred.push(request);
                        }
                    }
                    Phase::Live(_) => self.answer(request, now),
                    Phase::Closed => {}
                }
            }
        }
    }

    fn connect(&mut self, id: u32, connect: Connect, now: Instant) {
        if id == 0 || !matches!(self.phase, Phase::AwaitingConnect { .. }) {
            return self.close(Close::BadRequest);
        }
        self.phase = Phase::Authenticating(Authenticating {
            connect_id: id,
            until: now + self.settings.connect_timeout,
            recover: connect.recover,
            deferred: Vec::new(),
        });
        self.actions
            .push_back(Action::Authenticate(connect.credentials));
    }

    /// Writes the connect reply from the first read and goes live at its top.
    fn subscribe(&mut self, loaded: &Loaded, now: Instant) {
        let Phase::Subscribing(subscribing) = &mut self.phase else {
            return;
        };
        if !loaded.in_order() {
            return self.close(Close::Internal);
        }
        let recovered = subscribing.recover.as_ref().and_then(|position| {
            let rows = loaded.all_after(position.offset)?;
            position
                .fits(&loaded.epoch)
                .then_some((position.offset, rows))
        });
        self.tally.recovered = subscribing.recover.as_ref().map(|_| recovered.is_some());
        let (offset, publications) = recovered.unwrap_or((loaded.top, &[]));
        let ping = self.settings.ping_interval;
        let reply = json::encode(&Reply::Connect {
            id: subscribing.connect_id,
            connected: Connected {
                client: &subscribing.identity.client,
                version: &self.settings.version,
                ping_seconds: ping.as_secs() + u64::from(ping.subsec_nanos() > 0),
                channel: &subscribing.identity.channel,
                subscribed: Subscribed {
                    epoch: &loaded.epoch,
                    offset,
                    was_recovering: subscribing.recover.is_some(),
                    recovered: recovered.is_some(),
                    publications,
                },
            },
        });
        self.actions.push_back(Action::Send(reply));

        // What was announced meanwhile may be newer than the read, or of another epoch:
        // the store is asked once more.
        let recheck = if subscribing.heard {
            Recheck::Needed
        } else {
            Recheck::AsHeard
        };
        let deferred = std::mem::take(&mut subscribing.deferred);
        let channel = std::mem::take(&mut subscribing.identity.channel);
        self.phase = Phase::Live(Live {
            stream: Stream::new(channel, loaded.epoch.clone(), loaded.top),
            keepalive: Keepalive::new(&self.settings, self.jitter, now),
            expires_at: subscribing.identity.expires_at,
        });
        for command in deferred {
            self.answer(command, now);
        }
        self.load_if_needed(recheck, now);
    }

    /// Answers a well-formed command other than connect on a live connection.
    fn answer(&mut self, command: Command, now: Instant) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        let Command { id, request } = command;
        let own = |channel: &str| channel == live.stream.channel;
        let error = match request {
            Request::History(history) if own(&history.channel) => {
                match live.stream.ask(id, &history, self.settings.rows_max) {
                    Ok(()) => return self.load_if_needed(Recheck::AsHeard, now),
                    Err(error) => error,
                }
            }
            Request::History(_) => ErrorCode::PermissionDenied,
            Request::NotOffered {
                channel: Some(channel),
            } if !own(&channel) => ErrorCode::PermissionDenied,
            Request::NotOffered { .. } => ErrorCode::NotAvailable,
            Request::Ping => return self.send(&Reply::Pong { id }),
            Request::Send => return self.close(Close::NotAvailable),
            Request::Unknown => ErrorCode::MethodNotFound,
            Request::Connect(_) | Request::Pong => return,
        };
        self.send(&Reply::Error { id, error });
    }

    fn load_if_needed(&mut self, recheck: Recheck, now: Instant) {
        let Phase::Live(live) = &mut self.phase else {
            return;
        };
        let until = now + self.settings.load_timeout;
        let load = live
            .stream
            .next_load(recheck, self.settings.rows_max, until);
        self.actions.extend(load.map(Action::Load));
    }

    fn send(&mut self, reply: &Reply<'_>) {
        self.actions.push_back(Action::Send(json::encode(reply)));
    }
}

/// Whether a command other than connect and pong carries the id and the channel it
/// needs. The name's bound keeps deferred commands small.
fn well_formed(command: &Command) -> bool {
    let named = |channel: &str| !channel.is_empty() && channel.len() <= CHANNEL_BYTES_MAX;
    match &command.request {
        Request::Send => true,
        Request::History(history) => command.id != 0 && named(&history.channel),
        Request::NotOffered { channel } => command.id != 0 && channel.as_deref().is_none_or(named),
        Request::Connect(_) | Request::Ping | Request::Pong | Request::Unknown => command.id != 0,
    }
}
