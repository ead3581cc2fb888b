//! A player's game: one connection that hears of its orders.

use std::collections::VecDeque;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::roles::{LOGIN_PROJECT, LOGIN_SECRET, PROJECT, Role};

/// A connected and subscribed client.
pub(crate) struct Player {
    stream: tokio_tungstenite::WebSocketStream<TcpStream>,
    /// Heard and not told yet.
    heard: VecDeque<(i64, String)>,
}

impl Player {
    pub(crate) async fn connect(line: &Role, name: &str) -> Self {
        let claims = json!({
            "sub": name, "iss": "https://login.xsolla.com",
            "xsolla_login_project_id": LOGIN_PROJECT,
            "exp": task::now().unix_timestamp() + 3_600
        });
        let key = jsonwebtoken::EncodingKey::from_secret(LOGIN_SECRET.as_bytes());
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let stream = TcpStream::connect(line.publisher).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{}/connection/websocket", line.publisher);
        // Ten thousand of them with the usual buffers would take gigabytes.
        let buffers = WebSocketConfig::default()
            .read_buffer_size(4_096)
            .write_buffer_size(4_096);
        let connected = client_async_with_config(url, stream, Some(buffers)).await;
        let (mut stream, _) = connected.unwrap();
        let connect = json!({"id": 1, "connect": {"data": {"auth": token, "project_id": PROJECT}}});
        stream
            .send(Message::text(connect.to_string()))
            .await
            .unwrap();
        let reply = stream.next().await.unwrap().unwrap();
        assert!(reply.to_text().unwrap().contains("subs"), "{reply}");
        Self {
            stream,
            heard: VecDeque::new(),
        }
    }

    /// The next status that is pushed, and the order it is of.
    pub(crate) async fn hear(&mut self) -> (i64, String) {
        loop {
            if let Some(status) = self.heard.pop_front() {
                return status;
            }
            let frames = self.stream.next().await.unwrap().unwrap();
            // One message may carry several frames, a line each.
            for frame in frames.to_text().unwrap().lines() {
                let frame: Value = serde_json::from_str(frame).unwrap();
                if frame == json!({}) {
                    self.stream.send(Message::text("{}")).await.unwrap();
                }
                let data = &frame["push"]["pub"]["data"];
                if let (Some(order), Some(status)) =
                    (data["order_id"].as_i64(), data["status"].as_str())
                {
                    self.heard.push_back((order, status.to_owned()));
                }
            }
        }
    }
}
