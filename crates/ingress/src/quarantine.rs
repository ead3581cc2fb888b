//! Webhooks that come from Xsolla and that no configured secret fits.
//!
//! Most likely a secret was exchanged at Xsolla and not here. A 400 is final and destroys
//! the order, so a project may choose to keep such bodies, encrypted and bounded, and to
//! answer 503. [`replay`] queues each one once a configured secret verifies it.

mod replay;
mod seal;

use std::time::Duration;

use ledger::{Custody, Ledger, LedgerError, QuarantineRoom, SealedBody};
use order::ProjectId;
use secret::Secret;
use time::OffsetDateTime;
use tokio::sync::Semaphore;
use xsolla::signature::Digest;

use crate::config;

pub(crate) use replay::Replay;
use seal::Key;
pub use seal::KeyFault;

/// Bodies of one project that a process stores at once. They use the connections that
/// questions are answered with, so a flood of them must not take all.
const WRITERS: usize = 2;

/// Whether a secret can be a quarantine's key.
pub(crate) fn check_key(secret: &Secret) -> Result<(), KeyFault> {
    Key::read(secret).map(|_| ())
}

/// The quarantine of one project.
#[derive(Debug)]
pub(crate) struct Quarantine {
    pub(crate) project: ProjectId,
    is_open: bool,
    key: Secret,
    keep_for: Duration,
    room: QuarantineRoom,
    ledger: Ledger,
    writers: Semaphore,
}

/// How a body is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// From now on.
    Now,
    /// Xsolla has sent it before.
    Before,
}

/// Why a body is not kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeepError {
    #[error("it is a question, and nobody would wait for its answer")]
    Question,
    #[error("`quarantine.key` cannot be used")]
    Key(#[from] KeyFault),
    #[error("this machine gives no random bytes")]
    NoRandomness,
    #[error("there is no room left; raise `quarantine.max_bodies` or `quarantine.max_bytes`")]
    Full,
    #[error("the ledger does not take it")]
    Ledger(#[from] LedgerError),
}

impl KeepError {
    /// The value of the metric label `outcome`.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Question => "question",
            Self::Full => "full",
            Self::Key(_) | Self::NoRandomness | Self::Ledger(_) => "failed",
        }
    }
}

impl Quarantine {
    /// `None` without a key. With a key and not enabled it takes nothing new and still
    /// replays what is there.
    pub(crate) fn new(
        project: ProjectId,
        config: config::Quarantine,
        ledger: &Ledger,
    ) -> Result<Option<Self>, KeyFault> {
        config.check()?;
        Ok(config.key.map(|key| Self {
            project,
            is_open: config.enabled,
            key,
            keep_for: config.keep_for,
            room: QuarantineRoom {
                bodies: config.max_bodies,
                bytes: config.max_bytes,
            },
            ledger: ledger.clone(),
            writers: Semaphore::new(WRITERS),
        }))
    }

    /// Whether it takes anything new.
    pub(crate) const fn is_open(&self) -> bool {
        self.is_open
    }

    /// Keeps a body with the signature it came with.
    ///
    /// Dropping the future leaves the body kept or not, and nothing half done.
    pub(crate) async fn keep(
        &self,
        digest: &Digest,
        body: &[u8],
        received_at: OffsetDateTime,
    ) -> Result<Kept, KeepError> {
        let key = self.key()?;
        let sealed = key
            .seal(self.project, digest, body)
            .ok_or(KeepError::NoRandomness)?;
        let body = SealedBody {
            project: self.project,
            digest: *digest.as_bytes(),
            key: key.id(),
            sealed,
            received_at,
            expires_at: received_at.saturating_add(
                time::Duration::try_from(self.keep_for).unwrap_or(time::Duration::MAX),
            ),
        };
        // Closed is what nobody does with it.
        let _writer = self.writers.acquire().await;
        match self.ledger.quarantine(&body, self.room).await? {
            Custody::Kept => Ok(Kept::Now),
            Custody::Known => Ok(Kept::Before),
            Custody::Full => Err(KeepError::Full),
        }
    }

    fn key(&self) -> Result<Key, KeyFault> {
        Key::read(&self.key)
    }
}
