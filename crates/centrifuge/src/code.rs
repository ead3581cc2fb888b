//! The protocol's two tables of numbers: errors in a reply, and closes of a socket.
//!
//! A close reason must never be empty and never parse as JSON: centrifuge-js
//! reconnects on a terminal code without a reason, and obeys a reason that reads
//! as JSON instead of the code. Both are fixed words here, so no caller can get
//! them wrong.

/// Why a command was refused, in `reply.error`. The connection stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorCode {
    /// The server failed. Temporary.
    Internal,
    /// The client did not say who it is.
    Unauthorized,
    /// No such channel.
    UnknownChannel,
    /// The channel belongs to someone else.
    PermissionDenied,
    /// The command names no request this server knows.
    MethodNotFound,
    /// The client is already subscribed.
    AlreadySubscribed,
    /// A limit of the server was reached.
    LimitExceeded,
    /// The request contradicts itself.
    BadRequest,
    /// The server knows the request and does not offer it.
    NotAvailable,
    /// The token has expired.
    TokenExpired,
    /// The subject of the request has expired.
    Expired,
    /// The client asks faster than it is answered. Temporary.
    TooManyRequests,
    /// The position asked for belongs to another epoch.
    UnrecoverablePosition,
    /// Another page of the same listing is being read. Temporary.
    ConcurrentPagination,
}

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Internal => 100,
            Self::Unauthorized => 101,
            Self::UnknownChannel => 102,
            Self::PermissionDenied => 103,
            Self::MethodNotFound => 104,
            Self::AlreadySubscribed => 105,
            Self::LimitExceeded => 106,
            Self::BadRequest => 107,
            Self::NotAvailable => 108,
            Self::TokenExpired => 109,
            Self::Expired => 110,
            Self::TooManyRequests => 111,
            Self::UnrecoverablePosition => 112,
            Self::ConcurrentPagination => 113,
        }
    }

    /// The words that travel with the number.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::Internal => "internal server error",
            Self::Unauthorized => "unauthorized",
            Self::UnknownChannel => "unknown channel",
            Self::PermissionDenied => "permission denied",
            Self::MethodNotFound => "method not found",
            Self::AlreadySubscribed => "already subscribed",
            Self::LimitExceeded => "limit exceeded",
            Self::BadRequest => "bad request",
            Self::NotAvailable => "not available",
            Self::TokenExpired => "token expired",
            Self::Expired => "expired",
            Self::TooManyRequests => "too many requests",
            Self::UnrecoverablePosition => "unrecoverable position",
            Self::ConcurrentPagination => "concurrent pagination",
        }
    }

    /// Whether the same command may succeed a moment later.
    #[must_use]
    pub const fn temporary(self) -> bool {
        match self {
            Self::Internal | Self::TooManyRequests | Self::ConcurrentPagination => true,
            Self::Unauthorized
            | Self::UnknownChannel
            | Self::PermissionDenied
            | Self::MethodNotFound
            | Self::AlreadySubscribed
            | Self::LimitExceeded
            | Self::BadRequest
            | Self::NotAvailable
            | Self::TokenExpired
            | Self::Expired
            | Self::UnrecoverablePosition => false,
        }
    }
}

/// Why a socket is closed. Travels in the WebSocket close frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Close {
    /// 3000: closed for no cause the client could act on.
    ConnectionClosed,
    /// 3001: this process is going away; another one will answer.
    Shutdown,
    /// 3004: something behind this server failed.
    Internal,
    /// 3005: what the client authenticated with is no longer valid.
    Expired,
    /// 3006: the right to a channel is no longer valid.
    SubscriptionExpired,
    /// 3008: the client reads more slowly than it is written to.
    Slow,
    /// 3009: the socket could not be written.
    WriteError,
    /// 3010: the rows the client is missing can no longer be sent one by one.
    InsufficientState,
    /// 3011: the client shall come again, perhaps to another server.
    ForceReconnect,
    /// 3012: a ping was not answered in time.
    NoPong,
    /// 3013: the client sends commands faster than it is allowed to.
    TooManyRequests,
    /// 3014: the client must forget its token and its positions.
    StateInvalidated,
    /// 3500: the token is not valid. Terminal.
    InvalidToken,
    /// 3501: the client does not speak the protocol. Terminal.
    BadRequest,
    /// 3502: the client connected and never said so. Terminal.
    Stale,
    /// 3503: the client is unwanted. Terminal.
    ForceDisconnect,
    /// 3504: too many connections. Terminal.
    ConnectionLimit,
    /// 3505: too many channels. Terminal.
    ChannelLimit,
    /// 3506: the transport does not fit the protocol. Terminal.
    InappropriateProtocol,
    /// 3507: the client is known and may not come in. Terminal.
    PermissionDenied,
    /// 3508: the client wants what this server does not offer. Terminal.
    NotAvailable,
    /// 3509: too many errors. Terminal.
    TooManyErrors,
}

impl Close {
    /// The code of the close frame.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::ConnectionClosed => 3000,
            Self::Shutdown => 3001,
            Self::Internal => 3004,
            Self::Expired => 3005,
            Self::SubscriptionExpired => 3006,
            Self::Slow => 3008,
            Self::WriteError => 3009,
            Self::InsufficientState => 3010,
            Self::ForceReconnect => 3011,
            Self::NoPong => 3012,
            Self::TooManyRequests => 3013,
            Self::StateInvalidated => 3014,
            Self::InvalidToken => 3500,
            Self::BadRequest => 3501,
            Self::Stale => 3502,
            Self::ForceDisconnect => 3503,
            Self::ConnectionLimit => 3504,
            Self::ChannelLimit => 3505,
            Self::InappropriateProtocol => 3506,
            Self::PermissionDenied => 3507,
            Self::NotAvailable => 3508,
            Self::TooManyErrors => 3509,
        }
    }

    /// The reason of the close frame: plain words, never empty, below 124 bytes.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::ConnectionClosed => "connection closed",
            Self::Shutdown => "shutdown",
            Self::Internal => "internal server error",
            Self::Expired => "connection expired",
            Self::SubscriptionExpired => "subscription expired",
            Self::Slow => "slow",
            Self::WriteError => "write error",
            Self::InsufficientState => "insufficient state",
            Self::ForceReconnect => "force reconnect",
            Self::NoPong => "no pong",
            Self::TooManyRequests => "too many requests",
            Self::StateInvalidated => "state invalidated",
            Self::InvalidToken => "invalid token",
            Self::BadRequest => "bad request",
            Self::Stale => "stale",
            Self::ForceDisconnect => "force disconnect",
            Self::ConnectionLimit => "connection limit",
            Self::ChannelLimit => "channel limit",
            Self::InappropriateProtocol => "inappropriate protocol",
            Self::PermissionDenied => "permission denied",
            Self::NotAvailable => "not available",
            Self::TooManyErrors => "too many errors",
        }
    }

    /// Whether the client's library reconnects by itself.
    #[must_use]
    pub const fn reconnects(self) -> bool {
        self.code() < 3500
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLOSES: [Close; 22] = [
        Close::ConnectionClosed,
        Close::Shutdown,
        Close::Internal,
        Close::Expired,
        Close::SubscriptionExpired,
        Close::Slow,
        Close::WriteError,
        Close::InsufficientState,
        Close::ForceReconnect,
        Close::NoPong,
        Close::TooManyRequests,
        Close::StateInvalidated,
        Close::InvalidToken,
        Close::BadRequest,
        Close::Stale,
        Close::ForceDisconnect,
        Close::ConnectionLimit,
        Close::ChannelLimit,
        Close::InappropriateProtocol,
        Close::PermissionDenied,
        Close::NotAvailable,
        Close::TooManyErrors,
    ];

    #[test]
    fn every_close_reason_is_plain_words_that_fit_a_close_frame() {
        for close in CLOSES {
            let reason = close.reason();
            assert!(!reason.is_empty() && reason.len() < 124, "{close:?}");
            assert!(
                serde_json::from_str::<serde_json::Value>(reason).is_err(),
                "{close:?}"
            );
            assert!(
                reason.bytes().all(|b| b.is_ascii_lowercase() || b == b' '),
                "{close:?}"
            );
        }
    }

    #[test]
    fn no_two_closes_share_a_code() {
        let mut codes = CLOSES.map(Close::code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CLOSES.len());
    }
}
