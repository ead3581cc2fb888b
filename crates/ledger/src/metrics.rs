//! What is measured about the connections to the store.

use opentelemetry::KeyValue;
use telemetry::Meter;

/// Connections of a pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PoolUse {
    /// Open, and nobody uses them.
    pub(crate) idle: u64,
    /// In somebody's hands.
    pub(crate) used: u64,
    /// The most there may be.
    pub(crate) max: u64,
}

/// Which pool a value is of.
pub(crate) fn pool_labels(pool: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("db.client.connection.pool.name", pool)]
}

/// Tells how a pool is used, whenever somebody asks.
pub(crate) fn tell_pool(
    meter: &Meter,
    pool: &'static str,
    now: impl Fn() -> PoolUse + Clone + Send + Sync + 'static,
) {
    let in_use = now.clone();
    // The meter keeps the callbacks.
    let _ = meter
        .u64_observable_gauge("db.client.connection.count")
        .with_unit("{connection}")
        .with_description("Connections to the ledger's store, by whether somebody uses them")
        .with_callback(move |gauge| {
            let PoolUse { idle, used, .. } = in_use();
            for (state, count) in [("idle", idle), ("used", used)] {
                let state = KeyValue::new("db.client.connection.state", state);
                let [pool] = pool_labels(pool);
                gauge.observe(count, &[pool, state]);
            }
        })
        .build();
    let _ = meter
        .u64_observable_gauge("db.client.connection.max")
        .with_unit("{connection}")
        .with_description("Connections to the ledger's store that there may be at most")
        .with_callback(move |gauge| gauge.observe(now().max, &pool_labels(pool)))
        .build();
}
