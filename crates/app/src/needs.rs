//! What a worker needs, as checks. It goes on without any of it: tasks wait on their queues.

use std::time::Duration;

use broker::Broker;
use claim::Claims;
use httpd::Check;
use ledger::Ledger;

/// How often broker and Redis, which know how they are, are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How often the ledger is asked.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// Keeps `check` at what the broker says of both its ways, for ever.
pub(crate) async fn show_broker(broker: Broker, check: Check) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let state = broker.state().borrow().clone();
        let ways = [&state.publishing, &state.consuming];
        match ways.into_iter().find(|way| !way.is_healthy()) {
            None => check.ok(),
            Some(way) => {
                let reason = way.reason().unwrap_or_default();
                check.not_ok(format!("{}: {reason}", way.as_str()));
            }
        }
    }
}

/// Keeps `check` at what is known of Redis, for ever. Nothing is missing where none is
/// configured.
pub(crate) async fn show_claims(claims: Claims, check: Check) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        match claims.state() {
            claim::State::Unused | claim::State::Connected => check.ok(),
            claim::State::Down { reason } => check.not_ok(reason),
        }
    }
}

/// Keeps `check` at how the ledger answers, for ever.
pub(crate) async fn show_ledger(ledger: Ledger, check: Check) {
    let mut ticks = tokio::time::interval(ASK_EVERY);
    loop {
        ticks.tick().await;
        match ledger.ping().await {
            Ok(()) => check.ok(),
            Err(error) => check.not_ok(telemetry::chain(&error)),
        }
    }
}
