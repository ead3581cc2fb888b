//! Bodies that no secret fits yet, as the ledger stores them: sealed, and never opened here.

use order::ProjectId;
use time::OffsetDateTime;

/// The place of a body in the quarantine. Later bodies have higher ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct QuarantineId(pub i64);

/// A body on its way into the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedBody {
    /// The project whose URL it was posted to.
    pub project: ProjectId,
    /// The signature it came with. A repeat of the same notice has the same one.
    pub digest: [u8; 20],
    /// Names the key that seals it.
    pub key: [u8; 8],
    /// The body, encrypted.
    pub sealed: Vec<u8>,
    /// When it came.
    pub received_at: OffsetDateTime,
    /// When it is given up.
    pub expires_at: OffsetDateTime,
}

/// A body in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedBody {
    /// Its place.
    pub id: QuarantineId,
    /// The signature it came with.
    pub digest: [u8; 20],
    /// The body, encrypted.
    pub sealed: Vec<u8>,
    /// When it came.
    pub received_at: OffsetDateTime,
}

/// How much one project may have in the quarantine. Writers do not wait for each other, so
/// bodies that arrive at the same instant may exceed it by their own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuarantineRoom {
    /// The most bodies.
    pub bodies: u32,
    /// The most bytes of ciphertext.
    pub bytes: u64,
}

/// What became of a body that was to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Custody {
    /// It is kept.
    Kept,
    /// It was there before, and stays as it was.
    Known,
    /// There is no room; what is there stays.
    Full,
}
