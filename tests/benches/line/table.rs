//! The lines of the report's tables.

use std::time::Duration;

use crate::clock::{median, ms, percentile};

/// One run: operations a second, and microseconds of processor time an operation.
pub(crate) struct Run {
    pub(crate) rate: f64,
    server: f64,
    client: f64,
    store: f64,
}

impl Run {
    /// So many operations, and the seconds of processor time that server, client and store
    /// had for them.
    pub(crate) fn of(operations: usize, took: Duration, [server, client, store]: [f64; 3]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a count of requests")]
        let operations = operations as f64;
        let each = |seconds: f64| seconds * 1e6 / operations;
        Self {
            rate: operations / took.as_secs_f64(),
            server: each(server),
            client: each(client),
            store: each(store),
        }
    }

    pub(crate) fn all(&self) -> f64 {
        self.server + self.client + self.store
    }
}

/// Prints the head of a table of runs; `store` is what the third column is called.
pub(crate) fn head(store: &str) {
    println!("                                     rate   µs of processor time each");
    println!("                                            server  client  {store:>6}     all");
}

/// Prints and gives the medians of some runs.
pub(crate) fn middle(name: &str, runs: &[Run]) -> Run {
    let of = |value: fn(&Run) -> f64| median(&runs.iter().map(value).collect::<Vec<_>>());
    let run = Run {
        rate: of(|run| run.rate),
        server: of(|run| run.server),
        client: of(|run| run.client),
        store: of(|run| run.store),
    };
    println!(
        "  {name:<28} {:8.0}/s  {:8.1}{:8.1}{:8.1}{:8.1}",
        run.rate,
        run.server,
        run.client,
        run.store,
        run.all()
    );
    run
}

/// Prints what the two steps of an operation can do at most if they take turns, as `name`.
pub(crate) fn in_turn(name: &str, a: &Run, b: &Run) -> f64 {
    let least = 1.0 / (1.0 / a.rate + 1.0 / b.rate);
    let all = a.all() + b.all();
    println!("  {name:<28} {least:8.0}/s  {:24}{all:8.1}", "");
    least
}

/// Prints and gives the medians of the percentiles 50 and 99 of some runs, in milliseconds.
pub(crate) fn percentiles(name: &str, runs: &[Vec<Duration>]) -> (f64, f64) {
    let of = |share: f64| {
        let each = runs.iter().map(|times| ms(percentile(times, share)));
        median(&each.collect::<Vec<_>>())
    };
    let (half, most) = (of(0.5), of(0.99));
    println!("  {name:<28} {half:10.2} {most:8.2}");
    (half, most)
}
