//! The I/O of a publisher, made up around its hub and its connections.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use centrifuge::{Action, Close, Connection, Identity, LoadRequest, Loaded, Settings};
use publisher::hub::{Hub, Position, Seat};
use publisher::mailbox::Mailbox;
use publisher::publication;
use task::Hints;

use crate::mutant::Mutant;
use crate::world::World;

/// The connections of one player to one process.
const MEMBERS_MAX: usize = 8;

/// One process.
#[derive(Debug)]
pub(crate) struct Publisher {
    hub: Arc<Hub>,
    /// Hints on their way.
    arriving: Vec<Hints>,
    sessions: Vec<Session>,
    comparison: Comparison,
}

/// How far a comparison of positions has come.
#[derive(Debug, Default)]
enum Comparison {
    #[default]
    Due,
    Taken(Vec<Position>),
    Read(Vec<Position>, String, Vec<u64>),
}

/// One client's connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: usize,
    player: usize,
    connection: Connection,
    mailbox: Arc<Mailbox>,
    seat: Option<Seat>,
    reading: Reading,
    is_connected: bool,
    /// Written and not yet read by the client.
    pub(crate) written: VecDeque<Written>,
    /// For a mutant: what was read before.
    stale: Option<Loaded>,
}

#[derive(Debug)]
pub(crate) enum Written {
    Frame(String),
    Close(Close),
}

#[derive(Debug)]
enum Reading {
    Nothing,
    Asked(LoadRequest),
    Read(Loaded),
}

impl Publisher {
    pub(crate) fn new() -> Self {
        Self {
            hub: Hub::new(MEMBERS_MAX),
            arriving: Vec::new(),
            sessions: Vec::new(),
            comparison: Comparison::default(),
        }
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.arriving.is_empty()
    }

    pub(crate) fn session(&mut self, client: usize) -> Option<&mut Session> {
        let mut sessions = self.sessions.iter_mut();
        sessions.find(|session| session.client == client)
    }

    /// The client's connection is over.
    pub(crate) fn drop_session(&mut self, client: usize) {
        self.sessions.retain(|session| session.client != client);
    }
}

impl World {
    /// Hints to every publisher, after a commit.
    pub(crate) fn send(&mut self, hints: &Hints) {
        let mut hints = hints.clone();
        if self.lacks(Mutant::WrongOffset) {
            for hint in &mut hints.rows {
                hint.offset += 1;
            }
        }
        for publisher in &mut self.publishers {
            publisher.arriving.push(hints.clone());
        }
    }

    /// The process dies: its clients come back to whichever there is.
    pub(crate) fn crash_publisher(&mut self, publisher: usize) {
        self.tell(|| format!("publisher {publisher} dies"));
        let sessions = std::mem::take(&mut self.publishers[publisher].sessions);
        for session in sessions {
            self.clients[session.client].is_away();
        }
        self.publishers[publisher] = Publisher::new();
    }

    /// Hints come in any order, more than once, or not at all.
    pub(crate) fn hear(&mut self, publisher: usize) {
        let is_lost = self.fails(15);
        let is_repeated = self.fails(10);
        let own = &mut self.publishers[publisher];
        if own.arriving.is_empty() {
            return;
        }
        let nth = self.chance.below(own.arriving.len());
        let hints = if is_repeated {
            own.arriving[nth].clone()
        } else {
            own.arriving.swap_remove(nth)
        };
        if !is_lost {
            own.hub.tell(&hints);
        }
    }

    /// One step of the comparison of positions. Between two of them anything may happen.
    pub(crate) fn compare(&mut self, publisher: usize) {
        if self.lacks(Mutant::NoComparison) {
            return;
        }
        let own = &mut self.publishers[publisher];
        own.comparison = match std::mem::take(&mut own.comparison) {
            Comparison::Due => Comparison::Taken(own.hub.positions()),
            Comparison::Taken(_) if self.ledger_is_away => Comparison::Due,
            Comparison::Taken(positions) => {
                let top = |position: &Position| {
                    let rows = self.ledger.rows(position.project, &position.player);
                    rows.len() as u64
                };
                let tops = positions.iter().map(top).collect();
                Comparison::Read(positions, self.ledger.epoch().to_owned(), tops)
            }
            Comparison::Read(positions, epoch, tops) => {
                own.hub.compare(&positions, &epoch, &tops);
                Comparison::Due
            }
        };
    }

    /// A client has connected and sent its first command.
    pub(crate) fn open(&mut self, publisher: usize, client: usize, frame: &str) {
        let settings = Arc::clone(&self.settings);
        let mut connection = Connection::new(settings, self.chance.fraction(), self.now);
        connection.receive(frame.as_bytes(), self.now);
        self.publishers[publisher].sessions.push(Session {
            client,
            player: self.clients[client].player,
            connection,
            mailbox: Arc::default(),
            seat: None,
            reading: Reading::Nothing,
            is_connected: false,
            written: VecDeque::new(),
            stale: None,
        });
        self.act(publisher, client);
    }

    /// A command of a client that is connected.
    pub(crate) fn receive(&mut self, publisher: usize, client: usize, frame: &str) {
        let now = self.now;
        if let Some(session) = self.publishers[publisher].session(client) {
            session.connection.receive(frame.as_bytes(), now);
        }
        self.act(publisher, client);
    }

    /// One event of one connection: a read begins, ends or fails, news, or time.
    pub(crate) fn step_session(&mut self, publisher: usize, client: usize) {
        let fails = self.ledger_is_away || self.fails(5);
        let is_stale = self.lacks(Mutant::StaleRead);
        let (now, which) = (self.now, self.chance.below(3));
        let Some(session) = self.publishers[publisher].session(client) else {
            return;
        };
        match (
            which,
            std::mem::replace(&mut session.reading, Reading::Nothing),
        ) {
            (0, Reading::Asked(_)) if fails => session.connection.load_failed(now),
            (0, Reading::Asked(request)) => {
                let player = &self.scenario.players[session.player];
                let after = request.after.and_then(|after| i64::try_from(after).ok());
                let after = after.unwrap_or(i64::MAX);
                let stream = self.ledger.stream(self.scenario.project, player, after);
                let fresh = publication::loaded(stream);
                let stale = session.stale.replace(fresh.clone());
                session.reading = Reading::Read(stale.filter(|_| is_stale).unwrap_or(fresh));
            }
            (0, Reading::Read(loaded)) => {
                if !std::mem::replace(&mut session.is_connected, true)
                    && let Some(seat) = &session.seat
                {
                    seat.has_read(&loaded.epoch, loaded.top);
                }
                session.connection.loaded(&loaded, now);
            }
            (1, reading) => {
                session.reading = reading;
                return self.tell_news(publisher, client);
            }
            (_, reading) => {
                session.reading = reading;
                session.connection.tick(now);
            }
        }
        self.act(publisher, client);
    }

    fn tell_news(&mut self, publisher: usize, client: usize) {
        let now = self.now;
        let Some(session) = self.publishers[publisher].session(client) else {
            return;
        };
        let news = session.mailbox.take();
        for (epoch, row) in &news.rows {
            let rows = std::slice::from_ref(row);
            if let Some(session) = self.publishers[publisher].session(client) {
                session.connection.advance(epoch, rows, now);
            }
            self.act(publisher, client);
        }
        if let Some(session) = self.publishers[publisher].session(client) {
            if let Some((epoch, top)) = &news.top {
                session.connection.top(epoch, *top, now);
            }
            if let Some(close) = news.close {
                session.connection.close(close);
            }
        }
        self.act(publisher, client);
    }

    /// Carries out everything the connection asks for.
    fn act(&mut self, publisher: usize, client: usize) {
        let (now, hub) = (self.now, Arc::clone(&self.publishers[publisher].hub));
        let project = self.scenario.project;
        let players = self.scenario.players.clone();
        let Some(session) = self.publishers[publisher].session(client) else {
            return;
        };
        while let Some(action) = session.connection.next_action() {
            match action {
                Action::Send(frame) => session.written.push_back(Written::Frame(frame)),
                Action::Load(request) => session.reading = Reading::Asked(request),
                Action::Close(close) => session.written.push_back(Written::Close(close)),
                Action::Authenticate(_) => {
                    let player = players[session.player].clone();
                    let mailbox = Arc::clone(&session.mailbox);
                    // Before the connection is told, for rows committed from here on must
                    // reach it.
                    session.seat = Some(hub.join(project, player, mailbox));
                    let identity = Identity {
                        client: client.to_string(),
                        channel: channel(session.player),
                        expires_at: None,
                    };
                    session.connection.authenticated(identity, now);
                }
            }
        }
    }
}

/// The channel of a player.
pub(crate) fn channel(player: usize) -> String {
    format!("orders:44056#player-{player}")
}

/// Bounds that no run comes near but those of failed reads.
pub(crate) fn settings() -> Settings {
    let never = Duration::from_hours(24 * 365);
    Settings {
        ping_interval: never,
        pong_timeout: never,
        lifetime_max: never,
        connect_timeout: never,
        commands_per_second: NonZeroU32::MAX,
        commands_burst: NonZeroU32::MAX,
        ..Settings::default()
    }
}
