//! Every sequence of notices about one order ends where the oracle says.

use std::collections::BTreeSet;

use futures_util::StreamExt as _;
use order::TransactionId;

use crate::harness::{Line, Setup, Stack, eventually, on_both_stacks, project};
use crate::notices;
use crate::oracle::{self, Sent};

on_both_stacks!(every_sequence_of_notices_ends_where_the_oracle_says,);

/// One order and the notices that are sent about it, each with ids of its own.
struct History {
    number: i64,
    sent: Vec<Sent>,
}

impl History {
    fn order(&self) -> i64 {
        1_000_000 + self.number
    }

    fn transaction(&self) -> i64 {
        2_000_000 + self.number
    }

    fn player(&self) -> String {
        format!("player-{}", self.number)
    }

    async fn play(&self, line: &Line) {
        let (order, transaction, player) = (self.order(), self.transaction(), self.player());
        for sent in &self.sent {
            let notice = match sent {
                Sent::Paid => notices::order_paid(order, transaction, &player),
                Sent::Canceled => notices::order_canceled(order, transaction, &player),
                Sent::PaymentOfOrder => notices::payment_of(order, transaction, &player),
                Sent::Payment => notices::payment(transaction, &player),
                Sent::Refund => notices::refund(transaction, &player),
            };
            line.accepted(&notice).await;
        }
    }

    /// The types of notices that have ended, one way or another.
    async fn ended(&self, line: &Line) -> BTreeSet<String> {
        let transaction = TransactionId::try_from(self.transaction()).unwrap();
        let by_transaction = line
            .ledger()
            .transaction(project(), transaction)
            .await
            .unwrap();
        let by_order = line.order(self.order()).await;
        let notices = by_transaction.into_iter().flat_map(|found| found.notices);
        let notices = notices.chain(by_order.into_iter().flat_map(|found| found.notices));
        notices.map(|notice| notice.kind.to_string()).collect()
    }

    /// The types that were sent. Both forms of a payment are one notice.
    fn kinds(&self) -> BTreeSet<String> {
        let kind = |sent: &Sent| match sent {
            Sent::Paid => "order_paid",
            Sent::Canceled => "order_canceled",
            Sent::PaymentOfOrder | Sent::Payment => "payment",
            Sent::Refund => "refund",
        };
        self.sent.iter().map(|sent| kind(sent).to_owned()).collect()
    }

    async fn check(&self, line: &Line) {
        let expected = oracle::outcome(&self.sent);
        let stream = line.stream(&self.player()).await;
        let held = line.inventory(&self.player()).await;
        let blades = if expected.blades == 0 {
            vec![]
        } else {
            vec![format!("blade×{}", expected.blades)]
        };
        assert_eq!(held, blades, "{:?}: {stream:?}", self.sent);
        assert_eq!(
            stream.last().map(|row| row.2),
            expected.status,
            "{:?}: {stream:?}",
            self.sent
        );
        let ranks: Vec<_> = stream.iter().map(|row| rank(row.2)).collect();
        assert!(
            ranks.is_sorted_by(|a, b| a < b),
            "{:?} ran backwards: {stream:?}",
            self.sent
        );
    }
}

fn rank(status: &str) -> usize {
    ["new", "paid", "done", "canceled"]
        .iter()
        .position(|known| *known == status)
        .unwrap()
}

/// All sequences of one to three notices, repeats included, and all permutations of five,
/// once of five different ones and once with a repeat. Both forms of a payment are one
/// notice, and either may come first.
fn histories() -> Vec<History> {
    let alphabet = [
        Sent::Paid,
        Sent::Canceled,
        Sent::PaymentOfOrder,
        Sent::Payment,
        Sent::Refund,
    ];
    let mut sequences = Vec::new();
    let mut of_length: Vec<Vec<Sent>> = vec![vec![]];
    for _ in 0..3 {
        let longer = of_length
            .iter()
            .flat_map(|sent| alphabet.map(|next| [sent.as_slice(), &[next]].concat()));
        of_length = longer.collect();
        sequences.extend(of_length.clone());
    }
    sequences.extend(permutations(&alphabet));
    sequences.extend(permutations(&[
        Sent::Paid,
        Sent::Canceled,
        Sent::Payment,
        Sent::Refund,
        Sent::Paid,
    ]));
    (0..)
        .zip(sequences)
        .map(|(number, sent)| History { number, sent })
        .collect()
}

fn permutations(of: &[Sent]) -> Vec<Vec<Sent>> {
    if of.is_empty() {
        return vec![vec![]];
    }
    let heads = of.iter().enumerate();
    heads
        .flat_map(|(index, head)| {
            let rest = [&of[..index], &of[index + 1..]].concat();
            permutations(&rest)
                .into_iter()
                .map(move |tail| [&[*head], tail.as_slice()].concat())
        })
        .collect()
}

async fn every_sequence_of_notices_ends_where_the_oracle_says(stack: Stack) {
    let line = Line::start_with(Setup {
        stack,
        more_workers: 1,
        ..Setup::default()
    })
    .await;
    let histories = histories();
    futures_util::stream::iter(&histories)
        .for_each_concurrent(32, |history| history.play(&line))
        .await;
    for history in &histories {
        let what = format!("all notices of {:?} have ended", history.sent);
        eventually(&what, async || {
            history.ended(&line).await == history.kinds()
        })
        .await;
    }
    line.queues_are_empty().await;
    for history in &histories {
        history.check(&line).await;
    }
    assert_eq!(line.parked().await, []);
    line.stop().await;
}
