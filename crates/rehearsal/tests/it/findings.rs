//! What becomes of a verdict where the instance does not say what it holds.

use std::time::Duration;

use rehearsal::Http;
use rehearsal::findings::{Deadline, Findings, ReadError};
use rehearsal::verdict::{Invariant, Limits, Verdict};

use crate::receiver::{AT_ONCE, Receiver, plan};

const DEADLINE: Deadline = Deadline {
    drain: Duration::ZERO,
    answer: Duration::ZERO,
};

#[tokio::test]
async fn an_instance_that_cannot_be_asked_is_not_clean_and_is_not_asked_forever() {
    let receiver = Receiver::start(|_| (AT_ONCE, 204)).await;
    let journal = receiver.rehearse(plan(400.0, &[])).await;
    let orders = journal.shoppers.len();
    assert!(orders > 100, "{orders}");
    let mut target = receiver.target();
    let http = Http::new(["http://a"].into_iter(), Duration::from_secs(10)).unwrap();
    // It answers 201 with something else; nobody listens there.
    for url in [
        target.server.clone().unwrap().url,
        "http://127.0.0.1:1".to_owned(),
    ] {
        target.server.as_mut().unwrap().url = url;
        let read = Findings::read(&journal, &target, &http, DEADLINE, 0).await;
        let findings = read.unwrap();
        assert_eq!(findings.drain.waiting.len(), orders);
        let asked = |unread: &&rehearsal::findings::Unread| !unread.what.contains("not asked");
        let asked = findings.unread.iter().filter(asked).count();
        assert!(asked < 80, "{asked} were asked for");
        let verdict = Verdict::judge(&journal, &findings, &Limits::default());
        let named = verdict.violations.iter();
        let named = named.filter(|it| it.invariant == Invariant::I1 && it.order.is_some());
        assert_eq!(named.count(), orders);
    }
    target.server = None;
    let nobody = Findings::read(&journal, &target, &http, DEADLINE, 0).await;
    assert_eq!(nobody.unwrap_err(), ReadError::NoApi);
}
