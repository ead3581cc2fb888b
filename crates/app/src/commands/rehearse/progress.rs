//! One line that says how a rehearsal stands.

use std::fmt::Write as _;
use std::time::Duration;

use rehearsal::Moment;
use rehearsal::journal::Answer;

/// The moment, in a line.
pub(super) fn line(moment: &Moment) -> String {
    let seconds = moment.at.as_secs();
    let span = moment.span.as_secs_f64().max(0.001);
    let per_second = f64::from(u32::try_from(moment.newly_arrived).unwrap_or(u32::MAX)) / span;
    let mut line = format!(
        "{}:{:02}  {per_second:.1}/s  {} shoppers, {} under way",
        seconds / 60,
        seconds % 60,
        moment.arrived,
        moment.shoppers,
    );
    // Writing to a text cannot fail.
    for (answer, times) in &moment.answers {
        let _ = write!(line, "  {}: {times}", name(*answer));
    }
    if let (Some(p50), Some(p99)) = (moment.p50, moment.p99) {
        let _ = write!(line, "  p50 {}, p99 {}", millis(p50), millis(p99));
    }
    if moment.sockets > 0 {
        let _ = write!(line, "  {} sockets", moment.sockets);
    }
    if let Some(backlog) = moment.backlog {
        let _ = write!(line, "  backlog {backlog}");
    }
    line
}

/// An answer in a word.
fn name(answer: Answer) -> String {
    match answer {
        Answer::Code(code) => code.to_string(),
        Answer::Unsent => "unsent".to_owned(),
        Answer::Unknown => "no answer".to_owned(),
    }
}

/// A time in milliseconds.
fn millis(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_one_line() {
        let millis = Duration::from_millis;
        let mut moment = Moment {
            at: Duration::from_secs(72),
            span: Duration::from_secs(2),
            arrived: 1_440,
            newly_arrived: 41,
            answers: [(Answer::Unknown, 1), (Answer::Code(204), 98)].into(),
            p50: Some(millis(1)),
            p99: Some(millis(20)),
            shoppers: 12,
            requests: 3,
            sockets: 4,
            backlog: Some(7),
        };
        assert_eq!(
            line(&moment),
            "1:12  20.5/s  1440 shoppers, 12 under way  204: 98  no answer: 1  \
             p50 1.0 ms, p99 20.0 ms  4 sockets  backlog 7"
        );
        (moment.p50, moment.sockets, moment.backlog) = (None, 0, None);
        moment.answers.clear();
        assert_eq!(line(&moment), "1:12  20.5/s  1440 shoppers, 12 under way");
    }
}
