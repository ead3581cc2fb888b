//! The game client's side: connects as the snippet of Xsolla's page does, hears statuses,
//! asks for its history, and polls.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use order::Status;
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};

use crate::http::{Answer, Http, HttpError};
use crate::purchase::Purchase;
use crate::sale::findings::Stream;
use crate::sale::journal::Row;
use crate::target::GameClient;

/// Seconds a player's token is good for.
pub(crate) const TOKEN_LIFE_S: i64 = 3_600;

/// One open connection of a player.
pub(crate) struct Connection {
    socket: WebSocketStream<TokioIo<Upgraded>>,
    channel: String,
    order: i64,
    /// Statuses of the order that came while something else was awaited.
    heard: VecDeque<String>,
    /// Messages of a frame that held several.
    unread: VecDeque<Value>,
    commands: u32,
}

/// Why the client cannot hear.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("no token could be made: {0}")]
    Token(#[from] jsonwebtoken::errors::Error),
    #[error("the WebSocket was answered {0} instead of 101")]
    Refused(StatusCode),
    #[error("the answer to the handshake does not fit its key")]
    Handshake,
    #[error("the client was connected and subscribed to nothing: {0}")]
    NotSubscribed(Value),
    #[error("the connection was closed with {code} {reason}")]
    Closed { code: u16, reason: String },
    #[error("the connection ended")]
    Gone,
    #[error("the connection broke: {0}")]
    WebSocket(#[from] WebSocketError),
    #[error("a frame is no JSON: {0}")]
    NoJson(#[from] serde_json::Error),
    #[error("nothing came within {0:?}")]
    Silent(Duration),
    #[error("a row of the history is none: {0}")]
    NoRow(Value),
    #[error("polling was answered {0}")]
    Poll(String),
}

impl Connection {
    /// Connects with the player's token and waits until the channel is subscribed.
    pub(crate) async fn open(
        http: &Http,
        at: &GameClient,
        of: &Purchase,
        unix_now: i64,
        limit: Duration,
    ) -> Result<Self, ClientError> {
        let token = at.token(&of.player, unix_now + TOKEN_LIFE_S)?;
        let opening = async {
            let socket = handshake(http, &at.url).await?;
            let mut connection = Self {
                socket,
                channel: String::new(),
                order: of.order,
                heard: VecDeque::new(),
                unread: VecDeque::new(),
                commands: 0,
            };
            let data = json!({"auth": token, "project_id": of.project});
            let reply = connection.ask("connect", json!({"data": data})).await?;
            let subscribed = reply["subs"].as_object();
            match subscribed.and_then(|subs| subs.keys().next()) {
                Some(channel) => channel.clone_into(&mut connection.channel),
                None => return Err(ClientError::NotSubscribed(reply)),
            }
            Ok(connection)
        };
        timeout(limit, opening)
            .await
            .unwrap_or(Err(ClientError::Silent(limit)))
    }

    /// The next status pushed for the order.
    pub(crate) async fn status(&mut self, limit: Duration) -> Result<String, ClientError> {
        let next = async {
            loop {
                if let Some(status) = self.heard.pop_front() {
                    return Ok(status);
                }
                let message = self.message().await?;
                self.take_push(&message);
            }
        };
        timeout(limit, next)
            .await
            .unwrap_or(Err(ClientError::Silent(limit)))
    }

    /// Every status of the order in the player's history, oldest first.
    pub(crate) async fn history(&mut self, limit: Duration) -> Result<Vec<String>, ClientError> {
        let asked = json!({"channel": self.channel, "since": {"offset": 0}, "limit": -1});
        let reply = timeout(limit, self.ask("history", asked)).await;
        let reply = reply.unwrap_or(Err(ClientError::Silent(limit)))?;
        let rows = reply["publications"].as_array().into_iter().flatten();
        Ok(rows.filter_map(|row| self.status_in(row)).collect())
    }

    /// The whole history of the player, whatever orders it is about.
    pub(crate) async fn stream(&mut self, limit: Duration) -> Result<Stream, ClientError> {
        let asked = json!({"channel": self.channel, "since": {"offset": 0}, "limit": -1});
        let reply = timeout(limit, self.ask("history", asked)).await;
        let reply = reply.unwrap_or(Err(ClientError::Silent(limit)))?;
        let rows = reply["publications"].as_array().into_iter().flatten();
        let row = |row: &Value| {
            Some(Row {
                offset: row["offset"].as_u64()?,
                order: row["data"]["order_id"].as_i64()?,
                status: Status::from_name(row["data"]["status"].as_str()?)?,
            })
        };
        let unread = |found: &Value| ClientError::NoRow(found.clone());
        Ok(Stream {
            epoch: reply["epoch"].as_str().unwrap_or_default().to_owned(),
            offset: reply["offset"].as_u64().unwrap_or_default(),
            rows: rows
                .map(|found| row(found).ok_or_else(|| unread(found)))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Ends the connection as a page does that has heard the last status.
    pub(crate) async fn close(mut self) {
        // A server that is gone already is closed as well.
        let _ = self.socket.close(None).await;
    }

    /// Sends a command and waits for its reply. Statuses that come before it are kept.
    async fn ask(&mut self, command: &str, parameters: Value) -> Result<Value, ClientError> {
        self.commands += 1;
        let id = self.commands;
        let asked = json!({"id": id, command: parameters}).to_string();
        self.socket.send(Message::text(asked)).await?;
        loop {
            let mut message = self.message().await?;
            if message["id"] == id {
                return Ok(message[command].take());
            }
            self.take_push(&message);
        }
    }

    fn take_push(&mut self, message: &Value) {
        self.heard.extend(self.status_in(&message["push"]["pub"]));
    }

    fn status_in(&self, publication: &Value) -> Option<String> {
        let data = &publication["data"];
        let is_ours = data["order_id"] == self.order;
        is_ours.then(|| data["status"].as_str().unwrap_or_default().to_owned())
    }

    /// The next message that is no ping.
    async fn message(&mut self) -> Result<Value, ClientError> {
        loop {
            if let Some(message) = self.unread.pop_front() {
                if message == json!({}) {
                    self.socket.send(Message::text("{}")).await?;
                    continue;
                }
                return Ok(message);
            }
            match self.socket.next().await.ok_or(ClientError::Gone)?? {
                Message::Text(text) => {
                    for line in text.lines().filter(|line| !line.trim().is_empty()) {
                        self.unread.push_back(serde_json::from_str(line)?);
                    }
                }
                Message::Close(Some(close)) => {
                    return Err(ClientError::Closed {
                        code: close.code.into(),
                        reason: close.reason.as_str().to_owned(),
                    });
                }
                Message::Close(None) => return Err(ClientError::Gone),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

pub(crate) async fn handshake(
    http: &Http,
    base: &str,
) -> Result<WebSocketStream<TokioIo<Upgraded>>, ClientError> {
    let url = format!("{}/connection/websocket", base.trim_end_matches('/'));
    let key = generate_key();
    let request = Request::builder()
        .method(Method::GET)
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", &key);
    let answer = http.head(&url, request, Bytes::new()).await?;
    if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(ClientError::Refused(answer.status()));
    }
    let accepted = answer.headers().get("sec-websocket-accept");
    if accepted.is_none_or(|it| it != derive_accept_key(key.as_bytes()).as_str()) {
        return Err(ClientError::Handshake);
    }
    let upgraded = hyper::upgrade::on(answer).await;
    let upgraded = upgraded.map_err(|source| HttpError::Broken {
        url,
        source: source.into(),
    })?;
    let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None);
    Ok(socket.await)
}

/// Asks for the order's status as a client does that cannot connect.
pub(crate) async fn poll(
    http: &Http,
    at: &GameClient,
    of: &Purchase,
    unix_now: i64,
) -> Result<String, ClientError> {
    let answer = ask_status(http, at, of, unix_now).await?;
    match answer.json()["status"].as_str() {
        Some(status) if answer.status == StatusCode::OK => Ok(status.to_owned()),
        _ => Err(ClientError::Poll(answer.summary())),
    }
}

/// The answer to a poll, whatever it is.
pub(crate) async fn ask_status(
    http: &Http,
    at: &GameClient,
    of: &Purchase,
    unix_now: i64,
) -> Result<Answer, ClientError> {
    let base = at.url.trim_end_matches('/');
    let url = format!("{base}/api/v2/project/{}/order/{}", of.project, of.order);
    let token = at.token(&of.player, unix_now + TOKEN_LIFE_S)?;
    let request = Request::builder().header("authorization", format!("Bearer {token}"));
    Ok(http.send(&url, request, Bytes::new()).await?)
}
