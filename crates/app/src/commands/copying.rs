//! A copy that takes as long as it takes, and gives up in order when the process is asked to
//! stop: killed it would leave its half behind.

use lifecycle::Lifecycle;
use sqlite::Stop;

/// Runs `copy` on a thread of its own and asks it to stop at the first signal.
///
/// # Errors
/// When signals cannot be heard, or `copy` panicked.
pub(super) async fn run<T: Send + 'static>(
    copy: impl FnOnce(&Stop) -> T + Send + 'static,
) -> anyhow::Result<T> {
    let lifecycle = Lifecycle::new();
    lifecycle.listen_for_signals()?;
    let stop = Stop::default();
    let asked = stop.clone();
    let mut copying = tokio::task::spawn_blocking(move || copy(&stop));
    let ended = tokio::select! {
        ended = &mut copying => ended,
        () = lifecycle.drain_token().cancelled() => {
            asked.ask();
            copying.await
        }
    };
    Ok(ended?)
}

#[cfg(test)]
mod tests {
    use std::process::{Command, id};
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn a_signal_asks_a_copy_to_stop() {
        let asked = run(|stop| {
            let sent = Command::new("kill").arg(id().to_string()).status().unwrap();
            assert!(sent.success());
            let deadline = Instant::now() + Duration::from_mins(1);
            while !stop.is_asked() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            stop.is_asked()
        });
        assert!(asked.await.unwrap());
        assert_eq!(run(|_| 7).await.unwrap(), 7);
    }
}
