use std::io;
use std::sync::{Arc, Mutex};

use telemetry::QUIET;
use tokio::time::timeout;
use tracing_subscriber::fmt::MakeWriter;

use super::*;

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn lines(&self, part: &str) -> usize {
        let log = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        log.lines().filter(|line| line.contains(part)).count()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn ends(refusals: &Refusals, outcome: &Result<Served, Refusal>, status: StatusCode) {
    Report::new("7-1".to_owned()).log(refusals, outcome, status, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_one_line_at_once_and_a_count_every_ten_seconds() {
    let log = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::INFO)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    let _captured = tracing::subscriber::set_default(subscriber);
    let refusals = Refusals::default();
    for _ in 0..100 {
        let late = Err(Refusal::TooLate);
        ends(&refusals, &late, StatusCode::SERVICE_UNAVAILABLE);
        ends(&refusals, &Ok(Served::Queued), StatusCode::NO_CONTENT);
    }
    let panicked = Err(Refusal::Panicked);
    ends(&refusals, &panicked, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(log.lines("Webhook not served"), 2);
    assert_eq!(log.lines("Notice accepted"), 100);
    assert_eq!(log.lines("More requests"), 0);

    // Nothing is left to be said after the first of these.
    let summing = sum_up_for_ever(&refusals);
    assert!(timeout(3 * QUIET, summing).await.is_err());
    assert_eq!(log.lines("More requests ended like that"), 1);
    assert_eq!(log.lines("verdict=\"too_late\" requests=99"), 1);

    ends(&refusals, &panicked, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(log.lines("Webhook not served"), 3);
}
