//! One client under every order of commits, hints, reads and history commands.
//!
//! A model store numbers rows and keeps only the newest few. Hints about them are
//! lost, repeated and delivered late; reads fail, or take their snapshot at one moment and are
//! answered at another; tops are compared with what they were some time ago. A model
//! client checks each frame as it comes, and after the storm one honest comparison of
//! positions must bring it level with the store or have closed it for a good reason.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{HashMap, VecDeque},
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

use centrifuge::{
    Action, Close, Connection, Identity, LoadRequest, Loaded, Payload, Publication, Settings,
};
use proptest::prelude::*;
use serde_json::Value;

const CHANNEL: &str = "news#ann";
const KEPT: u32 = 6;

#[derive(Clone, Copy, Debug)]
enum Step {
    Commit(u64),
    NewEpoch,
    DeliverHint { index: usize, again: bool },
    LoseHint(usize),
    AskHistory { since: Option<u64>, limit: i32 },
    TakeSnapshot,
    AnswerLoad,
    FailLoad,
    Wait,
    ReadTop,
    CompareTop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (1..4_u64).prop_map(Step::Commit),
        1 => Just(Step::NewEpoch),
        30 => (any::<usize>(), any::<bool>())
            .prop_map(|(index, again)| Step::DeliverHint { index, again }),
        8 => any::<usize>().prop_map(Step::LoseHint),
        15 => Just(Step::AskHistory { since: Some(0), limit: -1 }),
        8 => (proptest::option::of(0..40_u64), -1..5_i32)
            .prop_map(|(since, limit)| Step::AskHistory { since, limit }),
        25 => Just(Step::TakeSnapshot),
        25 => Just(Step::AnswerLoad),
        8 => Just(Step::FailLoad),
        12 => Just(Step::Wait),
        8 => Just(Step::ReadTop),
        8 => any::<usize>().prop_map(Step::CompareTop),
    ]
}

fn publication(offset: u64) -> Publication {
    Publication {
        offset,
        data: Payload::parse(&format!(r#"{{"n":{offset}}}"#)).unwrap(),
    }
}

#[derive(Default)]
struct Store {
    epoch: u32,
    top: u64,
}

impl Store {
    fn epoch(&self) -> String {
        format!("epoch-{}", self.epoch)
    }

    fn read(&self, request: LoadRequest) -> Loaded {
        let oldest = self
            .top
            .saturating_sub(u64::from(request.rows_max.min(KEPT)));
        let rows = request.after.map_or_else(Vec::new, |after| {
            (oldest.max(after) + 1..=self.top)
                .map(publication)
                .collect()
        });
        Loaded {
            epoch: self.epoch(),
            top: self.top,
            rows,
        }
    }
}

/// What the client has seen.
#[derive(Default)]
struct Client {
    requested: Option<u64>,
    /// Epoch and offset of the last row it was given, once connected.
    at: Option<(String, u64)>,
    /// History commands without a reply, and whether they ask for everything.
    unanswered: HashMap<u64, bool>,
    frames: Vec<String>,
}

impl Client {
    fn see(&mut self, frame: &str) {
        self.frames.push(frame.to_owned());
        let message: Value = serde_json::from_str(frame).unwrap();
        if let Some(connected) = message.get("connect") {
            self.see_connected(&connected["subs"][CHANNEL]);
        } else if let Some(push) = message.get("push") {
            let (_, position) = self
                .at
                .as_mut()
                .expect("a push came before the connect reply");
            *position += 1;
            assert_eq!(
                push["pub"]["offset"], *position,
                "pushes must ascend by one"
            );
            assert_eq!(push["pub"]["data"]["n"], *position);
        } else if let Some(history) = message.get("history") {
            self.see_history(message["id"].as_u64().unwrap(), history);
        } else {
            assert_eq!(message["error"]["code"], 111, "{frame}");
            assert!(
                self.unanswered
                    .remove(&message["id"].as_u64().unwrap())
                    .is_some()
            );
        }
    }

    fn see_connected(&mut self, sub: &Value) {
        assert!(self.at.is_none(), "connected twice");
        let mut position = sub
            .get("offset")
            .map_or(0, |offset| offset.as_u64().unwrap());
        assert_eq!(
            sub.get("was_recovering").is_some(),
            self.requested.is_some()
        );
        if sub.get("recovered").is_some() {
            assert_eq!(Some(position), self.requested);
        }
        for offset in offsets(sub) {
            position += 1;
            assert_eq!(offset, position, "recovered rows must ascend by one");
        }
        self.at = Some((sub["epoch"].as_str().unwrap().to_owned(), position));
    }

    fn see_history(&mut self, id: u64, history: &Value) {
        let everything = self
            .unanswered
            .remove(&id)
            .expect("an answer nobody asked for");
        let (_, position) = self
            .at
            .as_ref()
            .expect("a history reply came before the connect reply");
        let top = history
            .get("offset")
            .map_or(0, |offset| offset.as_u64().unwrap());
        assert_eq!(
            top, *position,
            "a history reply and the pushes before it must end together"
        );
        let offsets = offsets(history);
        assert!(offsets.is_sorted_by(|a, b| a + 1 == *b));
        assert!(offsets.iter().all(|offset| *offset <= top));
        if everything {
            let kept: Vec<u64> = (top.saturating_sub(KEPT.into()) + 1..=top).collect();
            assert_eq!(
                offsets, kept,
                "everything that is kept must be in the reply"
            );
        }
    }
}

fn offsets(holder: &Value) -> Vec<u64> {
    let publications = holder.get("publications").and_then(Value::as_array);
    publications
        .into_iter()
        .flatten()
        .map(|row| row["offset"].as_u64().unwrap())
        .collect()
}

struct World {
    connection: Connection,
    now: Instant,
    store: Store,
    hints: Vec<(String, Vec<Publication>)>,
    tops: VecDeque<(String, u64)>,
    load: Option<(LoadRequest, Option<Loaded>)>,
    client: Client,
    next_id: u64,
    /// Whether 3010 would be right now.
    excused: bool,
    closed: bool,
}

impl World {
    fn new(top: u64, requested: Option<u64>) -> Self {
        let plenty = NonZeroU32::new(1_000_000).unwrap();
        let settings = Settings {
            rows_max: KEPT,
            commands_per_second: plenty,
            commands_burst: plenty,
            connect_timeout: Duration::from_hours(1),
            load_timeout: Duration::from_hours(1),
            ping_interval: Duration::from_hours(1),
            ..Settings::default()
        };
        let now = Instant::now();
        let mut world = Self {
            connection: Connection::new(Arc::new(settings), 0.5, now),
            now,
            store: Store { epoch: 0, top },
            hints: Vec::new(),
            tops: VecDeque::new(),
            load: None,
            client: Client {
                requested,
                ..Client::default()
            },
            next_id: 2,
            excused: false,
            closed: false,
        };
        let subs = requested.map_or_else(String::new, |offset| {
            format!(r#"{{"recover":true,"offset":{offset},"epoch":"epoch-0"}}"#)
        });
        let subs = if subs.is_empty() {
            subs
        } else {
            format!(r#""{CHANNEL}":{subs}"#)
        };
        world.receive(&format!(r#"{{"id":1,"connect":{{"subs":{{{subs}}}}}}}"#));
        world
    }

    fn receive(&mut self, frame: &str) {
        self.connection.receive(frame.as_bytes(), self.now);
        self.perform();
    }

    fn perform(&mut self) {
        while let Some(action) = self.connection.next_action() {
            assert!(!self.closed, "an action came after the close");
            match action {
                Action::Send(frame) => self.client.see(&frame),
                Action::Authenticate(_) => {
                    let (client, channel) = ("c".to_owned(), CHANNEL.to_owned());
                    let identity = Identity {
                        client,
                        channel,
                        expires_at: None,
                    };
                    self.connection.authenticated(identity, self.now);
                }
                Action::Load(request) => {
                    assert!(self.load.is_none(), "a second read was started");
                    self.load = Some((request, None));
                }
                Action::Close(close) => {
                    assert_eq!(close, Close::InsufficientState);
                    assert!(self.excused, "closed without need");
                    self.closed = true;
                }
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Commit(count) => {
                let rows = (self.store.top + 1..=self.store.top + count)
                    .map(publication)
                    .collect();
                self.store.top += count;
                self.hints.push((self.store.epoch(), rows));
            }
            Step::NewEpoch => {
                self.store.epoch += 1;
                self.store.top /= 2;
                self.excused = true;
            }
            Step::DeliverHint { index, again } if !self.hints.is_empty() => {
                let index = index % self.hints.len();
                let (epoch, rows) = if again {
                    self.hints[index].clone()
                } else {
                    self.hints.remove(index)
                };
                self.connection.advance(&epoch, &rows, self.now);
            }
            Step::LoseHint(index) if !self.hints.is_empty() => {
                self.hints.remove(index % self.hints.len());
            }
            Step::AskHistory { since, limit } => self.ask_history(since, limit),
            Step::TakeSnapshot => {
                if let Some((request, snapshot @ None)) = &mut self.load {
                    *snapshot = Some(self.store.read(*request));
                }
            }
            Step::AnswerLoad => {
                if let Some((_, Some(loaded))) = self.load.take_if(|(_, read)| read.is_some()) {
                    self.answer_load(&loaded);
                }
            }
            Step::FailLoad => {
                // Before the connect reply it would end the connection.
                if self.client.at.is_some() && self.load.take().is_some() {
                    self.connection.load_failed(self.now);
                }
            }
            Step::Wait => {
                self.now += Duration::from_secs(1);
                self.connection.tick(self.now);
            }
            Step::ReadTop => self.tops.push_back((self.store.epoch(), self.store.top)),
            Step::CompareTop(index) if !self.tops.is_empty() => {
                let index = index % self.tops.len();
                let (epoch, top) = self.tops.remove(index).unwrap();
                self.connection.top(&epoch, top, self.now);
            }
            Step::DeliverHint { .. } | Step::LoseHint(_) | Step::CompareTop(_) => {}
        }
        self.perform();
    }

    fn ask_history(&mut self, since: Option<u64>, limit: i32) {
        if self.closed {
            return;
        }
        // Before the connect reply only few commands may wait.
        if self.client.at.is_none() && self.client.unanswered.len() == 8 {
            return;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.client
            .unanswered
            .insert(id, limit == -1 && since.is_none_or(|offset| offset == 0));
        let since = since.map_or_else(String::new, |n| format!(r#","since":{{"offset":{n}}}"#));
        self.receive(&format!(
            r#"{{"id":{id},"history":{{"channel":"{CHANNEL}","limit":{limit}{since}}}}}"#
        ));
    }

    fn answer_load(&mut self, loaded: &Loaded) {
        let before = self.excused;
        let oldest = loaded.rows.first().map_or(loaded.top + 1, |row| row.offset);
        // The next row the client needs exists and is no longer kept.
        self.excused |= self
            .client
            .at
            .as_ref()
            .is_some_and(|(_, position)| *position < loaded.top && position + 1 < oldest);
        self.connection.loaded(loaded, self.now);
        self.perform();
        self.excused = before;
    }

    /// Answers what is open, and compares positions once, with the truth.
    fn settle(&mut self) {
        self.finish_reads();
        self.connection
            .top(&self.store.epoch(), self.store.top, self.now);
        self.perform();
        self.finish_reads();
        if !self.closed {
            assert_eq!(self.client.at, Some((self.store.epoch(), self.store.top)));
            assert!(
                self.client.unanswered.is_empty(),
                "a history command was forgotten"
            );
        }
    }

    fn finish_reads(&mut self) {
        for _ in 0..4 {
            self.step(Step::Wait);
            self.step(Step::TakeSnapshot);
            self.step(Step::AnswerLoad);
        }
        assert!(
            self.closed || self.load.is_none(),
            "reads do not come to an end"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_order_of_events_shows_a_client_a_gap_or_an_older_row(
        top in 0..12_u64,
        requested in proptest::option::of(0..14_u64),
        steps in proptest::collection::vec(step(), 0..80),
    ) {
        let mut world = World::new(top, requested);
        for step in steps {
            world.step(step);
        }
        world.settle();
    }
}
