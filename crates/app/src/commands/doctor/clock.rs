//! Whether the machines agree on the time: tokens, leases and what the ledger notes depend
//! on it.

use time::Duration;

use super::finding::Finding;

/// Above it times in the ledger and in the log cannot be compared any more.
const NOTABLE: Duration = Duration::seconds(2);
/// As far as clocks may differ when a player's token is checked, unless configured.
const HARMFUL: Duration = Duration::seconds(30);

/// What to say of a server whose clock is so far ahead of ours.
pub(super) fn judge(check: &'static str, whose: &str, ahead: Duration) -> Finding {
    let seconds = ahead.abs().as_seconds_f64();
    let way = if ahead.is_negative() {
        "behind"
    } else {
        "ahead of"
    };
    let text = format!(
        "the clock of {whose} is {seconds:.1} s {way} this machine's; expected less than {} s: let \
         both follow NTP",
        NOTABLE.whole_seconds()
    );
    match ahead.abs() {
        far if far > HARMFUL => Finding::fail(check, text),
        far if far > NOTABLE => Finding::warn(check, text),
        _ => Finding::ok(
            check,
            format!("the clock of {whose} agrees with this machine's"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    #[test]
    fn clocks_are_judged_by_how_far_they_are_apart_either_way() {
        for (millis, grade) in [
            (0, Grade::Ok),
            (-1_900, Grade::Ok),
            (2_100, Grade::Warn),
            (-29_000, Grade::Warn),
            (31_000, Grade::Fail),
            (-86_400_000, Grade::Fail),
        ] {
            let found = judge("ledger.clock", "PostgreSQL", Duration::milliseconds(millis));
            assert_eq!(found.grade, grade, "{millis}: {}", found.text);
        }
        let behind = judge("ledger.clock", "PostgreSQL", Duration::seconds(-5));
        assert!(behind.text.contains("5.0 s behind"), "{}", behind.text);
    }
}
