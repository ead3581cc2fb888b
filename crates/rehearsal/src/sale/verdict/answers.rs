//! Whether the answers are those that Xsolla's rules ask for.

use std::time::Duration;

use crate::sale::journal::{Answer, Kind, Notice, Post, Says};

use super::evidence::{Case, Evidence};
use super::{Invariant, Judged};

/// The most orders named for answers that did not come in time.
const MAX_NAMED: usize = 5;

/// I9: nothing that is well signed is refused, whatever is broken: Xsolla takes a 4xx for the
/// last word and may give the money back. A question is answered with the truth.
pub(super) fn nothing_signed_is_refused(evidence: &Evidence<'_>) -> Judged {
    let mut examined = 0;
    let mut violations = Vec::new();
    for case in &evidence.cases {
        examined += case.posts.len();
        let wrong = case.posts.iter().find_map(|post| {
            let notice = case.notice(post)?;
            is_wrong(notice, post.answer).then_some((notice, post))
        });
        if let Some((notice, post)) = wrong {
            let what = format!("{} was answered {}", notice.words(), post.answer.words());
            violations.push(evidence.of_order(Invariant::I9, case, what));
        }
    }
    (examined, violations)
}

fn is_wrong(notice: Notice, answer: Answer) -> bool {
    match (notice.kind, notice.says) {
        // That it was not accepted is the concern of I2.
        (Kind::Forged, _) => false,
        (_, Says::UnknownPlayer) => answer.is_success(),
        (Kind::Genuine | Kind::Odd | Kind::Conflicting, _) => answer.is_refusal(),
    }
}

/// I10: in calm, 99 of 100 answers come within the limit, counted from when the request was
/// due, and every request is answered.
pub(super) fn answers_come_in_time(evidence: &Evidence<'_>) -> Judged {
    let posts = evidence
        .cases
        .iter()
        .flat_map(|case| case.posts.iter().map(move |post| (case, *post)));
    let calm: Vec<(&Case<'_>, &Post)> = posts.filter(|(_, post)| evidence.is_calm(post)).collect();
    let mut violations = Vec::new();

    let unanswered = calm.iter().filter(|(_, post)| !is_answered(post));
    let unanswered: Vec<_> = unanswered.collect();
    for (case, post) in unanswered.iter().take(MAX_NAMED) {
        let what = format!(
            "{}, and nothing was broken on purpose ({} such requests)",
            post.answer.words(),
            unanswered.len()
        );
        violations.push(evidence.of_order(Invariant::I10, case, what));
    }

    let mut answered: Vec<_> = calm.iter().filter(|(_, post)| is_answered(post)).collect();
    answered.sort_by_key(|(_, post)| post.waited());
    let limit = evidence.limits.answer_p99;
    // The first one above 99 of 100.
    let at = answered.len() * 99 / 100;
    let p99 = answered.get(at).map(|(_, post)| post.waited());
    if let Some(p99) = p99.filter(|p99| *p99 >= limit) {
        let slow = answered.iter().rev().take(MAX_NAMED);
        for (case, post) in slow.filter(|(_, post)| post.waited() >= limit) {
            let what = format!(
                "answered after {:.2} s; 1 of 100 took {:.2} s or longer, the limit is {} s",
                post.waited().as_secs_f64(),
                p99.as_secs_f64(),
                limit.as_secs_f64()
            );
            violations.push(evidence.of_order(Invariant::I10, case, what));
        }
    }
    (calm.len(), violations)
}

const fn is_answered(post: &Post) -> bool {
    matches!(post.answer, Answer::Code(_))
}

impl Post {
    /// From when it should have left until it was answered: a server that makes its clients
    /// late is not flattered by it.
    pub(crate) fn waited(&self) -> Duration {
        self.ended.saturating_sub(self.sent.min(self.due))
    }
}
