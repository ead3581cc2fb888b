//! How the broker is doing, for readiness and for people.

/// Both of a process's ways to the broker. They are separate connections, so that a broker
/// that takes no messages can still be told what is finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The way messages leave by.
    pub publishing: Link,
    /// The way messages come by.
    pub consuming: Link,
}

/// One way to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Nothing asked for it yet.
    Unused,
    /// It works.
    Connected,
    /// Connected, and the broker takes no messages.
    Blocked {
        /// As the broker says.
        reason: String,
    },
    /// Not connected. It is tried again for ever.
    Down {
        /// The newest failure.
        reason: String,
    },
}

impl State {
    /// Whether everything in use works.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.publishing.is_healthy() && self.consuming.is_healthy()
    }
}

impl Link {
    /// Whether it works or is not needed.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        match self {
            Self::Unused | Self::Connected => true,
            Self::Blocked { .. } | Self::Down { .. } => false,
        }
    }

    /// One word, for metrics and the body of `/ready`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unused => "unused",
            Self::Connected => "connected",
            Self::Blocked { .. } => "blocked",
            Self::Down { .. } => "down",
        }
    }

    /// What is wrong, where something is.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Unused | Self::Connected => None,
            Self::Blocked { reason } | Self::Down { reason } => Some(reason),
        }
    }
}
