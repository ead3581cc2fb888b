//! Why a body is no notice for us.

use order::{ParkReason, ProjectId};

/// Why a signed body could not be read as a notice of its project.
///
/// The texts name paths and expectations and describe what was found by its shape, so
/// they may be logged, stored and shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The bytes are not UTF-8.
    #[error("expected UTF-8, found another byte at offset {0}")]
    Encoding(usize),
    /// The text is not JSON.
    #[error("expected JSON, found a fault at line {line}, column {column}")]
    Syntax {
        /// Counted from 1.
        line: usize,
        /// Counted from 1.
        column: usize,
    },
    /// The text is JSON but no object.
    #[error("expected a JSON object")]
    NoObject,
    /// There is no type, so nothing says what the notice is.
    #[error("`notification_type`: expected the name of a type, found {0}")]
    NoType(&'static str),
    /// An object has two members of one name, so readers could differ about it.
    #[error("`{0}`: expected once, found twice")]
    Twice(String),
    /// A member's name in this object has half a character, so nobody can say which it is.
    #[error("`{0}`: expected names of whole characters, found half of one")]
    Name(String),
    /// A key of the notice is missing or has an impossible value.
    #[error("`{path}`: expected {expected}, found {found}")]
    Key {
        /// Where.
        path: String,
        /// What should stand there.
        expected: &'static str,
        /// The shape of what stands there.
        found: &'static str,
    },
    /// The body names another project than the one whose URL it came to.
    #[error("`{path}`: expected project {expected}, found project {found}")]
    OtherProject {
        /// Where.
        path: &'static str,
        /// The project of the URL.
        expected: ProjectId,
        /// The project of the body.
        found: ProjectId,
    },
}

impl ReadError {
    /// Why the notice is parked. Written without a wildcard arm: a new variant has to
    /// choose.
    #[must_use]
    pub const fn park_reason(&self) -> ParkReason {
        match self {
            Self::Encoding(_)
            | Self::Syntax { .. }
            | Self::NoObject
            | Self::NoType(_)
            | Self::Twice(_)
            | Self::Name(_) => ParkReason::Unreadable,
            Self::Key { .. } => ParkReason::MissingField,
            Self::OtherProject { .. } => ParkReason::OtherProject,
        }
    }
}
