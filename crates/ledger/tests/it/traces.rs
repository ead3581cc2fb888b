//! Where the trace of an order began.

use ledger::{Entry, FirstTrace};
use time::Duration;

use crate::notices::{batch, canceled, id, noon, paid, project};
use crate::stores::{Store, on_both_stores};

on_both_stores!(an_orders_first_trace_is_that_of_its_first_notice_that_has_one);

fn traced(mut entry: Entry, trace_id: &str) -> Entry {
    let notice = entry.notice.as_mut().unwrap();
    notice.trace_id = Some(trace_id.to_owned());
    entry
}

async fn an_orders_first_trace_is_that_of_its_first_notice_that_has_one(store: Store) {
    let ledger = store.ledger();
    let minute = Duration::MINUTE;
    let first = traced(paid(1, "mira", 11), "0af7651916cd43dd8448eb211c80319c");
    let later = traced(canceled(1, "mira", 11), "4bf92f3577b34da6a3ce929d0e0e4736");
    for (entry, at) in [
        (first.clone(), noon() + minute),
        (later, noon() + minute * 2),
        (paid(2, "mira", 12), noon()),
    ] {
        ledger.book(&batch([entry]), at).await.unwrap();
    }

    let orders = [3, 1, 2].map(|order| (project(), id(order)));
    let found = ledger.first_traces(&orders).await.unwrap();
    let expected = FirstTrace {
        trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
        message: first.notice.unwrap().message,
    };
    assert_eq!(found, [None, Some(expected), None]);
    assert_eq!(ledger.first_traces(&[]).await.unwrap(), []);
}
