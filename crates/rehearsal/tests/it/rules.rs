//! What is sent after which answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rehearsal::journal::{Answer, Journal, Kind, Notice, Post, Says};
use rehearsal::{Live, prepare};
use tokio_util::sync::CancellationToken;

use crate::receiver::{AT_ONCE, NEVER, Receiver, plan, play};

const PAID: Says = Says::OrderPaid { combined: false };
const CANCELED: Says = Says::OrderCanceled { combined: false };

/// What was sent of each notice, by shopper and by place, in the order of its leaving.
fn sent(journal: &Journal) -> BTreeMap<(u32, u8), Vec<Post>> {
    let mut sent: BTreeMap<_, Vec<Post>> = BTreeMap::new();
    for post in &journal.posts {
        sent.entry((post.shopper, post.notice))
            .or_default()
            .push(*post);
    }
    for posts in sent.values_mut() {
        posts.sort_by_key(|post| post.sent);
    }
    sent
}

fn notice(journal: &Journal, post: &Post) -> Notice {
    let shopper = &journal.shoppers[usize::try_from(post.shopper).unwrap()];
    shopper.notices[usize::from(post.notice)]
}

#[tokio::test]
async fn a_notice_follows_when_the_one_before_was_taken_and_is_repeated_until_then() {
    // The third is taken, whatever it is; a question would end at the first refusal.
    let receiver = Receiver::start(|asked| {
        let is_taken = asked.before == 2 || asked.kind == "user_validation";
        (AT_ONCE, if is_taken { 204 } else { 503 })
    })
    .await;
    let journal = receiver.rehearse(plan(60.0, &["refund=100%"])).await;
    assert!(!journal.shoppers.is_empty());
    let sent = sent(&journal);
    for (number, shopper) in (0..).zip(&journal.shoppers) {
        let mut taken = shopper.arrived;
        for place in 0..u8::try_from(shopper.notices.len()).unwrap() {
            let posts = &sent[&(number, place)];
            assert!(posts[0].due >= taken, "{posts:?}");
            for (attempt, post) in (1..).zip(posts) {
                assert_eq!(post.attempt, attempt);
                assert!(post.sent >= post.due && post.ended >= post.sent);
                assert_eq!(post.is_acknowledged(), usize::from(attempt) == posts.len());
            }
            for pair in posts.windows(2) {
                // Five minutes, and ten after a payment's first: the least there is.
                let gap = pair[1].due.checked_sub(pair[0].ended).unwrap();
                assert!(gap >= Duration::from_millis(5), "{gap:?}");
            }
            taken = posts.last().unwrap().ended;
        }
    }
}

#[tokio::test]
async fn a_question_that_is_refused_ends_the_purchase() {
    let receiver = Receiver::start(|asked| match asked.kind {
        "user_validation" => (AT_ONCE, 503),
        kind => panic!("{kind} is sent"),
    })
    .await;
    let journal = receiver.rehearse(plan(60.0, &[])).await;
    assert_eq!(journal.posts.len(), journal.shoppers.len());
}

#[tokio::test]
async fn an_order_that_is_refused_for_good_is_paid_back_where_the_account_says_so() {
    for auto_refund in [false, true] {
        let receiver = Receiver::start(|asked| match asked.kind {
            "order_paid" => (AT_ONCE, 404),
            _ => (AT_ONCE, 204),
        })
        .await;
        let mut plan = plan(60.0, &["dispute=50%"]);
        plan.auto_refund = auto_refund;
        let journal = receiver.rehearse(plan).await;
        let said = |says| {
            let about = |post: &&Post| notice(&journal, post).says == says;
            journal.posts.iter().filter(about).count()
        };
        let all = journal.shoppers.len();
        assert!(all > 0);
        assert_eq!(said(PAID), all, "never again");
        assert_eq!(said(Says::Dispute), 0, "nothing that was to follow");
        let paid_back = if auto_refund { all } else { 0 };
        assert_eq!([said(Says::Refund), said(CANCELED)], [paid_back; 2]);
    }
}

#[tokio::test]
async fn no_answer_is_unknown_and_no_connection_is_unsent() {
    let receiver = Receiver::start(|_| (NEVER, 204)).await;
    let mut plan = plan(20.0, &["free=100%"]);
    plan.answer_limit = Duration::from_millis(20);
    let journal = receiver.rehearse(plan.clone()).await;
    assert!(!journal.posts.is_empty());
    let each = journal.posts.iter().map(|post| post.answer);
    assert!(each.into_iter().all(|answer| answer == Answer::Unknown));
    let most = journal.posts.iter().map(|post| post.attempt).max();
    assert_eq!(most, Some(20), "as often as Xsolla tries");

    let mut target = receiver.target();
    target.webhook.url = "http://127.0.0.1:1/".to_owned();
    let journal = play(plan, target).await;
    assert!(
        journal
            .posts
            .iter()
            .all(|post| post.answer == Answer::Unsent)
    );
    assert!(!journal.posts.is_empty());
}

#[tokio::test]
async fn a_slow_server_is_not_flattered() {
    let late = Duration::from_millis(20);
    let receiver = Receiver::start(move |_| (late, 204)).await;
    for bounds in [(1, 20_000), (256, 1)] {
        let mut plan = plan(200.0, &["free=100%"]);
        (plan.bounds.requests, plan.bounds.shoppers) = bounds;
        let journal = receiver.rehearse(plan).await;
        // Nobody is left out, though five of six come too early.
        assert!(journal.shoppers.len() > 60);
        assert_eq!(journal.posts.len(), journal.shoppers.len());
        for post in &journal.posts {
            let arrived = journal.shoppers[usize::try_from(post.shopper).unwrap()].arrived;
            assert_eq!(post.due, arrived, "not from when it could be sent");
        }
        let waited = journal
            .posts
            .iter()
            .map(|post| post.ended.saturating_sub(post.due));
        assert!(waited.max().unwrap() > late * 20);
    }
}

#[tokio::test]
async fn disturbances_are_sent_as_the_journal_says() {
    let receiver =
        Receiver::start(|asked| (AT_ONCE, if asked.is_signed { 204 } else { 400 })).await;
    let shares = [
        "repeat=40%",
        "late=40%",
        "simultaneous=40%",
        "odd=40%",
        "forged=40%",
        "conflict=40%",
        "refund=50%",
    ];
    let journal = receiver.rehearse(plan(200.0, &shares)).await;
    let (mut kinds, mut at_once, mut again) = (BTreeSet::new(), 0, 0);
    for ((shopper, place), posts) in sent(&journal) {
        let kind = notice(&journal, &posts[0]).kind;
        kinds.insert(format!("{kind:?}"));
        for post in &posts {
            let refused = post.answer == Answer::Code(400);
            assert_eq!(
                refused,
                kind == Kind::Forged,
                "shopper {shopper}, notice {place}"
            );
        }
        let first = posts.iter().filter(|post| post.attempt == 1);
        at_once += usize::from(first.count() > 1);
        again += usize::from(posts.last().unwrap().attempt > 1);
    }
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert!(at_once > 50 && again > 100, "{at_once} {again}");
}

#[tokio::test]
async fn copies_at_one_instant_do_not_wait_for_one_another() {
    let late = Duration::from_millis(300);
    let receiver = Receiver::start(move |_| (late, 204)).await;
    let journal = receiver
        .rehearse(plan(10.0, &["free=100%", "simultaneous=100%"]))
        .await;
    for posts in sent(&journal).into_values() {
        assert!(posts.len() > 1);
        let first_answer = posts.iter().map(|post| post.ended).min().unwrap();
        assert!(
            posts.iter().all(|post| post.sent < first_answer),
            "{posts:?}"
        );
    }
}

#[tokio::test]
async fn a_stopped_rehearsal_ends_with_what_it_has() {
    let receiver = Receiver::start(|_| (AT_ONCE, 503)).await;
    let mut plan = plan(50.0, &["free=100%"]);
    // The first repeat is minutes away.
    plan.time_scale = 1;
    plan.rate.duration = Duration::from_mins(5);
    let live = Live::new(plan.seed);
    let ready = prepare(plan, receiver.target(), 0).await.unwrap();
    let stop = CancellationToken::new();
    let playing = tokio::spawn({
        let (live, stop) = (live.clone(), stop.clone());
        async move { ready.play(&live, stop).await }
    });
    while live.so_far().posts.is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    live.fault("nothing");
    let lasting = live.lasting_fault("something");
    lasting.over();
    stop.cancel();
    let journal = tokio::time::timeout(Duration::from_mins(1), playing).await;
    let journal = journal.expect("it ends").unwrap();
    assert!(!journal.posts.is_empty());
    let faults: Vec<_> = journal
        .faults
        .iter()
        .map(|it| (it.what.as_str(), it.to.is_some()))
        .collect();
    assert_eq!(faults, [("nothing", false), ("something", true)]);
}
