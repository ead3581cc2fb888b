//! What a client sends over its WebSocket, against the machine that answers it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use centrifuge::{
    Action, Connection, Identity, LoadRequest, Loaded, Payload, Publication, Settings,
};
use serde_json::Value;

const CHANNEL: &str = "news#ann";
const EPOCH: &str = "e";
/// More than any event can ask for; the machine never goes round in circles.
const ACTIONS_MAX: usize = 2_000;

/// Frames, each ended by a zero byte. Between them stand single letters: `+` for a row that
/// is committed and heard of, `-` for one nobody hears of, `!` for a read that fails.
///
/// Every command with an id is answered once and nothing else is; pushes ascend by one;
/// frames are one JSON object on one line; nothing follows a close.
///
/// # Panics
/// Where that does not hold.
pub fn check(input: &[u8]) {
    let now = Instant::now();
    let mut client = Client {
        connection: Connection::new(Arc::new(Settings::default()), 0.5, now),
        now,
        top: 0,
        fails: false,
        position: None,
        open: Vec::new(),
        sent_once: true,
        closed: false,
    };
    for piece in input.split(|byte| *byte == 0) {
        client.step(piece);
    }
    client.finish();
}

struct Client {
    connection: Connection,
    now: Instant,
    /// The last row of the store.
    top: u64,
    /// Whether the next read fails.
    fails: bool,
    /// The offset of the last row the client has, once connected.
    position: Option<u64>,
    /// Ids of commands without an answer.
    open: Vec<u64>,
    /// Whether all ids could be read with a plain reader.
    sent_once: bool,
    closed: bool,
}

impl Client {
    fn step(&mut self, piece: &[u8]) {
        match piece {
            b"+" => {
                self.top += 1;
                let rows = [row(self.top)];
                self.connection.advance(EPOCH, &rows, self.now);
            }
            b"-" => self.top += 1,
            b"!" => self.fails = true,
            frame => {
                self.note_ids(frame);
                self.connection.receive(frame, self.now);
            }
        }
        self.act();
    }

    /// Reads that failed are due again; what was lost is found by comparing positions.
    fn finish(&mut self) {
        self.fails = false;
        self.now += Duration::from_secs(1);
        self.connection.tick(self.now);
        self.act();
        self.connection.top(EPOCH, self.top, self.now);
        self.act();
        if !self.closed && self.position.is_some() {
            assert_eq!(self.position, Some(self.top), "the client is left behind");
            assert!(
                !self.sent_once || self.open.is_empty(),
                "no answer to {:?}",
                self.open
            );
        }
        assert_eq!(self.connection.next_deadline().is_none(), self.closed);
    }

    fn note_ids(&mut self, frame: &[u8]) {
        for command in serde_json::Deserializer::from_slice(frame).into_iter::<Value>() {
            match command.map(|command| command["id"].as_u64()) {
                Ok(Some(id @ 1..)) => self.open.push(id),
                Ok(_) => {}
                // What the plain reader refuses in a place nobody reads, the machine may
                // have passed over.
                Err(_) => self.sent_once = false,
            }
        }
    }

    fn act(&mut self) {
        for _ in 0..ACTIONS_MAX {
            let Some(action) = self.connection.next_action() else {
                return;
            };
            assert!(!self.closed, "after the close: {action:?}");
            match action {
                Action::Send(frame) => self.see(&frame),
                Action::Authenticate(_) => {
                    let identity = Identity {
                        client: "c".to_owned(),
                        channel: CHANNEL.to_owned(),
                        expires_at: None,
                    };
                    self.connection.authenticated(identity, self.now);
                }
                Action::Load(_) if std::mem::take(&mut self.fails) => {
                    self.connection.load_failed(self.now);
                }
                Action::Load(request) => {
                    let loaded = self.read(request);
                    self.connection.loaded(&loaded, self.now);
                }
                Action::Close(_) => self.closed = true,
            }
        }
        panic!("the machine never comes to rest");
    }

    fn read(&self, request: LoadRequest) -> Loaded {
        let rows = request.after.map_or_else(Vec::new, |after| {
            (after.saturating_add(1)..=self.top).map(row).collect()
        });
        Loaded {
            epoch: EPOCH.to_owned(),
            top: self.top,
            rows,
        }
    }

    fn see(&mut self, frame: &str) {
        assert!(!frame.contains(['\n', '\r']), "{frame:?}");
        let message: Value = serde_json::from_str(frame).expect("a frame is JSON");
        assert!(message.is_object(), "{frame}");
        if let Some(id) = message["id"].as_u64() {
            let at = self.open.iter().position(|open| *open == id);
            assert!(at.is_some() || !self.sent_once, "nobody asked for {frame}");
            at.map(|at| self.open.swap_remove(at));
        }
        if let Some(subscribed) = message["connect"]["subs"].get(CHANNEL) {
            assert_eq!(self.position, None, "connected twice");
            let recovered = subscribed["publications"].as_array().map_or(0, Vec::len);
            let after = subscribed["offset"].as_u64().unwrap_or(0);
            assert_eq!(after + recovered as u64, self.top, "{frame}");
            self.position = Some(self.top);
        } else if let Some(push) = message.get("push") {
            let next = self.position.map(|position| position + 1);
            assert_eq!(push["pub"]["offset"].as_u64(), next, "{frame}");
            self.position = next;
        } else if let Some(history) = message.get("history") {
            let rows = history["publications"].as_array();
            let offsets = rows.into_iter().flatten().map(|row| row["offset"].as_u64());
            for offset in offsets {
                assert!(
                    offset.is_some_and(|it| (1..=self.top).contains(&it)),
                    "{frame}"
                );
            }
        }
    }
}

fn row(offset: u64) -> Publication {
    Publication {
        offset,
        data: Payload::parse("{}").expect("`{}` is JSON"),
    }
}
