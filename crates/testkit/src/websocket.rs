//! A bare WebSocket client: one message in, one message out, and nothing done unasked.
//!
//! The handshake is written by hand, because the library's client insists on an answer to
//! the subprotocols it offers, which not every game client does.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Longest wait for a message that must come, on a loaded machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Any sixteen bytes.
const KEY: &str = "dGVzdGtpdCBpcyBoZXJlIQ==";

/// How a [`WebSocket`] is opened.
#[derive(Clone, Debug, Default)]
pub struct WebSocketOptions {
    /// Further headers of the handshake.
    pub headers: Vec<(&'static str, String)>,
    /// Bytes the kernel takes in before the client reads; its own choice if `None`.
    pub receive_buffer: Option<u32>,
}

/// One open connection.
#[derive(Debug)]
pub struct WebSocket {
    stream: WebSocketStream<TcpStream>,
    protocol: Option<String>,
}

/// What the server says.
#[derive(Clone, Debug, PartialEq)]
pub enum Heard {
    /// A text message, one JSON document.
    Message(Value),
    /// A close frame.
    Close(u16, String),
    /// An answer to a ping of WebSocket's own.
    Pong,
    /// The TCP connection ended without a close frame.
    Gone,
}

impl WebSocket {
    /// Opens a connection.
    ///
    /// # Panics
    /// When the handshake is refused.
    pub async fn open(at: SocketAddr, path: &str) -> Self {
        Self::open_with(at, path, WebSocketOptions::default())
            .await
            .expect("the handshake is accepted")
    }

    /// Opens a connection, or says with which status the server refused it.
    ///
    /// # Errors
    /// The status of the answer.
    ///
    /// # Panics
    /// When there is no server at all.
    pub async fn open_with(
        at: SocketAddr,
        path: &str,
        options: WebSocketOptions,
    ) -> Result<Self, u16> {
        let socket = TcpSocket::new_v4().expect("a socket");
        if let Some(bytes) = options.receive_buffer {
            socket
                .set_recv_buffer_size(bytes)
                .expect("a smaller buffer");
        }
        let mut tcp = socket.connect(at).await.expect("a server");
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: {at}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        );
        for (name, value) in &options.headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        request.push_str("\r\n");
        tcp.write_all(request.as_bytes()).await.expect("a server");
        let mut answer = Vec::new();
        let head_bytes = loop {
            if let Some(at) = answer.windows(4).position(|end| end == b"\r\n\r\n") {
                break at + 4;
            }
            let read = tcp.read_buf(&mut answer).await.expect("an answer");
            assert_ne!(read, 0, "the server closes without an answer");
        };
        let rest = answer.split_off(head_bytes);
        let head = String::from_utf8(answer).expect("a head in ASCII");
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        match status.expect("a status") {
            101 => {}
            refused => return Err(refused),
        }
        let accepted = field(&head, "sec-websocket-accept");
        assert_eq!(accepted, Some(derive_accept_key(KEY.as_bytes()).as_str()));
        let protocol = field(&head, "sec-websocket-protocol").map(str::to_owned);
        let stream = WebSocketStream::from_partially_read(tcp, rest, Role::Client, None).await;
        Ok(Self { stream, protocol })
    }

    /// The subprotocol the server chose.
    #[must_use]
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// Sends one text message.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn send(&mut self, text: impl ToString) {
        let sent = self.stream.send(Message::text(text.to_string())).await;
        sent.expect("the connection is open");
    }

    /// Sends one text message, and does not mind if nobody is there.
    pub async fn try_send(&mut self, text: impl ToString) {
        let _ = self.stream.send(Message::text(text.to_string())).await;
    }

    /// Sends a ping of WebSocket's own.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn ping(&mut self) {
        let sent = self.stream.send(Message::Ping(vec![1, 2, 3].into())).await;
        sent.expect("the connection is open");
    }

    /// What the server says next.
    ///
    /// # Panics
    /// When it says nothing for a minute, or a text that is not one JSON document.
    pub async fn heard(&mut self) -> Heard {
        let next = tokio::time::timeout(PATIENCE, self.next()).await;
        next.expect("the server says something")
    }

    /// The next message that is no ping of the protocol.
    ///
    /// # Panics
    /// When the connection ends.
    pub async fn message(&mut self) -> Value {
        loop {
            match self.heard().await {
                Heard::Message(message) if message == serde_json::json!({}) => {}
                Heard::Message(message) => return message,
                Heard::Pong => {}
                end @ (Heard::Close(..) | Heard::Gone) => panic!("the connection ended: {end:?}"),
            }
        }
    }

    /// Reads to the end and tells how it ended, with the messages on the way.
    pub async fn end(&mut self) -> (Vec<Value>, Heard) {
        let mut messages = Vec::new();
        loop {
            match self.heard().await {
                Heard::Message(message) => messages.push(message),
                Heard::Pong => {}
                end @ (Heard::Close(..) | Heard::Gone) => return (messages, end),
            }
        }
    }

    async fn next(&mut self) -> Heard {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let document = serde_json::from_str(&text);
                    return Heard::Message(document.expect("one JSON document a message"));
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Heard::Close(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Pong(_))) => return Heard::Pong,
                Some(Ok(Message::Ping(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Binary(_))) => panic!("a binary message on a JSON connection"),
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Heard::Gone,
            }
        }
    }
}

/// A field of an HTTP head.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(found, _)| found.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
