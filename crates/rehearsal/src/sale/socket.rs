//! A client as the snippet of Xsolla's page makes it, with the official library: it connects
//! with the player's token, reads the history whenever it is subscribed, hears pushes, comes
//! back and recovers when it loses the connection, and leaves at a final status.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use order::Status;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::game_client::{TOKEN_LIFE_S, handshake};

use super::journal::{Row, Seen};
use super::player::Player;

/// How long the library waits for a reply to its connect.
const CONNECTING: Duration = Duration::from_secs(5);
/// What it adds to the server's interval of pings before it gives up on the connection.
const LATE_PING: Duration = Duration::from_secs(10);
/// Its first and its longest pause before it connects again.
const PAUSE_MS: (u64, u64) = (500, 20_000);

/// How a client's watching ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The order's status is final.
    Final,
    /// The server wants no more of it.
    Refused,
}

/// Why a connection ended.
enum Lost {
    /// The order's status is final.
    Final,
    /// With a close code, or 0 without any.
    Closed(u16),
}

/// Where the client is in the stream.
#[derive(Clone, Debug)]
struct Position {
    channel: String,
    epoch: String,
    offset: u64,
}

#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    connect: Option<Connected>,
    #[serde(default)]
    history: Option<History>,
    #[serde(default)]
    push: Option<Push>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Connected {
    subs: BTreeMap<String, Subscribed>,
    #[serde(default)]
    ping: u64,
}

#[derive(Deserialize)]
struct Subscribed {
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    recovered: bool,
    #[serde(default)]
    publications: Vec<Publication>,
}

#[derive(Deserialize)]
struct History {
    #[serde(default)]
    epoch: String,
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    publications: Vec<Publication>,
}

#[derive(Deserialize)]
struct Push {
    #[serde(default)]
    r#pub: Option<Publication>,
}

#[derive(Deserialize)]
struct Publication {
    data: Told,
    #[serde(default)]
    offset: u64,
}

#[derive(Deserialize)]
struct Told {
    order_id: i64,
    status: String,
}

impl Publication {
    /// `None` where the status is none of the four: no client could show it.
    fn row(&self) -> Option<Row> {
        Some(Row {
            offset: self.offset,
            order: self.data.order_id,
            status: Status::from_name(&self.data.status)?,
        })
    }
}

/// Watches until the order's status is final, or the server refuses the client.
pub(crate) async fn watch(player: &Player) -> Ended {
    let mut position = None;
    let mut failures = 0;
    // Once; from then on the connection is a good one.
    let mut drops = player.drops_after;
    loop {
        let opened = Client::open(player, &mut position, drops.is_some());
        let opened = timeout(CONNECTING, opened).await;
        let lost = match opened {
            Ok(Ok(mut client)) => {
                failures = 0;
                let drops = drops.take();
                let lost = client
                    .listen(drops.map(|after| Instant::now() + after))
                    .await;
                if let Lost::Final = lost {
                    // A server that is gone already is closed as well.
                    let _ = client.socket.close(None).await;
                }
                lost
            }
            Ok(Err(lost)) => lost,
            Err(_) => Lost::Closed(0),
        };
        match lost {
            Lost::Final => return Ended::Final,
            Lost::Closed(code) => {
                player.saw(Seen::Closed { code });
                if matches!(code, 3500..=3999 | 4500..=4999) {
                    return Ended::Refused;
                }
            }
        }
        sleep(pause(failures)).await;
        failures += 1;
    }
}

/// As long as the library waits: between its shortest pause and twice as much each time.
fn pause(failures: u32) -> Duration {
    let (shortest, longest) = PAUSE_MS;
    let most = shortest.saturating_mul(1 << failures.min(10)).min(longest);
    Duration::from_millis((shortest + rand::random_range(0..=most)).min(longest))
}

/// An open connection, subscribed.
struct Client<'a> {
    player: &'a Player,
    position: &'a mut Option<Position>,
    socket: WebSocketStream<TokioIo<Upgraded>>,
    /// It is lost with the first status that is not the last: on a quick line nothing would
    /// be left to miss a moment later.
    is_fragile: bool,
    /// Silence after which the connection is given up.
    patience: Duration,
    commands: u32,
}

impl<'a> Client<'a> {
    async fn open(
        player: &'a Player,
        position: &'a mut Option<Position>,
        is_fragile: bool,
    ) -> Result<Self, Lost> {
        let broken = Lost::Closed(0);
        let Ok(socket) = handshake(&player.stage.others, &player.at.url).await else {
            return Err(broken);
        };
        let mut client = Self {
            player,
            position,
            socket,
            is_fragile,
            patience: CONNECTING,
            commands: 0,
        };
        client.connect().await?;
        Ok(client)
    }

    async fn connect(&mut self) -> Result<(), Lost> {
        let purchase = &self.player.purchase;
        let expires_at = self.player.stage.unix_now() + TOKEN_LIFE_S;
        let token = self.player.at.token(&purchase.player, expires_at);
        let token = token.map_err(|_| Lost::Closed(0))?;
        let data = json!({
            "user_external_id": purchase.player, "auth": token, "project_id": purchase.project
        });
        let mut asked = json!({"data": data, "name": "js"});
        if let Some(Position {
            channel,
            epoch,
            offset,
        }) = &self.position
        {
            asked["subs"] = json!({channel: {"recover": true, "epoch": epoch, "offset": offset}});
        }
        self.ask("connect", &asked).await?;
        // Nothing else comes before the reply.
        loop {
            for frame in self.frames().await? {
                if frame.error.is_some() {
                    return Err(Lost::Closed(0));
                }
                if let Some(connected) = frame.connect {
                    return self.connected(connected).await;
                }
            }
        }
    }

    async fn connected(&mut self, connected: Connected) -> Result<(), Lost> {
        self.patience = Duration::from_secs(connected.ping) + LATE_PING;
        let Some((channel, subscribed)) = connected.subs.into_iter().next() else {
            return Err(Lost::Closed(0));
        };
        let Subscribed {
            epoch,
            offset,
            recovered,
            publications,
        } = subscribed;
        self.player.saw(Seen::Subscribed {
            epoch: epoch.clone(),
            offset,
            recovered,
        });
        let asked = json!({"channel": channel, "since": {"offset": 0}, "limit": -1});
        *self.position = Some(Position {
            channel,
            epoch,
            offset,
        });
        for publication in &publications {
            self.hear(publication)?;
        }
        self.ask("history", &asked).await
    }

    /// Hears until the connection ends, the status is final, or the network fails at `drops`.
    async fn listen(&mut self, drops: Option<Instant>) -> Lost {
        let dropped = async {
            match drops {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let heard = async {
            loop {
                for frame in self.frames().await? {
                    self.take(&frame)?;
                }
            }
        };
        tokio::select! {
            () = dropped => Lost::Closed(0),
            ended = heard => {
                let ended: Result<std::convert::Infallible, Lost> = ended;
                match ended {
                    Ok(never) => match never {},
                    Err(lost) => lost,
                }
            }
        }
    }

    fn take(&mut self, frame: &Frame) -> Result<(), Lost> {
        if let Some(publication) = frame.push.as_ref().and_then(|push| push.r#pub.as_ref()) {
            self.hear(publication)?;
        }
        if let Some(history) = &frame.history {
            let rows: Option<Vec<Row>> =
                history.publications.iter().map(Publication::row).collect();
            let rows = rows.ok_or(Lost::Closed(0))?;
            let ours = rows
                .iter()
                .rev()
                .find(|row| row.order == self.player.purchase.order);
            let is_final = ours.is_some_and(|row| row.status.is_final());
            let (epoch, offset) = (history.epoch.clone(), history.offset);
            self.player.saw(Seen::History {
                epoch,
                offset,
                rows,
            });
            if is_final {
                return Err(Lost::Final);
            }
        }
        Ok(())
    }

    fn hear(&mut self, publication: &Publication) -> Result<(), Lost> {
        let row = publication.row().ok_or(Lost::Closed(0))?;
        self.player.saw(Seen::Pushed(row));
        if let Some(position) = self.position {
            position.offset = row.offset;
        }
        if row.order != self.player.purchase.order {
            return Ok(());
        }
        if row.status.is_final() {
            return Err(Lost::Final);
        }
        if self.is_fragile {
            return Err(Lost::Closed(0));
        }
        Ok(())
    }

    async fn ask(&mut self, command: &str, parameters: &Value) -> Result<(), Lost> {
        self.commands += 1;
        let asked = json!({"id": self.commands, command: parameters}).to_string();
        self.send(&asked).await
    }

    async fn send(&mut self, text: &str) -> Result<(), Lost> {
        let sent = self.socket.send(Message::text(text)).await;
        sent.map_err(|_| Lost::Closed(0))
    }

    /// The messages of the next frame that is no ping, which is answered.
    async fn frames(&mut self) -> Result<Vec<Frame>, Lost> {
        loop {
            let Ok(next) = timeout(self.patience, self.socket.next()).await else {
                return Err(Lost::Closed(0));
            };
            match next {
                Some(Ok(Message::Text(text))) if text.trim() == "{}" => self.send("{}").await?,
                Some(Ok(Message::Text(text))) => {
                    let lines = text.lines().filter(|line| !line.trim().is_empty());
                    let frames: Result<_, _> = lines.map(serde_json::from_str).collect();
                    return frames.map_err(|_| Lost::Closed(0));
                }
                Some(Ok(Message::Close(Some(close)))) => {
                    return Err(Lost::Closed(close.code.into()));
                }
                Some(Ok(Message::Close(None)) | Err(_)) | None => return Err(Lost::Closed(0)),
                Some(Ok(
                    Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_),
                )) => {}
            }
        }
    }
}
