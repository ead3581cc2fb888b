//! What is measured about clients. No label names a player or an order.

use centrifuge::Tally;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};
use time::OffsetDateTime;

use crate::publication::Booked;
use crate::token::TokenFault;

/// The instruments of the role.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    sockets: UpDownCounter<i64>,
    refused: Counter<u64>,
    closed: Counter<u64>,
    pushes: Counter<u64>,
    booked_to_pushed: Histogram<f64>,
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

impl ReadCause {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::CatchUp => "catch_up",
        }
    }
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_unit(unit)
                .with_description(description)
                .build()
        };
        let metrics = Self {
            sockets: sockets(meter),
            refused: counter(
                "grantline.publisher.sockets_refused",
                "{connection}",
                "WebSocket handshakes answered 503 because the process has as many as it may",
            ),
            closed: counter(
                "grantline.publisher.sockets_closed",
                "{connection}",
                "Ended WebSocket connections, by close code; `left` when the client went",
            ),
            pushes: counter(
                "grantline.publisher.pushes",
                "{row}",
                "Status rows pushed to clients",
            ),
            booked_to_pushed: booked_to_pushed(meter),
            recoveries: counter(
                "grantline.publisher.recoveries",
                "{connection}",
                "Reconnects that asked for missed rows, by whether all could be had",
            ),
            reads: counter(
                "grantline.publisher.reads",
                "{read}",
                "Streams read from the ledger for connections, by cause and outcome",
            ),
            hints: counter(
                "grantline.publisher.hints",
                "{row}",
                "New status rows heard of, by whether a client was connected for them",
            ),
            hint_gaps: counter(
                "grantline.publisher.hint_gaps",
                "{gap}",
                "Times hints may have been missed: every connection to the broker, the first included",
            ),
            comparisons: counter(
                "grantline.publisher.position_checks",
                "{comparison}",
                "Comparisons of all positions with the ledger, by outcome",
            ),
            repaired: counter(
                "grantline.publisher.positions_repaired",
                "{player}",
                "Players whose lost hints a comparison of positions has found",
            ),
            polls: counter(
                "grantline.publisher.polls",
                "{request}",
                "Requests of the order-status endpoint, by status",
            ),
            bad_tokens: counter(
                "grantline.publisher.bad_tokens",
                "{token}",
                "Players' tokens that were not accepted, by what is wrong with them",
            ),
        };
        metrics.begin();
        metrics
    }

    /// Lets the series whose first increase somebody waits for begin at 0.
    fn begin(&self) {
        self.sockets.add(0, &[]);
        for counter in [&self.refused, &self.pushes, &self.hint_gaps, &self.repaired] {
            counter.add(0, &[]);
        }
        for outcome in [true, false].map(outcome) {
            let outcome = KeyValue::new("outcome", outcome);
            self.comparisons.add(0, std::slice::from_ref(&outcome));
            for cause in [ReadCause::Connect, ReadCause::CatchUp] {
                let cause = KeyValue::new("cause", cause.as_str());
                self.reads.add(0, &[cause, outcome.clone()]);
            }
        }
        for recovered in [true, false] {
            let recovered = KeyValue::new("recovered", recovered);
            self.recoveries.add(0, &[recovered]);
        }
        for fault in TokenFault::LABELS {
            for way in ["socket", "poll"] {
                let labels = [KeyValue::new("way", way), KeyValue::new("fault", fault)];
                self.bad_tokens.add(0, &labels);
            }
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

    /// A row was written to a client. By two clocks, so it may seem to be early.
    pub(crate) fn pushed(&self, Booked { status, at }: Booked, now: OffsetDateTime) {
        let status = KeyValue::new("status", status.as_str());
        let after = (now - at).as_seconds_f64().max(0.0);
        self.booked_to_pushed.record(after, &[status]);
    }

    /// A handshake was refused.
    pub(crate) fn refused(&self) {
        self.refused.add(1, &[]);
    }

    /// A connection has read its stream, or could not.
    pub(crate) fn read(&self, cause: ReadCause, ok: bool) {
        self.reads.add(
            1,
            &[
                KeyValue::new("cause", cause.as_str()),
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

fn sockets(meter: &Meter) -> UpDownCounter<i64> {
    meter
        .i64_up_down_counter("grantline.publisher.sockets")
        .with_unit("{connection}")
        .with_description("Open WebSocket connections")
        .build()
}

/// In seconds, what final statuses are to be pushed within.
const PROMISED: f64 = 2.0;

fn booked_to_pushed(meter: &Meter) -> Histogram<f64> {
    telemetry::durations_and(
        meter,
        "grantline.publisher.booked_to_pushed",
        &[PROMISED],
        "From the booking of a status row, a moment before its commit, to its writing to \
                 a client that was connected all the while, by status and by the clocks of both \
                 machines",
    )
}

const fn outcome(ok: bool) -> &'static str {
    if ok { "ok" } else { "failed" }
}
