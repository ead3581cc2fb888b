//! Signals, alone in their process: every other test would receive them too.

use std::convert::Infallible;
use std::future::pending;
use std::process::Command;
use std::time::Duration;

use lifecycle::{Lifecycle, Verdict};

fn send_to_self(signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &std::process::id().to_string()])
        .status()
        .expect("`kill` is there");
    assert!(sent.success());
}

#[tokio::test]
async fn the_first_signal_drains_and_the_second_aborts() {
    let lifecycle = Lifecycle::new();
    lifecycle.listen_for_signals().unwrap();
    lifecycle.supervise("stubborn", pending::<Result<(), Infallible>>());
    let waiting = tokio::spawn({
        let lifecycle = lifecycle.clone();
        async move { lifecycle.wait(Duration::from_mins(10)).await }
    });

    send_to_self("-TERM");
    within(lifecycle.drain_token().cancelled()).await;
    assert!(!lifecycle.abort_token().is_cancelled());

    send_to_self("-INT");
    within(lifecycle.abort_token().cancelled()).await;
    assert_eq!(within(waiting).await.unwrap(), Verdict::CutOff);
}

async fn within<F: Future>(condition: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(10), condition)
        .await
        .expect("10 s are enough")
}
