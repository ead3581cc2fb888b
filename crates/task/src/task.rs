//! One notice on its way to the ledger.

use bytes::Bytes;
use order::{Kind, OrderId, PlayerId, ProjectId, TransactionId};
use time::OffsetDateTime;

use crate::{HeaderError, Headers, Lane, MessageId};

/// W3C trace context, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// `traceparent`.
    pub parent: String,
    /// `tracestate`, where there is one.
    pub state: Option<String>,
}

/// A parked entry of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParkedId(pub i64);

impl std::fmt::Display for ParkedId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for ParkedId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// One notice on its way to the ledger: its raw bytes and what is known about them.
///
/// The ids are what the ingress could read at a glance. They route, log and trace; the
/// handler reads the body again and trusts only that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The project of the URL it came to.
    pub project: ProjectId,
    /// The type it names.
    pub kind: Kind,
    /// The digest of its body.
    pub message: MessageId,
    /// The order it names.
    pub order: Option<OrderId>,
    /// The transaction it names.
    pub transaction: Option<TransactionId>,
    /// The player it names.
    pub player: Option<PlayerId>,
    /// When the ingress had read it whole.
    pub received_at: OffsetDateTime,
    /// How often a worker has tried it and failed.
    pub attempt: u32,
    /// The parked entry this is a replay of.
    pub replay: Option<ParkedId>,
    /// The trace it belongs to.
    pub trace: Option<TraceContext>,
    /// The notice, byte for byte.
    pub body: Bytes,
}

const FORMAT: &str = "grantline-format";
/// The format that is written.
pub(crate) const VERSION: &str = if cfg!(feature = "ahead") { "2" } else { "1" };
/// The formats that are read: a version that raises the one it writes goes on to read the one
/// before, because tasks outlive deploys.
const READ: &[&str] = if cfg!(feature = "ahead") {
    &["1", "2"]
} else {
    &["1"]
};
/// Of an unknown format, so many characters are told.
const FORMAT_MAX_CHARS: usize = 32;
const PROJECT: &str = "grantline-project";
const KIND: &str = "grantline-kind";
const MESSAGE: &str = "grantline-message-id";
const ORDER: &str = "grantline-order";
const TRANSACTION: &str = "grantline-transaction";
const PLAYER: &str = "grantline-player";
const RECEIVED_AT: &str = "grantline-received-at";
const ATTEMPT: &str = "grantline-attempt";
const REPLAY: &str = "grantline-replay";
const TRACE_PARENT: &str = "traceparent";
const TRACE_STATE: &str = "tracestate";

impl Task {
    /// The work queue it belongs on.
    #[must_use]
    pub fn lane(&self) -> Lane {
        Lane::of(&self.kind)
    }

    /// Everything but the body, as headers.
    #[must_use]
    pub fn headers(&self) -> Headers {
        self.headers_at(self.trace.as_ref())
    }

    /// The same at another place of its trace.
    #[must_use]
    pub fn headers_at(&self, trace: Option<&TraceContext>) -> Headers {
        let mut headers = Headers::default();
        headers.set(FORMAT, VERSION);
        headers.set(PROJECT, &self.project);
        headers.set(KIND, &self.kind);
        headers.set(MESSAGE, &self.message);
        headers.set_some(ORDER, self.order);
        headers.set_some(TRANSACTION, self.transaction);
        headers.set_some(PLAYER, self.player.as_ref());
        headers.set(
            RECEIVED_AT,
            &(self.received_at.unix_timestamp_nanos() / 1_000),
        );
        headers.set(ATTEMPT, &self.attempt);
        headers.set_some(REPLAY, self.replay);
        if let Some(trace) = trace {
            headers.set(TRACE_PARENT, &trace.parent);
            headers.set_some(TRACE_STATE, trace.state.as_ref());
        }
        headers
    }

    /// The inverse of [`Task::headers`].
    ///
    /// # Errors
    /// When a header is missing or unreadable, or the format is one this version does not
    /// know.
    pub fn from_parts(headers: &Headers, body: Bytes) -> Result<Self, HeaderError> {
        let format: String = headers.required(FORMAT)?;
        if !READ.contains(&format.as_str()) {
            return Err(HeaderError::Format {
                found: format.chars().take(FORMAT_MAX_CHARS).collect(),
            });
        }
        Ok(Self {
            project: headers.required(PROJECT)?,
            kind: kind(headers)?.ok_or(HeaderError::Missing(KIND))?,
            message: headers.required(MESSAGE)?,
            order: headers.optional(ORDER)?,
            transaction: headers.optional(TRANSACTION)?,
            player: headers.optional(PLAYER)?,
            received_at: received_at(headers)?.ok_or(HeaderError::Missing(RECEIVED_AT))?,
            attempt: headers.optional(ATTEMPT)?.unwrap_or(0),
            replay: headers.optional(REPLAY)?,
            trace: trace(headers)?,
            body,
        })
    }
}

/// What can be read of headers that are not those of a task: each one by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Salvage {
    /// As in [`Task`].
    pub project: Option<ProjectId>,
    /// As in [`Task`].
    pub kind: Option<Kind>,
    /// As in [`Task`].
    pub order: Option<OrderId>,
    /// As in [`Task`].
    pub transaction: Option<TransactionId>,
    /// As in [`Task`].
    pub player: Option<PlayerId>,
    /// As in [`Task`].
    pub received_at: Option<OffsetDateTime>,
    /// As in [`Task`].
    pub attempt: Option<u32>,
    /// As in [`Task`].
    pub replay: Option<ParkedId>,
    /// As in [`Task`].
    pub trace: Option<TraceContext>,
}

impl Salvage {
    /// Reads what can be read, whatever the format. Never fails.
    #[must_use]
    pub fn of(headers: &Headers) -> Self {
        Self {
            project: headers.optional(PROJECT).ok().flatten(),
            kind: kind(headers).ok().flatten(),
            order: headers.optional(ORDER).ok().flatten(),
            transaction: headers.optional(TRANSACTION).ok().flatten(),
            player: headers.optional(PLAYER).ok().flatten(),
            received_at: received_at(headers).ok().flatten(),
            attempt: headers.optional(ATTEMPT).ok().flatten(),
            replay: headers.optional(REPLAY).ok().flatten(),
            trace: trace(headers).ok().flatten(),
        }
    }
}

fn kind(headers: &Headers) -> Result<Option<Kind>, HeaderError> {
    let name: Option<String> = headers.optional(KIND)?;
    Ok(name.map(|name| Kind::from(name.as_str())))
}

fn received_at(headers: &Headers) -> Result<Option<OffsetDateTime>, HeaderError> {
    let time = |micros: i64| {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).map_err(|fault| {
            HeaderError::Unreadable {
                name: RECEIVED_AT,
                fault: fault.to_string(),
            }
        })
    };
    headers.optional(RECEIVED_AT)?.map(time).transpose()
}

fn trace(headers: &Headers) -> Result<Option<TraceContext>, HeaderError> {
    let parent: Option<String> = headers.optional(TRACE_PARENT)?;
    let state = headers.optional(TRACE_STATE)?;
    Ok(parent.map(|parent| TraceContext { parent, state }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        let body = Bytes::from_static(b"{\"notification_type\":\"order_paid\"}");
        Task {
            project: "44056".parse().unwrap(),
            kind: Kind::OrderPaid,
            message: MessageId::of(&body),
            order: Some("7".parse().unwrap()),
            transaction: None,
            player: Some("mira".parse().unwrap()),
            received_at: OffsetDateTime::from_unix_timestamp(1_800_000_000).unwrap(),
            attempt: 3,
            replay: Some(ParkedId(9)),
            trace: Some(TraceContext {
                parent: "00-ab-cd-01".into(),
                state: None,
            }),
            body,
        }
    }

    #[test]
    fn a_task_survives_its_headers() {
        let task = task();
        assert_eq!(
            Task::from_parts(&task.headers(), task.body.clone()).unwrap(),
            task
        );
    }

    #[test]
    fn another_format_is_named_not_guessed() {
        let mut headers = task().headers();
        headers.set(FORMAT, "2");
        let fault = Task::from_parts(&headers, Bytes::new()).unwrap_err();
        assert_eq!(fault, HeaderError::Format { found: "2".into() });
        assert_eq!(fault.to_string(), "this version reads format 1, found 2");
    }

    #[test]
    fn a_missing_header_is_named() {
        let fault = Task::from_parts(&Headers::default(), Bytes::new()).unwrap_err();
        assert_eq!(fault, HeaderError::Missing(FORMAT));
    }

    #[test]
    fn every_whole_header_is_salvaged_from_among_broken_ones() {
        let task = task();
        let mut headers = task.headers();
        headers.set(FORMAT, "2");
        headers.set(ORDER, "seven");
        headers.set(RECEIVED_AT, "9999999999999999999");
        let expected = Salvage {
            project: Some(task.project),
            kind: Some(task.kind),
            order: None,
            transaction: None,
            player: task.player,
            received_at: None,
            attempt: Some(task.attempt),
            replay: task.replay,
            trace: task.trace,
        };
        assert_eq!(Salvage::of(&headers), expected);
        assert_eq!(Salvage::of(&Headers::default()), Salvage::default());
    }
}
