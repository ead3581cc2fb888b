//! The roles of a process.

use std::fmt;
use std::str::FromStr;

/// What a process does, for whoever has to know what it is allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes Xsolla's webhooks.
    Ingress,
    /// Books what the ingress took.
    Worker,
    /// Tells game clients.
    Publisher,
    /// Answers game servers and operators.
    Api,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Ingress, Self::Worker, Self::Publisher, Self::Api];

    /// As its subcommand is called.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Worker => "worker",
            Self::Publisher => "publisher",
            Self::Api => "api",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected `ingress`, `worker`, `publisher` or `api`")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        let named = |role: &Self| role.as_str() == text;
        Self::ALL.into_iter().find(named).ok_or(UnknownRole)
    }
}
