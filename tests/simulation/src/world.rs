//! One run: what may happen next, and what has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use centrifuge::Settings;
use ledger::SimulatedLedger;

use crate::broker::Broker;
use crate::chance::Chance;
use crate::client::Client;
use crate::mutant::Mutant;
use crate::publisher::{Publisher, Written, settings};
use crate::redis::Redis;
use crate::scenario::Scenario;
use crate::truth::Truth;
use crate::worker::Worker;

/// The ledger's until it is restored.
const FIRST_EPOCH: &str = "e1";
const WORKERS: usize = 2;
const PUBLISHERS: usize = 2;
const CLIENTS: usize = 3;
/// Events while faults happen; at least a third of it.
const EVENTS_MAX: usize = 450;
/// Events within which everything has to come to rest once they do not any more.
const REST_MAX: usize = 2_000;

/// Everything there is in one run.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) mutant: Option<Mutant>,
    pub(crate) now: Instant,
    pub(crate) scenario: Scenario,
    pub(crate) broker: Broker,
    pub(crate) redis: Redis,
    pub(crate) redis_is_away: bool,
    pub(crate) ledger: SimulatedLedger,
    pub(crate) ledger_is_away: bool,
    /// An older ledger, to be restored.
    backup: Option<SimulatedLedger>,
    pub(crate) workers: Vec<Worker>,
    /// Worker processes there were.
    pub(crate) lives: usize,
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) clients: Vec<Client>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) truth: Truth,
    /// What the ingress has answered with a 2xx.
    pub(crate) accepted: Vec<usize>,
    /// Notices of which only the bytes are kept.
    pub(crate) raw: Vec<usize>,
    /// No faults any more.
    pub(crate) is_calm: bool,
    fault: Option<String>,
    log: Option<Vec<String>>,
}

impl World {
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, is_told: bool) -> Self {
        let mut chance = Chance::new(seed);
        let scenario = Scenario::draw(&mut chance);
        let player = |client: usize| Client::of(client % scenario.players.len());
        Self {
            mutant,
            now: Instant::now(),
            broker: Broker::default(),
            redis: Redis::default(),
            redis_is_away: false,
            ledger: SimulatedLedger::new(FIRST_EPOCH),
            ledger_is_away: false,
            backup: None,
            workers: (0..WORKERS)
                .map(|worker| Worker::new(worker.to_string()))
                .collect(),
            lives: 0,
            publishers: (0..PUBLISHERS).map(|_| Publisher::new()).collect(),
            clients: (0..CLIENTS).map(player).collect(),
            settings: Arc::new(settings()),
            truth: Truth::default(),
            accepted: Vec::new(),
            raw: Vec::new(),
            is_calm: false,
            fault: None,
            log: is_told.then(Vec::new),
            scenario,
            chance,
        }
    }

    /// Plays the run to its end.
    pub(crate) fn play(&mut self) -> Result<(), String> {
        let events = EVENTS_MAX / 3 + self.chance.below(EVENTS_MAX * 2 / 3);
        for _ in 0..events {
            self.happen();
            self.stop_at_fault()?;
        }
        self.calm_down()?;
        self.judge()
    }

    /// What has happened so far.
    pub(crate) fn log(self) -> Vec<String> {
        self.log.unwrap_or_default()
    }

    /// Notes an event, where somebody will read it.
    pub(crate) fn tell(&mut self, what: impl FnOnce() -> String) {
        if let Some(log) = &mut self.log {
            log.push(what());
        }
    }

    /// Something is wrong. The first fault counts.
    pub(crate) fn fault(&mut self, what: impl FnOnce() -> String) {
        self.fault.get_or_insert_with(what);
    }

    pub(crate) fn lacks(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    /// Whether something goes wrong that does so this often.
    pub(crate) fn fails(&mut self, percent: usize) -> bool {
        self.chance.percent(percent) && !self.is_calm
    }

    fn stop_at_fault(&mut self) -> Result<(), String> {
        let fault = self.fault.take().or_else(|| self.truth.take_fault());
        fault.map_or(Ok(()), Err)
    }

    /// One event, drawn.
    fn happen(&mut self) {
        match self.chance.below(100) {
            0..8 => self.accept(),
            8..50 => {
                let worker = self.chance.below(WORKERS);
                self.step_worker(worker);
            }
            50..55 => self.park(),
            55..80 => self.publish_something(),
            80..90 => self.pass_time(),
            90..94 => {
                let worker = self.chance.below(WORKERS);
                if self.chance.percent(80) {
                    self.crash_worker(worker);
                } else {
                    self.stop_worker(worker);
                }
            }
            94..96 => self.ledger_is_away = !self.ledger_is_away,
            96..98 => self.trouble_redis(),
            98 => {
                let publisher = self.chance.below(PUBLISHERS);
                self.crash_publisher(publisher);
            }
            _ => self.back_up_or_restore(),
        }
    }

    /// A notice arrives, and the ingress answers once the broker has it. An answer that is
    /// lost has it sent again: a repeat like any other.
    fn accept(&mut self) {
        if let Some(notice) = self.scenario.to_come.pop() {
            self.tell(|| format!("notice {notice} is accepted"));
            self.broker.publish(notice);
            self.accepted.push(notice);
        }
    }

    /// A parked message goes into the ledger: as what is best accepted of it.
    fn park(&mut self) {
        let Some((message, notice, reason)) = self.broker.parked(&mut self.chance) else {
            return;
        };
        if self.ledger_is_away || self.fails(5) {
            return;
        }
        let ways = self.scenario.parked(notice, reason);
        let way = ways.iter().find(|way| self.scenario.accepts(way)).cloned();
        self.tell(|| format!("notice {notice} is parked: {reason:?}, {}", way.is_some()));
        match way {
            Some(way) => {
                let booked = self.commit(&[way]);
                self.send(&booked.hints);
            }
            None => self.raw.push(notice),
        }
        // It dies before the acknowledgement.
        if !self.fails(10) {
            self.broker.finish_parked(message);
        }
    }

    fn pass_time(&mut self) {
        self.now += Duration::from_millis(self.chance.below(2_000) as u64);
        self.broker.end_a_delay(&mut self.chance);
    }

    fn trouble_redis(&mut self) {
        match self.chance.below(4) {
            0 => self.redis_is_away = !self.redis_is_away,
            1 => self.redis.flush(),
            _ => self.redis.expire_one(&mut self.chance),
        }
    }

    /// A backup is taken or restored. A restored ledger has another epoch and lacks what came
    /// after the backup, so the store is asked for everything once more.
    fn back_up_or_restore(&mut self) {
        let Some(backup) = self.backup.take() else {
            self.tell(|| "a backup is taken".to_owned());
            self.backup = Some(self.ledger.clone());
            return;
        };
        self.lives += 1;
        let epoch = format!("{FIRST_EPOCH}.{}", self.lives);
        self.tell(|| format!("the backup is restored as {epoch}"));
        self.ledger = backup;
        self.ledger.begin_epoch(&epoch);
        for player in &self.scenario.players {
            self.truth
                .begin(&self.ledger, self.scenario.project, player);
        }
        for notice in self.accepted.clone() {
            self.broker.publish(notice);
        }
    }

    fn publish_something(&mut self) {
        let publisher = self.chance.below(PUBLISHERS);
        match self.chance.below(10) {
            0 | 1 => self.hear(publisher),
            2 => self.compare(publisher),
            3..8 => {
                let client = self.chance.below(CLIENTS);
                self.step_client(client);
            }
            _ => {
                let client = self.chance.below(CLIENTS);
                self.read_client(client);
            }
        }
    }

    /// A client connects, leaves, asks for its history, or its connection goes a step on.
    fn step_client(&mut self, client: usize) {
        let Some(publisher) = self.clients[client].at else {
            let publisher = self.chance.below(PUBLISHERS);
            self.tell(|| format!("client {client} connects to {publisher}"));
            self.clients[client].at = Some(publisher);
            let hello = self.clients[client].hello();
            return self.open(publisher, client, &hello);
        };
        if self.fails(3) {
            self.tell(|| format!("client {client} leaves"));
            self.publishers[publisher].drop_session(client);
            return self.clients[client].is_away();
        }
        if self.fails(5)
            && let Some(history) = self.clients[client].ask()
        {
            return self.receive(publisher, client, &history);
        }
        self.step_session(publisher, client);
    }

    /// A client reads what was written to it, one frame.
    fn read_client(&mut self, client: usize) {
        let Some(publisher) = self.clients[client].at else {
            return;
        };
        let session = self.publishers[publisher].session(client);
        let Some(written) = session.and_then(|session| session.written.pop_front()) else {
            return;
        };
        let own = &mut self.clients[client];
        let read = match &written {
            Written::Frame(frame) => {
                let player = &self.scenario.players[own.player];
                own.read(frame, &self.truth, player)
            }
            Written::Close(close) => {
                self.publishers[publisher].drop_session(client);
                own.is_closed(*close, self.ledger.epoch() != FIRST_EPOCH)
            }
        };
        self.tell(|| format!("client {client} reads {written:?}"));
        if let Err(fault) = read {
            self.fault(|| format!("promise 8: client {client}: {fault}"));
        }
    }

    /// Nothing fails any more: everything has to come to its end.
    fn calm_down(&mut self) -> Result<(), String> {
        self.tell(|| "calm".to_owned());
        (self.is_calm, self.ledger_is_away, self.redis_is_away) = (true, false, false);
        for _ in 0..REST_MAX {
            self.accept();
            for worker in 0..WORKERS {
                self.step_worker(worker);
            }
            self.park();
            self.pass_time();
            for publisher in 0..PUBLISHERS {
                self.hear(publisher);
                self.compare(publisher);
            }
            for client in 0..CLIENTS {
                self.step_client(client);
                self.read_client(client);
            }
            self.stop_at_fault()?;
            if self.is_at_rest() {
                return Ok(());
            }
        }
        Err(self.unrest())
    }

    fn is_at_rest(&self) -> bool {
        self.is_line_at_rest() && self.clients.iter().all(|client| self.has_seen_all(client))
    }

    fn is_line_at_rest(&self) -> bool {
        self.broker.is_empty()
            && self.scenario.to_come.is_empty()
            && self.workers.iter().all(Worker::is_idle)
            && self.publishers.iter().all(Publisher::is_idle)
    }

    fn has_seen_all(&self, client: &Client) -> bool {
        let player = &self.scenario.players[client.player];
        let top = self.ledger.rows(self.scenario.project, player).len();
        client.has_seen(self.ledger.epoch(), top)
    }

    fn unrest(&self) -> String {
        if !self.is_line_at_rest() {
            return "promise 7: the line does not come to rest".to_owned();
        }
        let mut behind = self
            .clients
            .iter()
            .filter(|client| !self.has_seen_all(client));
        let behind = behind.next().map(Client::position);
        format!("promise 8: a client stays at {behind:?}")
    }
}
