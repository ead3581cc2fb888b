//! One worker tells of the queues and the ledger for all of them.

use std::sync::Arc;
use std::time::Duration;

use claim::Claims;
use ledger::Ledger;
use lifecycle::Lifecycle;
use telemetry::Telemetry;
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::bench::{Bench, config, eventually, task};

/// Until a worker that died is replaced.
const REPLACED: Duration = Duration::from_mins(1);

const WATCHING: &str = "grantline_worker_watching ";
const DEPTH: &str = "grantline_worker_queue_depth{queue=\"grantline.retry.1h.v1\"} ";
const OLDEST: &str = "grantline_worker_queue_oldest_seconds{queue=\"grantline.grant.v1\"} ";
const UNFULFILLED: &str = "grantline_ledger_paid_not_granted{project=\"44056\"} ";

/// A worker that can be killed.
struct Worker {
    runtime: Runtime,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
}

impl Worker {
    fn start(bench: &Bench) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let (telemetry, lifecycle) = (Telemetry::quiet(), Lifecycle::new());
        let entered = runtime.enter();
        let ledger = Ledger::open(&bench.database.config()).unwrap();
        let claims = Claims::connect(bench.claims(), &telemetry.meter("claim"));
        bench.start_as(&telemetry, &lifecycle, ledger, claims, &config());
        drop(entered);
        Self {
            runtime,
            telemetry,
            lifecycle,
        }
    }

    fn value(&self, series: &str) -> Option<f64> {
        value(&self.telemetry, series)
    }

    /// Nothing of it runs on, and it says goodbye to nobody.
    fn kill(self) {
        self.runtime.shutdown_background();
    }

    async fn stop(self) {
        let lifecycle = self.lifecycle.clone();
        lifecycle.drain();
        let ended = self
            .runtime
            .spawn(async move { lifecycle.wait(Duration::from_secs(30)).await });
        assert_eq!(ended.await.unwrap(), lifecycle::Verdict::Finished);
        self.runtime.shutdown_background();
    }
}

fn value(telemetry: &Telemetry, series: &str) -> Option<f64> {
    let text = telemetry.metrics_text();
    let value = text.lines().find_map(|line| line.strip_prefix(series))?;
    value.parse().ok()
}

fn is(found: Option<f64>, expected: f64) -> bool {
    found == Some(expected)
}

async fn within(limit: Duration, what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(
        timeout(limit, wait).await.is_ok(),
        "not within {limit:?}: {what}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_tells_and_is_replaced_within_a_minute_when_it_dies_or_stops() {
    let bench = Arc::new(Bench::new().await);
    let (words, queue) = ("7 mira blade", "grantline.retry.1h.v1");
    bench.put(queue, &task(words).headers(), words).await;
    bench.waits(queue, 1).await;

    let one = Worker::start(&bench);
    let tells = |worker: &Worker| {
        is(worker.value(WATCHING), 1.0)
            && is(worker.value(DEPTH), 1.0)
            && is(worker.value(OLDEST), 0.0)
            && is(worker.value(UNFULFILLED), 0.0)
    };
    let silent = |worker: &Worker| {
        is(worker.value(WATCHING), 0.0)
            && worker.value(DEPTH).is_none()
            && worker.value(UNFULFILLED).is_none()
    };
    eventually("the first worker tells", async || tells(&one)).await;
    let other = Worker::start(&bench);
    // Each asks as it starts, and every fifteen seconds.
    let consumed = "grantline_worker_queue_consumers{queue=\"grantline.grant.v1\"} ";
    within(REPLACED, "both take from the queue", || {
        is(one.value(consumed), 2.0)
    })
    .await;
    assert!(tells(&one) && silent(&other));

    one.kill();
    within(REPLACED, "the second worker tells", || tells(&other)).await;

    let third = Worker::start(&bench);
    within(REPLACED, "all take from the queue", || {
        is(other.value(consumed), 2.0)
    })
    .await;
    assert!(tells(&other) && silent(&third));
    other.stop().await;
    within(REPLACED, "the third worker tells", || tells(&third)).await;
    third.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_database_is_away_every_worker_tells_how_full_the_queues_are() {
    let bench = Bench::new().await;
    let nowhere = secret::Secret::inline("postgres://nobody@127.0.0.1:1/nothing").unwrap();
    let away = ledger::Config {
        url: nowhere,
        acquire_timeout: Duration::from_secs(1),
        ..bench.database.config()
    };
    let workers = [(); 2].map(|()| (Telemetry::quiet(), Lifecycle::new()));
    for (telemetry, lifecycle) in &workers {
        let claims = Claims::connect(bench.claims(), &telemetry.meter("claim"));
        let ledger = Ledger::open(&away).unwrap();
        bench.start_as(telemetry, lifecycle, ledger, claims, &config());
    }
    let empty = "grantline_worker_queue_depth{queue=\"grantline.grant.v1\"} ";
    let tells = |telemetry: &Telemetry| {
        is(value(telemetry, empty), 0.0) && is(value(telemetry, WATCHING), 1.0)
    };
    for (telemetry, lifecycle) in &workers {
        within(REPLACED, "the queues are told", || tells(telemetry)).await;
        assert_eq!(value(telemetry, UNFULFILLED), None);
        lifecycle.drain();
    }
    for (_, lifecycle) in &workers {
        lifecycle.wait(Duration::from_secs(5)).await;
    }
}
