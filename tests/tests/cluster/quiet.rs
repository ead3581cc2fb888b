//! Time as a quiet machine would have passed it, so that what has to be done within a promised
//! time can be judged on a machine that others use as well.

use std::fs;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

/// Between two looks at how many want to run.
const TICK: Duration = Duration::from_millis(100);

/// Adds up how much of a quiet machine's time goes by.
#[derive(Debug)]
pub(crate) struct QuietTime {
    passed: Duration,
    counted: Instant,
    processors: f64,
}

impl QuietTime {
    pub(crate) fn from_now() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let processors = u32::try_from(processors).unwrap_or(u32::MAX);
        Self {
            passed: Duration::ZERO,
            counted: Instant::now(),
            processors: f64::from(processors),
        }
    }

    pub(crate) const fn passed(&self) -> Duration {
        self.passed
    }

    /// Waits a little.
    pub(crate) async fn pass(&mut self) {
        let asked = Instant::now();
        sleep(TICK).await;
        let late = asked.elapsed().as_secs_f64() / TICK.as_secs_f64();
        let share = share(late, f64::from(runnable()) / self.processors);
        self.passed += self.counted.elapsed().mul_f64(share);
        self.counted = Instant::now();
    }
}

/// Measures how many times as long everything takes as on a quiet machine.
pub(crate) struct Slowdown {
    end: CancellationToken,
    measuring: AbortOnDropHandle<f64>,
}

impl Slowdown {
    pub(crate) fn begin() -> Self {
        let end = CancellationToken::new();
        let ended = end.clone();
        let measuring = tokio::spawn(async move {
            let began = Instant::now();
            let mut quiet = QuietTime::from_now();
            quiet.pass().await;
            while !ended.is_cancelled() {
                quiet.pass().await;
            }
            began.elapsed().as_secs_f64() / quiet.passed().as_secs_f64()
        });
        Self {
            end,
            measuring: AbortOnDropHandle::new(measuring),
        }
    }

    pub(crate) async fn end(self) -> f64 {
        self.end.cancel();
        self.measuring.await.unwrap()
    }
}

/// What one who wants to run gets of a processor, where a timer took so many times what it was
/// set to and so many want each processor.
fn share(late: f64, waiting: f64) -> f64 {
    1.0 / late.max(waiting).max(1.0)
}

/// How many threads beside this one run or wait for a processor at this moment; none where
/// nobody says so.
fn runnable() -> u32 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let mut lines = stat.lines();
    let running = lines.find_map(|line| line.strip_prefix("procs_running "));
    let count: u32 = running
        .and_then(|count| count.trim().parse().ok())
        .unwrap_or_default();
    count.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, TryRecvError};
    use std::thread;

    use super::*;

    #[test]
    fn a_quiet_machine_gives_all_of_its_time_and_a_busy_one_what_is_measured() {
        for (late, waiting, expected) in [
            (1.0, 0.0, 1.0),
            (1.0, 0.5, 1.0),
            (1.0, 4.0, 0.25),
            (5.0, 2.0, 0.2),
        ] {
            let given = share(late, waiting);
            assert!((given - expected).abs() < 1e-9, "{late} {waiting} {given}");
        }
    }

    #[test]
    fn who_runs_beside_the_one_that_asks_is_counted() {
        let (end, ended) = mpsc::channel::<()>();
        let busy = thread::spawn(move || while ended.try_recv() == Err(TryRecvError::Empty) {});
        while runnable() == 0 {}
        drop(end);
        busy.join().unwrap();
    }

    #[tokio::test]
    async fn no_more_of_it_goes_by_than_by_the_clock() {
        let began = Instant::now();
        let mut quiet = QuietTime::from_now();
        for _ in 0..3 {
            quiet.pass().await;
        }
        assert!(quiet.passed() > Duration::ZERO);
        assert!(quiet.passed() <= began.elapsed());
    }
}
