//! What only somebody can check who sees the broker, the ledger, the processes and their logs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use hyper::StatusCode;
use rehearsal::journal::{Answer, Journal, Post};
use rehearsal::verdict::{Invariant, Verdict, Violation};
use rehearsal::{Http, Plan, Target};
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use super::nemesis::Struck;
use super::returning::{RETURN, is_of_weight};
use super::schedule::Fault;
use crate::roles::{CANARIES, ROLES, Roles};
use crate::servers::Servers;

/// The management API counts messages some time after they have moved, and a worker may hold
/// a batch for a minute.
const COUNTED: Duration = Duration::from_mins(3);
/// Between two looks; longer than the broker takes to count.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Bodies under way when all of them come again.
const WIDTH: usize = 16;
/// How long the ledger may take for a whole table.
const RETRIES: u32 = 20;

fn violation(invariant: Invariant, what: String) -> Violation {
    Violation {
        invariant,
        order: None,
        player: None,
        what,
        history: Vec::new(),
        instance: Vec::new(),
    }
}

/// I13: every queue is empty, that of the unrouted among them.
pub(crate) async fn queues_are_empty(verdict: &mut Verdict, servers: &Servers) {
    let (queues, left) = drained(servers).await;
    let left = left.into_iter();
    let violations = left.map(|(queue, left)| {
        violation(
            Invariant::I13,
            format!("{left} messages are left on {queue}"),
        )
    });
    verdict.also(Invariant::I13, queues, violations.collect());
}

/// Waits until the queues are empty twice in a row. How many there are, and what stays.
async fn drained(servers: &Servers) -> (usize, BTreeMap<String, u64>) {
    let deadline = Instant::now() + COUNTED;
    let mut was_empty = false;
    loop {
        let mut queues = servers.queues().await;
        let count = queues.len();
        assert!(count >= 9, "queues are missing: {queues:?}");
        queues.retain(|_, messages| *messages > 0);
        if (queues.is_empty() && was_empty) || Instant::now() > deadline {
            return (count, queues);
        }
        was_empty = queues.is_empty();
        sleep(LOOK_EVERY).await;
    }
}

/// I15: what was accepted is sent again, all of it, to a line whose Redis has forgotten
/// everything; no order and no inventory changes.
pub(crate) async fn everything_again(
    verdict: &mut Verdict,
    (plan, journal, target): (&Plan, &Journal, &Target),
    servers: &Servers,
    ledger: &PgPool,
) {
    let before = standing(ledger).await;
    servers.flush_redis().await;
    let http = Http::new([target.webhook.url.as_str()].into_iter(), COUNTED).unwrap();
    let accepted: BTreeSet<(u32, u8)> = journal
        .posts
        .iter()
        .filter(|post| post.is_acknowledged() && is_of_weight(notice(journal, post)))
        .map(|post| (post.shopper, post.notice))
        .collect();
    let again = stream::iter(&accepted).for_each_concurrent(WIDTH, async |&(shopper, notice)| {
        let body = plan.body(journal, shopper, usize::from(notice)).unwrap();
        for _ in 0..RETRIES {
            let answer = target.webhook.send(&http, body.clone()).await;
            if answer.is_ok_and(|answer| answer.status == StatusCode::NO_CONTENT) {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
        panic!("what was accepted is not taken again: {body:?}");
    });
    again.await;
    let (_, left) = drained(servers).await;
    let after = standing(ledger).await;
    let mut violations: Vec<Violation> = left
        .iter()
        .map(|(queue, left)| format!("of the repeats {left} are left on {queue}"))
        .map(|what| violation(Invariant::I15, what))
        .collect();
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    for name in names {
        let (was, is) = (before.get(name), after.get(name));
        if was != is {
            let what = format!("{name} is another one since everything came again");
            let told = |when: &str, lines: Option<&Vec<String>>| -> Vec<String> {
                let lines = lines.into_iter().flatten();
                lines.map(|line| format!("{when}: {line}")).collect()
            };
            violations.push(Violation {
                order: name.strip_prefix("order ").and_then(|id| id.parse().ok()),
                instance: [told("before", was), told("after", is)].concat(),
                ..violation(Invariant::I15, what)
            });
        }
    }
    verdict.also(Invariant::I15, accepted.len(), violations);
}

fn notice(journal: &Journal, post: &Post) -> rehearsal::journal::Notice {
    let shopper = &journal.shoppers[usize::try_from(post.shopper).unwrap()];
    shopper.notices[usize::from(post.notice)]
}

/// Everything that the ledger says of each order, and what each player holds.
async fn standing(ledger: &PgPool) -> BTreeMap<String, Vec<String>> {
    let all = "
        SELECT 'order ' || order_id, concat_ws(' ', 'stands at', status, 'shown', shown, 'of',
            player, created, paid, payment, canceled, refunded, transaction_id, content)
            FROM orders
        UNION ALL SELECT 'order ' || order_id,
            concat_ws(' ', 'told', player, stream_offset, status, at) FROM stream_rows
        UNION ALL SELECT replace(source, ':', ' '),
            concat_ws(' ', direction, part, player, kind, ref, booked_at) FROM bookings
        UNION ALL SELECT replace(source, ':', ' '),
            concat_ws(' ', direction, part, line, sku, quantity) FROM booking_lines
        UNION ALL SELECT replace(source, ':', ' '),
            concat_ws(' ', direction, part, state) FROM obligations
        UNION ALL SELECT 'transaction ' || transaction_id,
            concat_ws(' ', order_id, player, payment, refund, refund_code) FROM transactions
        UNION ALL SELECT 'player ' || player, concat_ws(' ', sku, quantity) FROM balances
        UNION ALL SELECT 'player ' || player, concat_ws(' ', 'told up to', last_offset)
            FROM streams
        ORDER BY 1, 2";
    let rows: Vec<(String, String)> = sqlx::query_as(all).fetch_all(ledger).await.unwrap();
    let mut standing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, line) in rows {
        standing.entry(name).or_default().push(line);
    }
    standing
}

/// I16: after each round the line took, booked and told again in time, and in the end no
/// connection sits in a transaction.
pub(crate) async fn it_returned(verdict: &mut Verdict, struck: &[Struck], ledger: &PgPool) {
    let never = struck.iter().filter_map(|struck| {
        let missing = struck.returned.missing();
        let (what, at) = (&struck.what, struck.returned.over.as_secs_f64());
        (!missing.is_empty()).then(|| {
            format!(
                "after {what}, over at {at:.1} s, nothing was {} within {:.1} s, which is more than \
                 {RETURN:?} of a quiet machine's time",
                missing.join(" or "),
                struck.returned.took.as_secs_f64()
            )
        })
    });
    let mut wrong: Vec<String> = never.collect();
    let idle = "SELECT count(*) FROM pg_stat_activity
        WHERE state LIKE 'idle in transaction%' AND state_change < now() - interval '2 s'";
    let mut open: i64 = 1;
    for _ in 0..RETRIES {
        open = sqlx::query_scalar(idle).fetch_one(ledger).await.unwrap();
        if open == 0 {
            break;
        }
        sleep(LOOK_EVERY).await;
    }
    if open > 0 {
        wrong.push(format!("{open} connections sit in a transaction"));
    }
    let violations = wrong
        .into_iter()
        .map(|what| violation(Invariant::I16, what));
    verdict.also(Invariant::I16, struck.len() + 1, violations.collect());
}

/// I17: whoever was asked to end did so in order; nobody else ended, and while they did
/// nothing was refused with anything but 503.
pub(crate) fn all_left_in_order(verdict: &mut Verdict, journal: &Journal, roles: &mut Roles) {
    let restarts = journal.faults.iter();
    let restarts = restarts.filter(|fault| fault.what == Fault::Roll.to_string());
    let restarts: Vec<_> = restarts.map(|fault| (fault.from, fault.to)).collect();
    let is_under_one = |post: &&Post| {
        let mut restarts = restarts.iter();
        restarts.any(|(from, to)| post.ended >= *from && to.is_none_or(|to| post.sent <= to))
    };
    let under: Vec<&Post> = journal.posts.iter().filter(is_under_one).collect();
    let wrong = under.iter().filter_map(|post| match post.answer {
        Answer::Code(code @ 500..) if code != 503 => Some((code, post)),
        Answer::Code(_) | Answer::Unsent | Answer::Unknown => None,
    });
    let mut violations: Vec<Violation> = wrong
        .map(|(code, post)| {
            let shopper = &journal.shoppers[usize::try_from(post.shopper).unwrap()];
            let what = format!("a notice was answered {code} while the roles were restarted");
            Violation {
                order: Some(shopper.purchase.order),
                ..violation(Invariant::I17, what)
            }
        })
        .collect();
    roles.start_missing();
    let faults = std::mem::take(&mut roles.faults);
    violations.extend(
        faults
            .into_iter()
            .map(|what| violation(Invariant::I17, what)),
    );
    verdict.also(
        Invariant::I17,
        under.len() + restarts.len() * ROLES.len(),
        violations,
    );
}

/// I18: no log and no metric says what has to stay secret.
pub(crate) async fn nothing_leaked(verdict: &mut Verdict, roles: &Roles, servers: &Servers) {
    let told = roles.told().await;
    let password = servers.password();
    let canaries: Vec<&str> = CANARIES.into_iter().chain([password.as_str()]).collect();
    let mut violations = Vec::new();
    for (place, text) in &told {
        for canary in canaries.iter().filter(|canary| text.contains(**canary)) {
            let line = text.lines().find(|line| line.contains(*canary));
            let what = format!("{place} holds `{canary}`: {}", line.unwrap_or_default());
            violations.push(violation(Invariant::I18, what));
        }
    }
    verdict.also(Invariant::I18, told.len() * canaries.len(), violations);
}

/// I20: PostgreSQL knows of no deadlock.
pub(crate) fn nothing_deadlocked(verdict: &mut Verdict, servers: &Servers) {
    let log = servers.postgres_log();
    let deadlocks = log
        .lines()
        .filter(|line| line.contains("deadlock detected"));
    let violations = deadlocks.map(|line| violation(Invariant::I20, line.to_owned()));
    verdict.also(Invariant::I20, 1, violations.collect());
}
