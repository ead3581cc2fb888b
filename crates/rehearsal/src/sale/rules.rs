//! What Xsolla does after each answer to a notice.
//!
//! The tables are those of Xsolla's pages. Where they leave something open this errs towards
//! sending more: a repeat is harmless, and a notice that is not sent shows nothing.

use std::time::Duration;

use super::journal::{Answer, Says};

const MINUTE: Duration = Duration::from_mins(1);

/// Answers that make Xsolla give up an order at once.
const FINAL: [u16; 8] = [400, 401, 402, 403, 404, 409, 415, 422];
/// Attempts at a payment or a refund, the first one counted.
const PAYMENT_ATTEMPTS: u8 = 12;

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It was taken: the next notice of the purchase may follow.
    Taken,
    /// It is sent again after this long.
    Again(Duration),
    /// It was refused for good, and nothing that depends on it follows.
    Refused,
    /// It was tried as often as Xsolla tries, and nothing that depends on it follows.
    GivenUp,
}

/// What Xsolla does after the answer to this attempt, counted from 1, at a notice.
pub(crate) fn after(says: Says, attempt: u8, answer: Answer) -> Next {
    let code = match answer {
        Answer::Code(200 | 201 | 204) => return Next::Taken,
        Answer::Code(code) => Some(code),
        Answer::Unsent | Answer::Unknown => None,
    };
    let gap = match says {
        // Never again: the player sees an error.
        Says::KnownPlayer | Says::UnknownPlayer => return Next::Refused,
        Says::OrderPaid { .. } | Says::OrderCanceled { .. } => {
            if code.is_some_and(|code| FINAL.contains(&code)) {
                return Next::Refused;
            }
            order_gap(attempt)
        }
        Says::Payment { .. } | Says::Refund | Says::PartialRefund | Says::Dispute => {
            if code.is_some_and(|code| (400..500).contains(&code)) {
                return Next::Refused;
            }
            payment_gap(attempt)
        }
    };
    gap.map_or(Next::GivenUp, Next::Again)
}

/// How long an order's notice rests after so many attempts: twice 5 minutes, seven times 15,
/// ten times 60.
fn order_gap(attempt: u8) -> Option<Duration> {
    match attempt {
        0..=2 => Some(MINUTE * 5),
        3..=9 => Some(MINUTE * 15),
        10..=19 => Some(MINUTE * 60),
        20.. => None,
    }
}

/// How long a payment's notice rests after so many attempts. Xsolla tells of growing gaps, at
/// most 12 attempts and 12 hours; these grow by 10 minutes each and come to 11 hours.
fn payment_gap(attempt: u8) -> Option<Duration> {
    (attempt < PAYMENT_ATTEMPTS).then(|| MINUTE * 10 * u32::from(attempt.max(1)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PAID: Says = Says::OrderPaid { combined: true };
    const CANCELED: Says = Says::OrderCanceled { combined: false };
    const PAYMENT: Says = Says::Payment { names_order: true };
    const UNAVAILABLE: Answer = Answer::Code(503);

    /// The gaps between attempts that are all answered so, in minutes.
    fn gaps(says: Says, answer: Answer) -> Vec<u64> {
        let gap = |attempt| match after(says, attempt, answer) {
            Next::Again(gap) => Some(gap.as_secs() / 60),
            Next::Taken | Next::Refused | Next::GivenUp => None,
        };
        (1..=u8::MAX).map_while(gap).collect()
    }

    #[test]
    fn an_order_is_tried_twenty_times_within_twelve_hours() {
        let table = [[5].repeat(2), [15].repeat(7), [60].repeat(10)].concat();
        for says in [PAID, CANCELED] {
            for answer in [
                UNAVAILABLE,
                Answer::Code(429),
                Answer::Unknown,
                Answer::Unsent,
            ] {
                assert_eq!(gaps(says, answer), table, "{says:?} {answer:?}");
                assert_eq!(after(says, 20, answer), Next::GivenUp);
            }
        }
        assert!(table.iter().sum::<u64>() <= 12 * 60);
    }

    #[test]
    fn a_payment_is_tried_twelve_times_in_growing_gaps() {
        for says in [PAYMENT, Says::Refund, Says::PartialRefund, Says::Dispute] {
            let gaps = gaps(says, UNAVAILABLE);
            assert_eq!(gaps.len(), 11);
            assert!(
                gaps.is_sorted() && gaps.iter().sum::<u64>() <= 12 * 60,
                "{gaps:?}"
            );
            assert_eq!(after(says, 12, UNAVAILABLE), Next::GivenUp);
        }
    }

    #[test]
    fn a_question_is_asked_once() {
        for answer in [
            UNAVAILABLE,
            Answer::Code(400),
            Answer::Unknown,
            Answer::Unsent,
        ] {
            assert_eq!(after(Says::KnownPlayer, 1, answer), Next::Refused);
        }
        assert_eq!(
            after(Says::UnknownPlayer, 1, Answer::Code(204)),
            Next::Taken
        );
    }

    #[test]
    fn which_refusals_are_final_depends_on_the_notice() {
        let refused = |says| -> Vec<u16> {
            let is_final = |code: &u16| after(says, 1, Answer::Code(*code)) == Next::Refused;
            (100..600).filter(is_final).collect()
        };
        assert_eq!(refused(PAID), [400, 401, 402, 403, 404, 409, 415, 422]);
        assert_eq!(refused(PAYMENT), (400..500).collect::<Vec<_>>());
    }

    proptest! {
        #[test]
        fn whatever_is_answered_ends(code in 100..1_000_u16, attempt: u8, which in 0..4_usize) {
            let says = [PAID, PAYMENT, Says::KnownPlayer, Says::Dispute][which];
            match after(says, attempt, Answer::Code(code)) {
                Next::Taken => prop_assert!([200, 201, 204].contains(&code)),
                Next::Again(gap) => {
                    prop_assert!(attempt < 20 && gap >= MINUTE * 5);
                    prop_assert!(!(400..=404).contains(&code));
                }
                Next::GivenUp => prop_assert!(attempt >= 12),
                Next::Refused => prop_assert!(says == Says::KnownPlayer || (400..500).contains(&code)),
            }
        }
    }
}
