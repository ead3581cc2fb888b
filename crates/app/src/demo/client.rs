//! A game client: connects as the snippet of Xsolla's page does, and hears statuses.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::play::Line;

const PATIENCE: Duration = Duration::from_secs(10);

/// One open connection of a player.
pub(crate) struct GameClient(WebSocketStream<TcpStream>);

impl GameClient {
    /// Connects with the player's token and waits until the channel is subscribed.
    pub(crate) async fn connect(at: SocketAddr, project: i64, token: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(at).await?;
        let url = format!("ws://{at}/connection/websocket");
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await?;
        let mut client = Self(socket);
        let connect = json!({"id": 1, "connect": {"data": {"auth": token, "project_id": project}}});
        client.0.send(Message::text(connect.to_string())).await?;
        let reply = client.frame().await?;
        if reply["connect"]["subs"].is_null() {
            bail!("the publisher did not subscribe the client: {reply}");
        }
        Ok(client)
    }

    /// The next status pushed for this order.
    pub(crate) async fn status(&mut self, order: i64) -> anyhow::Result<String> {
        loop {
            let frame = self.frame().await?;
            let data = &frame["push"]["pub"]["data"];
            if data["order_id"] == order {
                return Ok(data["status"].as_str().unwrap_or_default().to_owned());
            }
        }
    }

    /// Ends the connection as a page does that has heard the last status.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        Ok(self.0.close(None).await?)
    }

    /// The next frame that is no ping.
    async fn frame(&mut self) -> anyhow::Result<Value> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.next()).await;
            let frame = frame.context("the publisher said nothing for 10 s")?;
            match frame.context("the publisher closed the connection")?? {
                Message::Text(text) if text.as_str() == "{}" => {
                    self.0.send(Message::text("{}")).await?;
                }
                Message::Text(text) => return Ok(serde_json::from_str(&text)?),
                Message::Close(close) => bail!("the publisher closed the connection: {close:?}"),
                Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

/// A token as Xsolla Login makes them, for the demo's own login secret.
pub(crate) fn token(line: &Line, player: &str, expires_at: i64) -> anyhow::Result<String> {
    let claims = json!({
        "sub": player, "iss": line.issuer, "exp": expires_at,
        "xsolla_login_project_id": line.login_project
    });
    let key = EncodingKey::from_secret(line.login_secret.as_bytes());
    Ok(jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &claims,
        &key,
    )?)
}
