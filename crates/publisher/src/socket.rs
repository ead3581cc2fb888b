//! One client's WebSocket: the task that drives its [`Connection`].
//!
//! After each event every action is carried out before the next event is fed, so a slow
//! client slows itself down and nothing piles up for it here but the bounded mailbox.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use centrifuge::{Action, Close, Connection, Credentials, Identity, LoadRequest, Tally};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use ledger::LedgerError;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::credentials::{Bearer, authenticate};
use crate::hub::Seat;
use crate::mailbox::{Mailbox, News};
use crate::metrics::ReadCause;
use crate::publication::Booked;
use crate::reader::Read;
use crate::shared::Shared;
use crate::token::TokenFault;

/// How long a client may take to answer a close before its TCP connection is dropped.
const CLOSE_LINGER: Duration = Duration::from_secs(2);

/// A timer without a deadline sleeps this long; it only has to be beyond every other one.
const NO_DEADLINE: Duration = Duration::from_hours(24);

/// Messages that are looked at before time is said to have passed. A client that sends
/// more has been heard by then.
const ARRIVED_MAX: usize = 4;

type Reading = Pin<Box<dyn Future<Output = Result<Read, LedgerError>> + Send>>;

/// A client's connection from the end of its handshake on.
pub(crate) struct Socket {
    shared: Arc<Shared>,
    stream: WebSocketStream<TcpStream>,
    connection: Connection,
    /// Told to the client, and names the connection in the log.
    client: String,
    mailbox: Arc<Mailbox>,
    seat: Option<Seat>,
    reading: Option<Reading>,
    /// The first read is over.
    connected: bool,
    given: Tally,
    /// Rows that are being written, as far as the time of their booking is known.
    pushing: Vec<Booked>,
    bad_token: Option<TokenFault>,
    began_at: Instant,
}

/// What happens next to a connection.
enum Event {
    Received(Option<Result<Message, Error>>),
    Read(Result<Read, LedgerError>),
    News,
    Tick,
    Drained,
}

/// Why a connection is over.
#[derive(Debug)]
enum Ending {
    /// We close it.
    Close(Close),
    /// The client broke WebSocket itself.
    Broken(CloseCode),
    /// The client closed it, or its TCP connection is gone.
    Left,
}

impl Socket {
    pub(crate) fn new(shared: Arc<Shared>, stream: WebSocketStream<TcpStream>) -> Self {
        let began_at = Instant::now();
        let settings = Arc::clone(&shared.settings);
        Self {
            stream,
            connection: Connection::new(settings, rand::random(), began_at.into_std()),
            client: format!("{:032x}", rand::random::<u128>()),
            mailbox: Arc::default(),
            seat: None,
            reading: None,
            connected: false,
            given: Tally::default(),
            pushing: Vec::new(),
            bad_token: None,
            began_at,
            shared,
        }
    }

    /// Serves the client to its end.
    pub(crate) async fn run(mut self) {
        self.shared.metrics.opened();
        let ending = self.converse().await;
        self.finish(ending).await;
    }

    /// Ends a connection that must not begin, in words its library understands: an HTTP
    /// status would be tried again for ever.
    pub(crate) async fn refuse(mut self, close: Close) {
        self.shared.metrics.opened();
        self.finish(Ending::Close(close)).await;
    }

    async fn converse(&mut self) -> Ending {
        let shared = Arc::clone(&self.shared);
        // Each at a moment of its own, for clients come back within a second.
        let rest = shared.drain_spread.mul_f64(rand::random());
        let mut drained = pin!(async {
            shared.drain.cancelled().await;
            sleep(rest).await;
        });
        let mut timer = pin!(sleep_until(self.began_at));
        loop {
            let event = self.next(timer.as_mut(), drained.as_mut()).await;
            if let Err(ending) = self.feed(event).await {
                return ending;
            }
        }
    }

    async fn next(
        &mut self,
        mut timer: Pin<&mut Sleep>,
        drained: Pin<&mut impl Future<Output = ()>>,
    ) -> Event {
        let deadline = self.connection.next_deadline().map(Instant::from_std);
        let deadline = deadline.unwrap_or_else(|| Instant::now() + NO_DEADLINE);
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        let reading = async {
            match &mut self.reading {
                Some(reading) => reading.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.stream.next() => Event::Received(message),
            read = reading => Event::Read(read),
            () = self.mailbox.arrived() => Event::News,
            () = timer => Event::Tick,
            () = drained => Event::Drained,
        }
    }

    async fn feed(&mut self, event: Event) -> Result<(), Ending> {
        match event {
            Event::Received(message) => self.receive(message)?,
            Event::Read(read) => self.read(read),
            Event::News => return self.tell(self.mailbox.take()).await,
            Event::Tick => {
                // A pong that has arrived must count before it is missed.
                for _ in 0..ARRIVED_MAX {
                    let Some(message) = self.stream.next().now_or_never() else {
                        break;
                    };
                    self.receive(message)?;
                    self.act().await?;
                }
                self.connection.tick(now());
            }
            Event::Drained => self.connection.close(Close::Shutdown),
        }
        self.act().await
    }

    fn receive(&mut self, message: Option<Result<Message, Error>>) -> Result<(), Ending> {
        match message {
            Some(Ok(Message::Text(text))) => self.connection.receive(text.as_bytes(), now()),
            Some(Ok(Message::Binary(bytes))) => self.connection.receive(&bytes, now()),
            // Pings are answered by the library while we read on.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
            Some(Ok(Message::Close(_))) | None => return Err(Ending::Left),
            Some(Err(error)) => return Err(ending(&error)),
        }
        Ok(())
    }

    fn read(&mut self, read: Result<Read, LedgerError>) {
        self.reading = None;
        let cause = if std::mem::replace(&mut self.connected, true) {
            ReadCause::CatchUp
        } else {
            ReadCause::Connect
        };
        self.shared.metrics.read(cause, read.is_ok());
        match read {
            Ok(Read { loaded, booked }) => {
                if let (ReadCause::Connect, Some(seat)) = (cause, &self.seat) {
                    seat.has_read(&loaded.epoch, loaded.top);
                }
                let before = self.connection.tally().pushes;
                self.connection.loaded(&loaded, now());
                // The connect reply tells what was missed; what is pushed was committed later,
                // and is the end of what was read.
                let pushes = self.connection.tally().pushes - before;
                let pushes = usize::try_from(pushes).unwrap_or(usize::MAX);
                let known = booked.len().saturating_sub(pushes);
                self.pushing.extend_from_slice(&booked[known..]);
            }
            Err(error) => {
                // No louder: when the ledger is away every client has this line, and the
                // comparison of positions has said it for all.
                tracing::debug!(
                    client.id = self.client,
                    error = &error as &dyn std::error::Error,
                    "Cannot read a player's status stream"
                );
                self.connection.load_failed(now());
            }
        }
    }

    async fn tell(&mut self, mut news: News) -> Result<(), Ending> {
        for (epoch, row) in &news.rows {
            let before = self.connection.tally().pushes;
            self.connection
                .advance(epoch, std::slice::from_ref(row), now());
            // A row that the client has read before is not pushed again.
            let is_new = self.connection.tally().pushes > before;
            if is_new {
                let of_row = news.booked.iter().find(|(offset, _)| *offset == row.offset);
                self.pushing.extend(of_row.map(|(_, booked)| *booked));
            }
            self.act().await?;
            if is_new {
                let of_row = news
                    .pushes
                    .extract_if(.., |(offset, _)| *offset == row.offset);
                of_row.for_each(|(_, push)| push.written());
            }
        }
        if let Some((epoch, top)) = &news.top {
            self.connection.top(epoch, *top, now());
            self.act().await?;
        }
        if let Some(close) = news.close {
            self.connection.close(close);
        }
        self.act().await
    }

    /// Carries out everything the machine asks for.
    async fn act(&mut self) -> Result<(), Ending> {
        while let Some(action) = self.connection.next_action() {
            match action {
                Action::Send(frame) => self.write(Message::text(frame)).await?,
                Action::Authenticate(credentials) => self.authenticate(&credentials),
                Action::Load(request) => self.reading = self.load(request),
                Action::Close(close) => return Err(Ending::Close(close)),
            }
        }
        if !self.pushing.is_empty() {
            let wall = task::now();
            for booked in self.pushing.drain(..) {
                self.shared.metrics.pushed(booked, wall);
            }
        }
        let given = self.connection.tally();
        self.shared.metrics.given(self.given, given);
        self.given = given;
        Ok(())
    }

    async fn write(&mut self, message: Message) -> Result<(), Ending> {
        match timeout(self.shared.write_timeout, self.stream.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ending(&error)),
            Err(_) => Err(Ending::Close(Close::Slow)),
        }
    }

    fn authenticate(&mut self, credentials: &Credentials) {
        let wall = task::now();
        let Bearer {
            project,
            player,
            expires_at,
        } = match authenticate(&self.shared.verifiers, credentials, wall) {
            Ok(bearer) => bearer,
            Err(fault) => {
                self.bad_token = Some(fault);
                self.shared.metrics.bad_token("socket", fault);
                return self.connection.close(Close::InvalidToken);
            }
        };
        let channel = format!("orders:{project}#{player}");
        // Before the connection is told, for rows committed from here on must reach it.
        let mailbox = Arc::clone(&self.mailbox);
        self.seat = Some(self.shared.hub.join(project, player, mailbox));
        let left = Duration::try_from(expires_at - wall).unwrap_or_default();
        let identity = Identity {
            client: self.client.clone(),
            channel,
            // A date beyond the clock is as good as none.
            expires_at: now().checked_add(left),
        };
        self.connection.authenticated(identity, now());
    }

    fn load(&self, request: LoadRequest) -> Option<Reading> {
        let seat = self.seat.as_ref()?;
        let (project, player) = (seat.project, seat.player.clone());
        let reader = self.shared.reader.clone();
        Some(Box::pin(async move {
            reader.load(project, &player, request).await
        }))
    }

    /// Says goodbye, leaves the hub, and writes the connection's line.
    async fn finish(&mut self, ending: Ending) {
        self.reading = None;
        let seat = self.seat.take();
        let project = seat.as_ref().map(|seat| seat.project.get());
        drop(seat);
        let frame = match &ending {
            Ending::Close(close) => Some((CloseCode::from(close.code()), close.reason())),
            Ending::Broken(code) => Some((*code, "broken frame")),
            Ending::Left => None,
        };
        let code = match frame {
            Some((code, _)) => u16::from(code).to_string(),
            None => "left".to_owned(),
        };
        self.shared.metrics.closed(&code);
        tracing::info!(
            client.id = self.client,
            project.id = project,
            code,
            fault = self.bad_token.map(TokenFault::label),
            seconds = self.began_at.elapsed().as_secs(),
            pushes = self.given.pushes,
            "Client connection ended"
        );
        let frame = frame.map(|(code, reason)| CloseFrame {
            code,
            reason: reason.into(),
        });
        self.part(frame).await;
    }

    /// Writes the close frame and waits for the client's, so that what was written before
    /// is not thrown away by a reset.
    async fn part(&mut self, frame: Option<CloseFrame>) {
        let write_timeout = self.shared.write_timeout;
        let closing = async {
            let goodbye = async {
                match frame {
                    Some(frame) => self.stream.close(Some(frame)).await,
                    // The answer to the client's own close is written by the library.
                    None => self.stream.flush().await,
                }
            };
            let closed = timeout(write_timeout, goodbye).await;
            if matches!(closed, Ok(Ok(()))) {
                let answered = async { while let Some(Ok(_)) = self.stream.next().await {} };
                let _ = timeout(CLOSE_LINGER, answered).await;
            }
        };
        // Nothing is owed to a client any more once the process aborts.
        self.shared.abort.run_until_cancelled(closing).await;
    }
}

fn ending(error: &Error) -> Ending {
    match error {
        // 1009 is terminal for the libraries: the same message would only come again.
        Error::Capacity(_) => Ending::Broken(CloseCode::Size),
        Error::Utf8(_) => Ending::Broken(CloseCode::Invalid),
        Error::Protocol(_) => Ending::Broken(CloseCode::Protocol),
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Io(_)
        | Error::Tls(_)
        | Error::WriteBufferFull(_)
        | Error::AttackAttempt
        | Error::Url(_)
        | Error::Http(_)
        | Error::HttpFormat(_) => Ending::Left,
    }
}

/// The machine's clock, which is the timer's.
fn now() -> std::time::Instant {
    Instant::now().into_std()
}
