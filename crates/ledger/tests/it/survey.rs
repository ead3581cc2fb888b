//! What is open, and who looks at it.

use std::time::Duration;

use ledger::{Entry, Ledger, QueueHead, Survey};
use order::{Assertion, Grant, Money, ParkReason};
use time::OffsetDateTime;

use crate::notices::{
    batch, book, canceled, created, noon, paid, paid_with, payment, project, refund,
};
use crate::stores::{Store, on_both_stores};

on_both_stores!(
    a_paid_order_without_its_grant_is_open_with_its_price,
    what_cost_no_money_or_was_taken_back_is_not_open,
    an_order_of_which_the_payment_alone_was_heard_is_open_without_a_price,
    an_order_is_open_since_its_payment_and_not_since_its_registration,
    parked_entries_are_open_by_reason_until_they_are_settled,
    obligations_that_are_not_met_are_open,
    what_is_open_is_found_by_index,
);

/// A paid order of which nobody knows what to grant.
fn stuck(order: i64, price: &str) -> Entry {
    priced(order, price, |_| {})
}

fn priced(order: i64, price: &str, change: impl FnOnce(&mut order::Content)) -> Entry {
    let grant = Grant::Unclear {
        reason: ParkReason::NothingToGrant,
        detail: "no item is known".into(),
    };
    let mut entry = paid_with(order, "mira", 900 + order, grant);
    if let Assertion::Paid { content, .. } = &mut entry.assertion {
        let (amount, currency) = price.split_once(' ').unwrap();
        content.price = Some(Money {
            amount: amount.parse().unwrap(),
            currency: currency.into(),
        });
        change(content);
    }
    entry
}

async fn survey(ledger: &Ledger) -> Survey {
    ledger.survey().await.unwrap()
}

/// How many orders are open, and for how much.
async fn unfulfilled(ledger: &Ledger) -> (u64, Vec<(String, i128)>) {
    let found = survey(ledger).await.unfulfilled;
    let Some(found) = found.first() else {
        return (0, Vec::new());
    };
    assert_eq!(found.project, project());
    let mut amounts: Vec<_> = found
        .amounts
        .iter()
        .map(|(currency, sum)| (currency.to_string(), *sum))
        .collect();
    amounts.sort();
    (found.orders, amounts)
}

async fn a_paid_order_without_its_grant_is_open_with_its_price(store: Store) {
    let ledger = store.ledger();
    assert_eq!(survey(&ledger).await, Survey::default());
    let notices = [
        stuck(1, "0.10 USD"),
        stuck(2, "0.20 USD"),
        stuck(3, "5.00 EUR"),
        paid(4, "mira", 904),
    ];
    book(&ledger, notices).await;
    let money = [("EUR".to_owned(), 5_000_000), ("USD".to_owned(), 300_000)];
    assert_eq!(unfulfilled(&ledger).await, (3, money.to_vec()));
}

async fn what_cost_no_money_or_was_taken_back_is_not_open(store: Store) {
    let ledger = store.ledger();
    let sandbox = paid_with(3, "mira", 903, Grant::Sandbox);
    let notices = [
        priced(1, "100.00 GEM", |content| content.is_virtual = true),
        priced(2, "0.00 USD", |content| content.is_free = true),
        sandbox,
        stuck(4, "1.00 USD"),
        canceled(4, "mira", 904),
        stuck(5, "1.00 USD"),
        refund(905, "mira"),
        created(6, "mira"),
    ];
    book(&ledger, notices).await;
    assert_eq!(unfulfilled(&ledger).await, (0, Vec::new()));
}

async fn an_order_of_which_the_payment_alone_was_heard_is_open_without_a_price(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [payment(900, 7, "mira")]).await;
    assert_eq!(unfulfilled(&ledger).await, (1, Vec::new()));
    book(&ledger, [paid(7, "mira", 900)]).await;
    assert_eq!(unfulfilled(&ledger).await, (0, Vec::new()));
}

async fn an_order_is_open_since_its_payment_and_not_since_its_registration(store: Store) {
    let ledger = store.ledger();
    let hour = time::Duration::HOUR;
    let at = async |entry: Entry, at| ledger.book(&batch([entry]), at).await.unwrap();
    at(created(7, "mira"), noon() - hour).await;
    at(stuck(7, "1.00 USD"), noon()).await;
    // The payment comes late, and is a change of the order.
    at(payment(907, 7, "mira"), noon() + hour).await;
    assert_eq!(survey(&ledger).await.unfulfilled[0].oldest_at, noon());
}

async fn parked_entries_are_open_by_reason_until_they_are_settled(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [stuck(1, "1.00 USD"), stuck(2, "1.00 USD")]).await;
    let detail = "no task";
    ledger
        .park_raw(&"?".into(), ParkReason::Unrouted, detail, noon())
        .await
        .unwrap();
    let open = async || {
        let mut open: Vec<_> = survey(&ledger).await.parked;
        open.sort_by_key(|open| open.reason);
        let one = |open: ledger::OpenParked| (open.reason, open.entries, open.oldest_at);
        open.into_iter().map(one).collect::<Vec<_>>()
    };
    let unclear = Some(ParkReason::NothingToGrant);
    let unrouted = (Some(ParkReason::Unrouted), 1, noon());
    assert_eq!(open().await, [(unclear, 2, noon()), unrouted]);
    store
        .run("UPDATE parked SET settled_at = parked_at WHERE order_id = 1".to_owned())
        .await;
    assert_eq!(open().await, [(unclear, 1, noon()), unrouted]);
}

async fn obligations_that_are_not_met_are_open(store: Store) {
    let ledger = store.ledger();
    book(&ledger, [paid(1, "mira", 901), paid(2, "mira", 902)]).await;
    assert_eq!(survey(&ledger).await.obligations, []);
    store
        .run("UPDATE obligations SET state = 'sent' WHERE source = 'order:2'".to_owned())
        .await;
    let [open] = survey(&ledger).await.obligations.try_into().unwrap();
    assert_eq!((open.direction, open.state), ("grant", "sent"));
    assert_eq!((open.obligations, open.oldest_at), (1, noon()));
}

/// A look must not read every order there ever was.
async fn what_is_open_is_found_by_index(store: Store) {
    let plan = match &store {
        Store::Postgres(database) => {
            let mut connection = database.pool().acquire().await.unwrap();
            // Of an empty table the planner would read all.
            sqlx::query("SET enable_seqscan = off")
                .execute(&mut *connection)
                .await
                .unwrap();
            let sql = "EXPLAIN SELECT project FROM orders
                       WHERE status = 'paid' AND NOT sandbox AND NOT refunded
                       ORDER BY first_at LIMIT 9";
            let lines: Vec<String> = sqlx::query_scalar(sql)
                .fetch_all(&mut *connection)
                .await
                .unwrap();
            lines.join("\n")
        }
        Store::Sqlite(file) => {
            let sql = "EXPLAIN QUERY PLAN SELECT project FROM orders
                       WHERE status = 'paid' AND sandbox = 0 AND refunded = 0
                       ORDER BY first_at LIMIT 9";
            let explain = |connection: &rusqlite::Connection| {
                let plan = connection.query_row(sql, [], |row| row.get::<_, String>(3));
                Ok::<_, ledger::LedgerError>(plan?)
            };
            file.file().read(explain).await.unwrap()
        }
    };
    assert!(plan.contains("orders_paid_not_granted"), "{plan}");
    assert!(!plan.contains("Sort") && !plan.contains("B-TREE"), "{plan}");
}

const LEASE: Duration = Duration::from_mins(1);

fn head(queue: &str, received_at: OffsetDateTime) -> QueueHead {
    QueueHead {
        queue: queue.to_owned(),
        received_at,
    }
}

#[tokio::test]
async fn one_worker_at_a_time_has_the_watch_and_hears_how_far_all_of_them_are() {
    let store = Store::postgres().await;
    let ledger = store.ledger();
    let watch = async |holder: &str, heads: &[QueueHead]| {
        ledger.keep_watch(holder, LEASE, heads).await.unwrap()
    };
    let (early, late) = (
        noon() - time::Duration::weeks(500),
        noon() - time::Duration::weeks(400),
    );
    assert!(watch("one", &[head("grant", early)]).await.is_some());
    let further = [head("grant", late), head("record", early)];
    assert_eq!(watch("other", &further).await, None);
    let mut heads = watch("one", &[head("grant", early)]).await.unwrap();
    heads.sort_by(|one, other| one.queue.cmp(&other.queue));
    assert_eq!(heads, further);

    // Of an ingress whose clock is ahead: taken for now, or it would hide all that follows.
    let ahead = noon() + time::Duration::weeks(5_000);
    let heads = watch("one", &[head("grant", ahead)]).await.unwrap();
    let grant = heads.iter().find(|head| head.queue == "grant").unwrap();
    assert!(late < grant.received_at && grant.received_at < ahead - time::Duration::weeks(1_000));
}

#[tokio::test]
async fn the_watch_passes_on_when_it_is_left_and_when_its_lease_is_over() {
    let store = Store::postgres().await;
    let ledger = store.ledger();
    let ask = async |holder: &str, lease| {
        let kept = ledger.keep_watch(holder, lease, &[]).await.unwrap();
        kept.is_some()
    };
    assert!(ask("one", LEASE).await);
    ledger.leave_watch("other").await.unwrap();
    assert!(
        !ask("other", LEASE).await,
        "somebody else cannot give it away"
    );
    ledger.leave_watch("one").await.unwrap();
    assert!(ask("other", LEASE).await);
    assert!(!ask("one", LEASE).await);
    assert!(
        ask("other", Duration::ZERO).await,
        "whoever has it may end it"
    );
    assert!(ask("one", LEASE).await);
    assert!(!ask("other", LEASE).await);
}

#[tokio::test]
async fn the_one_process_on_a_file_always_has_the_watch() {
    let ledger = Store::sqlite().ledger();
    for holder in ["one", "other"] {
        let kept = ledger.keep_watch(holder, LEASE, &[]).await.unwrap();
        assert_eq!(kept, Some(Vec::new()));
        ledger.leave_watch(holder).await.unwrap();
    }
}

#[tokio::test]
async fn how_the_connections_are_used_can_be_read() {
    for store in [Store::postgres().await, Store::sqlite()] {
        let ledger = store.ledger_with(3);
        let telemetry = telemetry::Telemetry::quiet();
        ledger.measure(&telemetry.meter("ledger"));
        ledger.ping().await.unwrap();
        let (pool, max) = match store {
            Store::Postgres(_) => ("ledger", 3),
            Store::Sqlite(_) => ("sqlite", 4),
        };
        let name = format!("db_client_connection_pool_name=\"{pool}\"");
        let state = "db_client_connection_state";
        let lines = [
            format!("db_client_connection_max{{{name}}} {max}"),
            format!("db_client_connection_count{{{name},{state}=\"idle\"}} 1"),
            format!("db_client_connection_count{{{name},{state}=\"used\"}} 0"),
        ];
        // A connection to a server is put in order before it is idle.
        let settled = async {
            let text = || telemetry.metrics_text();
            while !lines.iter().all(|line| text().contains(line)) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let settled = tokio::time::timeout(LEASE, settled).await;
        let text = telemetry.metrics_text();
        assert!(settled.is_ok(), "no {lines:?} in\n{text}");
        let waited = format!("db_client_connection_wait_time_seconds_count{{{name}}} 1");
        assert_eq!(text.contains(&waited), pool == "ledger", "{text}");
    }
}
