//! Queues what is in quarantine as soon as a configured secret verifies it.
//!
//! Every process looks at every body once with the secrets it has, again when they change,
//! and now and then at all of them, for bodies that were skipped because another process
//! had them in hand. A body is taken before it is queued, so that copies of the role seldom
//! queue it twice; should they, the ledger tells.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use broker::{Broker, PublishError};
use bytes::Bytes;
use ledger::{Ledger, LedgerError, QuarantineId, QuarantinedBody};
use task::MessageId;
use telemetry::SpanKind;
use tokio::time::{Instant, MissedTickBehavior};
use tracing::Instrument as _;
use xsolla::Glance;
use xsolla::signature::Digest;

use super::seal::Key;
use super::{KeyFault, Quarantine};
use crate::keyring::Keyring;
use crate::metrics::Metrics;
use crate::receive::into_task;

/// The name of a span in which a body goes from the quarantine to the queue.
const REPLAY_SPAN: &str = "replay quarantined notice";
/// How soon a new secret is noticed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How often all bodies are looked at, whether or not a secret has changed.
const ALL_EVERY: Duration = Duration::from_mins(1);
/// Longer than a confirm takes; should one take longer still, the body is queued twice.
const TAKEN_FOR: time::Duration = time::Duration::seconds(30);

/// The task of one process for all its projects.
pub(crate) struct Replay {
    wards: Vec<Ward>,
    desk: Desk,
}

/// What bodies are read from and go to.
struct Desk {
    ledger: Ledger,
    broker: Broker,
    metrics: Metrics,
}

/// One project, and how far its bodies have been looked at.
struct Ward {
    keyring: Arc<Keyring>,
    quarantine: Arc<Quarantine>,
    looked_with: Option<([u8; 32], [u8; 8])>,
    looked_to: QuarantineId,
    all_at: Instant,
    key_fault: Option<KeyFault>,
    is_halted: bool,
}

/// Whether the next body may be looked at.
enum Pace {
    On,
    /// The broker takes nothing: this body is the next one again.
    Halt(PublishError),
}

impl Replay {
    pub(crate) fn new(
        projects: impl Iterator<Item = (Arc<Keyring>, Arc<Quarantine>)>,
        ledger: Ledger,
        broker: Broker,
        metrics: Metrics,
    ) -> Self {
        let wards = projects.map(|(keyring, quarantine)| Ward {
            keyring,
            quarantine,
            looked_with: None,
            looked_to: QuarantineId::default(),
            all_at: Instant::now(),
            key_fault: None,
            is_halted: false,
        });
        Self {
            wards: wards.collect(),
            desk: Desk {
                ledger,
                broker,
                metrics,
            },
        }
    }

    /// For ever. May be dropped at any time: what is taken then is free again soon.
    pub(crate) async fn run(mut self) -> Infallible {
        // Where no project has a key any more, what was kept for one still expires.
        let every = if self.wards.is_empty() {
            ALL_EVERY
        } else {
            LOOK_EVERY
        };
        let mut ticks = tokio::time::interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_away = false;
        loop {
            ticks.tick().await;
            let looked = self.look().await;
            // Once per outage.
            if let (Err(error), false) = (&looked, is_away) {
                let error = error as &dyn std::error::Error;
                tracing::error!(error, "The quarantine cannot be looked at");
            }
            is_away = looked.is_err();
        }
    }

    async fn look(&mut self) -> Result<(), LedgerError> {
        for ward in &mut self.wards {
            ward.look(&self.desk).await?;
        }
        // After the look, so that everything has had its last chance.
        for (project, bodies) in self.desk.ledger.expire_quarantined(task::now()).await? {
            self.desk.metrics.quarantine(project, "expired", bodies);
            tracing::error!(
                project = project.get(),
                bodies,
                "Webhooks given up: no secret has fitted them in `quarantine.keep_for`"
            );
        }
        Ok(())
    }
}

impl Ward {
    async fn look(&mut self, desk: &Desk) -> Result<(), LedgerError> {
        let project = self.quarantine.project;
        let bodies = desk.ledger.quarantine_size(project).await?;
        desk.metrics.quarantined(project, bodies);
        if bodies == 0 {
            return Ok(());
        }
        let Some(key) = self.key() else {
            return Ok(());
        };
        self.begin_again_when_due(&key);
        loop {
            let page = desk
                .ledger
                .quarantined(project, key.id(), self.looked_to, task::now())
                .await?;
            if page.is_empty() {
                return Ok(());
            }
            for body in page {
                let id = body.id;
                if let Pace::Halt(error) = self.look_at(desk, &key, body).await? {
                    self.halt(&error);
                    return Ok(());
                }
                self.is_halted = false;
                self.looked_to = id;
            }
        }
    }

    /// Says once per outage that the broker takes nothing.
    fn halt(&mut self, error: &PublishError) {
        if !self.is_halted {
            self.is_halted = true;
            tracing::error!(
                project = self.quarantine.project.get(),
                error = error as &dyn std::error::Error,
                "Replay from quarantine waits for the broker"
            );
        }
    }

    fn key(&mut self) -> Option<Key> {
        match self.quarantine.key() {
            Ok(key) => {
                self.key_fault = None;
                Some(key)
            }
            Err(fault) => {
                if self.key_fault.replace(fault) != Some(fault) {
                    tracing::error!(
                        project = self.quarantine.project.get(),
                        error = &fault as &dyn std::error::Error,
                        "`quarantine.key` cannot be used"
                    );
                }
                None
            }
        }
    }

    fn begin_again_when_due(&mut self, key: &Key) {
        let with = Some((self.keyring.fingerprint(), key.id()));
        if self.looked_with != with || self.all_at <= Instant::now() {
            self.looked_with = with;
            self.looked_to = QuarantineId::default();
            self.all_at = Instant::now() + ALL_EVERY;
        }
    }

    async fn look_at(
        &self,
        desk: &Desk,
        key: &Key,
        found: QuarantinedBody,
    ) -> Result<Pace, LedgerError> {
        let project = self.quarantine.project;
        let digest = Digest::from_bytes(found.digest);
        let Some(body) = key.open(project, &digest, found.sealed) else {
            // Noted, so that it is said once and not by every process for days.
            if desk
                .ledger
                .quarantined_is_unreadable(found.id, task::now())
                .await?
            {
                desk.metrics.quarantine(project, "unreadable", 1);
                tracing::error!(
                    project = project.get(),
                    quarantine.id = found.id.0,
                    "A body in quarantine is not as it was stored; somebody has changed it"
                );
            }
            return Ok(Pace::On);
        };
        let Some(slot) = self.keyring.fitting(&body, &digest) else {
            return Ok(Pace::On);
        };
        let now = task::now();
        if !desk
            .ledger
            .take_quarantined(found.id, now, now + TAKEN_FOR)
            .await?
        {
            return Ok(Pace::On);
        }
        let span = tracing::info_span!("ingress.replay", quarantine.id = found.id.0);
        let trace = telemetry::Span::begin();
        let replaying = self.replay(desk, found.id, found.received_at, slot, body);
        let outcome = trace.around(replaying.instrument(span)).await;
        let fault = match &outcome {
            Ok(Pace::On) => None,
            Ok(Pace::Halt(error)) => Some(error.label()),
            Err(_) => Some("ledger_unavailable"),
        };
        trace.end(SpanKind::Internal, REPLAY_SPAN, fault, |told| {
            told.set("project.id", self.quarantine.project.get())
                .set("quarantine.id", found.id.0);
        });
        outcome
    }

    async fn replay(
        &self,
        desk: &Desk,
        id: QuarantineId,
        received_at: time::OffsetDateTime,
        slot: &str,
        body: Bytes,
    ) -> Result<Pace, LedgerError> {
        let project = self.quarantine.project;
        let glance = Glance::of(&body);
        if glance.names_other_project(project) {
            desk.metrics.other_project(project);
        }
        let task = into_task(project, glance, MessageId::of(&body), received_at, body);
        if let Err(error) = desk.broker.publish(&task).await {
            desk.ledger.put_back_quarantined(id).await?;
            return Ok(Pace::Halt(error));
        }
        // Only after the confirm: until then this is the only place where the body is.
        desk.ledger.release_quarantined(id).await?;
        desk.metrics.quarantine(project, "replayed", 1);
        desk.metrics.signed(project, slot);
        tracing::info!(
            project = project.get(),
            quarantine.id = id.0,
            notice.kind = task.kind.as_str(),
            order.id = task.order.map(order::OrderId::get),
            transaction.id = task.transaction.map(order::TransactionId::get),
            message.id = %task.message,
            secret.slot = slot,
            "Notice replayed from quarantine"
        );
        Ok(Pace::On)
    }
}
