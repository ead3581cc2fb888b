//! How tasks end, and what the process makes of it. Time is paused, so graces cost nothing.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lifecycle::{Lifecycle, Verdict};
use tokio::time::Instant;

const GRACE: Duration = Duration::from_secs(25);

/// A task that ends when asked, `pace` later.
async fn orderly(lifecycle: Lifecycle, pace: Duration) -> Result<(), Infallible> {
    lifecycle.drain_token().cancelled().await;
    tokio::time::sleep(pace).await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_every_task_and_ends_with_zero() {
    let lifecycle = Lifecycle::new();
    lifecycle.supervise("quick", orderly(lifecycle.clone(), Duration::ZERO));
    lifecycle.supervise("slow", orderly(lifecycle.clone(), Duration::from_secs(20)));
    let begun = Instant::now();
    lifecycle.drain();
    let verdict = lifecycle.wait(GRACE).await;
    assert_eq!(verdict, Verdict::Finished);
    assert_eq!(verdict.exit_code(), 0);
    assert_eq!(begun.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_returns_unasked_drains_the_process() {
    let lifecycle = Lifecycle::new();
    lifecycle.supervise("bystander", orderly(lifecycle.clone(), Duration::ZERO));
    lifecycle.supervise("deserter", async { Ok::<(), Infallible>(()) });
    let verdict = lifecycle.wait(GRACE).await;
    assert_eq!(verdict, Verdict::TaskDied("deserter"));
    assert_eq!(verdict.exit_code(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_fails_drains_the_process() {
    let lifecycle = Lifecycle::new();
    lifecycle.supervise("bystander", orderly(lifecycle.clone(), Duration::ZERO));
    lifecycle.supervise("consumer", async {
        Err(io::Error::other("connection lost"))
    });
    assert_eq!(lifecycle.wait(GRACE).await, Verdict::TaskDied("consumer"));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_drains_the_process() {
    let lifecycle = Lifecycle::new();
    lifecycle.supervise("bystander", orderly(lifecycle.clone(), Duration::ZERO));
    lifecycle.supervise("consumer", async { broken() });
    assert_eq!(lifecycle.wait(GRACE).await, Verdict::TaskDied("consumer"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_during_the_drain_is_still_a_death() {
    let lifecycle = Lifecycle::new();
    let drain = lifecycle.drain_token().clone();
    lifecycle.supervise("flusher", async move {
        drain.cancelled().await;
        Err(io::Error::other("disk full"))
    });
    lifecycle.drain();
    assert_eq!(lifecycle.wait(GRACE).await, Verdict::TaskDied("flusher"));
}

#[tokio::test(start_paused = true)]
async fn the_first_death_is_the_one_named() {
    let lifecycle = Lifecycle::new();
    let drain = lifecycle.drain_token().clone();
    lifecycle.supervise("cause", async { Err(io::Error::other("lost")) });
    lifecycle.supervise("consequence", async move {
        drain.cancelled().await;
        Err(io::Error::other("nobody to talk to"))
    });
    assert_eq!(lifecycle.wait(GRACE).await, Verdict::TaskDied("cause"));
}

#[tokio::test(start_paused = true)]
async fn what_outlives_the_grace_is_cut_off() {
    let lifecycle = Lifecycle::new();
    lifecycle.supervise("stubborn", pending::<Result<(), Infallible>>());
    let begun = Instant::now();
    lifecycle.drain();
    let verdict = lifecycle.wait(GRACE).await;
    assert_eq!(verdict, Verdict::CutOff);
    assert_eq!(verdict.exit_code(), 1);
    assert_eq!(begun.elapsed(), GRACE);
}

#[tokio::test(start_paused = true)]
async fn an_abort_does_not_wait_for_the_grace() {
    let lifecycle = Lifecycle::new();
    lifecycle.supervise("stubborn", pending::<Result<(), Infallible>>());
    let begun = Instant::now();
    let waiting = tokio::spawn({
        let lifecycle = lifecycle.clone();
        async move { lifecycle.wait(GRACE).await }
    });
    lifecycle.abort();
    assert_eq!(waiting.await.unwrap(), Verdict::CutOff);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_tracked_task_is_waited_for_and_its_end_drains_nothing() {
    let lifecycle = Lifecycle::new();
    lifecycle.track(async {});
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!lifecycle.is_draining());

    let finished = Arc::new(AtomicBool::new(false));
    lifecycle.track({
        let finished = Arc::clone(&finished);
        async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            finished.store(true, Ordering::SeqCst);
        }
    });
    lifecycle.drain();
    assert_eq!(lifecycle.wait(GRACE).await, Verdict::Finished);
    assert!(finished.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn an_outlasting_task_runs_through_the_drain_and_delays_nothing() {
    let lifecycle = Lifecycle::new();
    let dropped = Arc::new(AtomicBool::new(false));
    let on_drop = OnDrop(Arc::clone(&dropped));
    lifecycle.outlast("admin", async move {
        let _on_drop = on_drop;
        pending::<Result<(), Infallible>>().await
    });
    let seen_alive = Arc::new(AtomicBool::new(false));
    lifecycle.track({
        let (dropped, seen_alive) = (Arc::clone(&dropped), Arc::clone(&seen_alive));
        async move {
            tokio::time::sleep(Duration::from_secs(10)).await;
            seen_alive.store(!dropped.load(Ordering::SeqCst), Ordering::SeqCst);
        }
    });
    let begun = Instant::now();
    lifecycle.drain();
    assert_eq!(lifecycle.wait(GRACE).await, Verdict::Finished);
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    assert!(seen_alive.load(Ordering::SeqCst));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn an_outlasting_task_that_fails_drains_the_process() {
    let lifecycle = Lifecycle::new();
    lifecycle.outlast("admin", async { Err(io::Error::other("gone")) });
    assert_eq!(lifecycle.wait(GRACE).await, Verdict::TaskDied("admin"));
}

#[tokio::test(start_paused = true)]
async fn lifecycles_of_one_process_do_not_touch_each_other() {
    let (one, other) = (Lifecycle::new(), Lifecycle::new());
    one.abort();
    assert_eq!(one.wait(GRACE).await, Verdict::CutOff);
    assert!(!other.is_draining());
}

fn broken() -> Result<(), Infallible> {
    panic!("meant to panic")
}

struct OnDrop(Arc<AtomicBool>);

impl Drop for OnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
