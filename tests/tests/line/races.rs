//! Notices of one transaction that are booked at the same moment by different workers.

use futures_util::stream::{self, StreamExt as _};
use serde_json::Value;

use crate::harness::{Line, Setup, eventually};
use crate::notices::{order_canceled, order_paid, payment, refund};

const TRANSACTIONS: i64 = 120;
/// Few, so that their balances and streams are fought for as well.
const PLAYERS: i64 = 3;

struct Sale {
    order: i64,
    transaction: i64,
    player: String,
    is_canceled: bool,
}

impl Sale {
    fn new(number: i64) -> Self {
        Self {
            order: 1_000 + number,
            transaction: 9_000 + number,
            player: format!("player-{}", number % PLAYERS),
            is_canceled: number % 2 == 0,
        }
    }

    /// Its notices, in another order for each sale.
    fn notices(&self) -> Vec<Value> {
        let (order, transaction, player) = (self.order, self.transaction, &*self.player);
        let mut notices = vec![
            payment(transaction, player),
            order_paid(order, transaction, player),
            refund(transaction, player),
        ];
        if self.is_canceled {
            notices.push(order_canceled(order, transaction, player));
        }
        let turn = usize::try_from(order).unwrap() % notices.len();
        notices.rotate_left(turn);
        notices
    }

    /// Whether the order has seen everything that was said of it and of its transaction.
    async fn is_known(&self, line: &Line) -> bool {
        let facts = line.order(self.order).await.map(|order| order.facts);
        facts.is_some_and(|facts| {
            let all = facts.paid && facts.payment && facts.refunded;
            all && facts.canceled == self.is_canceled
        })
    }
}

/// Payment and refund name no order and `order_paid` names the transaction: whichever comes
/// last has to find the others, though none of them waits for another.
#[tokio::test(flavor = "multi_thread")]
async fn notices_of_one_transaction_on_two_workers_never_miss_each_other() {
    let line = Line::start_with(Setup {
        more_workers: 1,
        ..Setup::default()
    })
    .await;
    let sales: Vec<_> = (0..TRANSACTIONS).map(Sale::new).collect();
    // Many at once: what a worker takes are batches of several sales, and each sale is in
    // batches of several lanes of both workers.
    let notices: Vec<_> = sales.iter().flat_map(Sale::notices).collect();
    stream::iter(&notices)
        .for_each_concurrent(32, |notice| line.accepted(notice))
        .await;
    for sale in &sales {
        let what = format!("order {} has seen all", sale.order);
        eventually(&what, async || sale.is_known(&line).await).await;
    }
    line.queues_are_empty().await;

    for number in 0..PLAYERS {
        let player = format!("player-{number}");
        let kept = sales
            .iter()
            .filter(|sale| sale.player == player && !sale.is_canceled);
        let blades = format!("blade×{}", 2 * kept.count());
        assert_eq!(line.inventory(&player).await, [blades]);
        let stream = line.stream(&player).await;
        let offsets = stream.iter().map(|row| row.0);
        assert!(offsets.eq(1..=i64::try_from(stream.len()).unwrap()));
    }
    assert_eq!(line.parked().await, []);
    // What PostgreSQL's log says of deadlocks, it counts here.
    let deadlocks: i64 = sqlx::query_scalar(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()",
    )
    .fetch_one(line.cluster().database.pool())
    .await
    .unwrap();
    assert_eq!(deadlocks, 0);
    line.stop().await;
}
