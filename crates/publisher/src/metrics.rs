//! What is measured about clients. No label names a player or an order.

use centrifuge::Tally;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter, UpDownCounter};

use crate::token::TokenFault;

/// The instruments of the role.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    sockets: UpDownCounter<i64>,
    refused: Counter<u64>,
    closed: Counter<u64>,
    pushes: Counter<u64>,
    recoveries: Counter<u64>,
    reads: Counter<u64>,
    hints: Counter<u64>,
    hint_gaps: Counter<u64>,
    comparisons: Counter<u64>,
    repaired: Counter<u64>,
    polls: Counter<u64>,
    bad_tokens: Counter<u64>,
}

/// Why a connection reads the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadCause {
    /// To answer the connect command.
    Connect,
    /// To answer a history command, or to close a gap.
    CatchUp,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            sockets: meter
                .i64_up_down_counter("grantline.publisher.sockets")
                .with_description("Open WebSocket connections")
                .build(),
            refused: counter(
                "grantline.publisher.sockets_refused",
                "WebSocket handshakes answered 503 because the process has as many as it may",
            ),
            closed: counter(
                "grantline.publisher.sockets_closed",
                "Ended WebSocket connections, by close code; `left` when the client went",
            ),
            pushes: counter(
                "grantline.publisher.pushes",
                "Status rows pushed to clients",
            ),
            recoveries: counter(
                "grantline.publisher.recoveries",
                "Reconnects that asked for missed rows, by whether all could be had",
            ),
            reads: counter(
                "grantline.publisher.reads",
                "Streams read from the ledger for connections, by cause and outcome",
            ),
            hints: counter(
                "grantline.publisher.hints",
                "New status rows heard of, by whether a client was connected for them",
            ),
            hint_gaps: counter(
                "grantline.publisher.hint_gaps",
                "Times hints may have been missed: every connection to the broker, the first included",
            ),
            comparisons: counter(
                "grantline.publisher.position_checks",
                "Comparisons of all positions with the ledger, by outcome",
            ),
            repaired: counter(
                "grantline.publisher.positions_repaired",
                "Players whose lost hints a comparison of positions has found",
            ),
            polls: counter(
                "grantline.publisher.polls",
                "Requests of the order-status endpoint, by status",
            ),
            bad_tokens: counter(
                "grantline.publisher.bad_tokens",
                "Players' tokens that were not accepted, by what is wrong with them",
            ),
        }
    }

    /// A WebSocket connection has begun.
    pub(crate) fn opened(&self) {
        self.sockets.add(1, &[]);
    }

    /// A WebSocket connection has ended.
    pub(crate) fn closed(&self, code: &str) {
        self.sockets.add(-1, &[]);
        self.closed
            .add(1, &[KeyValue::new("code", code.to_owned())]);
    }

    /// A client was given more: what it had `before`, and what it has `now`.
    pub(crate) fn given(&self, before: Tally, now: Tally) {
        if now.pushes > before.pushes {
            self.pushes.add(now.pushes - before.pushes, &[]);
        }
        if let Some(recovered) = now.recovered.filter(|_| before.recovered.is_none()) {
            self.recoveries
                .add(1, &[KeyValue::new("recovered", recovered)]);
        }
    }

    /// A handshake was refused.
    pub(crate) fn refused(&self) {
        self.refused.add(1, &[]);
    }

    /// A connection has read its stream, or could not.
    pub(crate) fn read(&self, cause: ReadCause, ok: bool) {
        let cause = match cause {
            ReadCause::Connect => "connect",
            ReadCause::CatchUp => "catch_up",
        };
        self.reads.add(
            1,
            &[
                KeyValue::new("cause", cause),
                KeyValue::new("outcome", outcome(ok)),
            ],
        );
    }

    /// Hints have come.
    pub(crate) fn heard(&self, rows: usize, concerned: usize) {
        let count = |rows, concerned| {
            let label = KeyValue::new("concerned", concerned);
            self.hints.add(u64::try_from(rows).unwrap_or(0), &[label]);
        };
        count(concerned, true);
        count(rows.saturating_sub(concerned), false);
    }

    /// Hints may have been missed.
    pub(crate) fn gap(&self) {
        self.hint_gaps.add(1, &[]);
    }

    /// All positions were compared, or could not be.
    pub(crate) fn compared(&self, ok: bool) {
        self.comparisons
            .add(1, &[KeyValue::new("outcome", outcome(ok))]);
    }

    /// A comparison has found so many players behind.
    pub(crate) fn repaired(&self, players: usize) {
        self.repaired.add(u64::try_from(players).unwrap_or(0), &[]);
    }

    /// The order-status endpoint has answered.
    pub(crate) fn polled(&self, status: u16) {
        self.polls
            .add(1, &[KeyValue::new("status", i64::from(status))]);
    }

    /// A token was not accepted. `way` is `socket` or `poll`.
    pub(crate) fn bad_token(&self, way: &'static str, fault: TokenFault) {
        self.bad_tokens.add(
            1,
            &[
                KeyValue::new("way", way),
                KeyValue::new("fault", fault.label()),
            ],
        );
    }
}

const fn outcome(ok: bool) -> &'static str {
    if ok { "ok" } else { "failed" }
}
