//! Compares what the servers hold in the end with what was accepted. Reads the tables and
//! the roles' own answers; knows nothing of how the ledger decides.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use sqlx::PgPool;

use crate::orders::{Order, PROJECT};
use crate::roles::{API_KEY, Addresses, token};

/// How many orders are asked for over the order-status endpoint.
const POLLS: usize = 60;

/// All that is wrong, each with its order or player.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Accepted notices that have not ended.
    pub(crate) lost: Vec<String>,
    /// Orders and balances with less than is owed.
    pub(crate) short: Vec<String>,
    /// Orders and balances with more than is owed.
    pub(crate) doubled: Vec<String>,
    /// Anything else.
    pub(crate) other: Vec<String>,
    pub(crate) granted: usize,
    pub(crate) revoked: usize,
    pub(crate) stream_rows: usize,
}

impl Verdict {
    fn compare<T: PartialEq + Debug>(&mut self, what: &str, found: &T, expected: &T) {
        if found != expected {
            self.other
                .push(format!("{what}: found {found:?}, expected {expected:?}"));
        }
    }
}

type Notices = BTreeSet<(String, String)>;

/// The notices that have ended, by type and reference.
pub(crate) async fn ended(ledger: &PgPool) -> Notices {
    let rows: Vec<(String, String)> =
        sqlx::query_as("SELECT kind, ref FROM notices WHERE outcome IS NOT NULL")
            .fetch_all(ledger)
            .await
            .unwrap();
    rows.into_iter().collect()
}

/// The notices of these orders that have to end.
pub(crate) fn expected(orders: &[Order]) -> Notices {
    orders
        .iter()
        .flat_map(|order| {
            order
                .notices
                .iter()
                .map(|notice| order.name_of(notice.sent))
        })
        .map(|(kind, reference)| (kind.to_owned(), reference))
        .collect()
}

/// The judgement. All notices of all orders were accepted.
pub(crate) async fn judge(orders: &[Order], ledger: &PgPool, at: Addresses) -> Verdict {
    let mut verdict = Verdict::default();
    notices(&mut verdict, orders, ledger).await;
    bookings(&mut verdict, orders, ledger).await;
    balances(&mut verdict, orders, ledger).await;
    streams(&mut verdict, orders, ledger).await;
    quiet(&mut verdict, ledger).await;
    answers(&mut verdict, orders, at).await;
    verdict
}

async fn notices(verdict: &mut Verdict, orders: &[Order], ledger: &PgPool) {
    let (ended, expected) = (ended(ledger).await, expected(orders));
    let name = |(kind, reference): &(String, String)| format!("{kind} {reference}");
    verdict.lost.extend(expected.difference(&ended).map(name));
    let foreign = ended.difference(&expected).map(name);
    verdict
        .other
        .extend(foreign.map(|name| format!("{name} was never sent")));
}

/// Source, direction, how many bookings, pieces, state of the obligation.
type Booking = (String, String, i64, i64, String);

async fn bookings(verdict: &mut Verdict, orders: &[Order], ledger: &PgPool) {
    let rows: Vec<Booking> = sqlx::query_as(
        "SELECT source, direction, count(DISTINCT part), sum(quantity)::bigint, min(state)
         FROM bookings JOIN booking_lines USING (project, source, direction, part)
         JOIN obligations USING (project, source, direction, part)
         GROUP BY source, direction",
    )
    .fetch_all(ledger)
    .await
    .unwrap();
    let mut net: BTreeMap<&str, i64> = BTreeMap::new();
    let by_source: BTreeMap<String, &Order> = orders
        .iter()
        .map(|order| (format!("order:{}", order.id), order))
        .collect();
    for (source, direction, bookings, pieces, state) in &rows {
        let grant = direction == "grant";
        let Some(order) = by_source.get(source) else {
            verdict
                .other
                .push(format!("a {direction} of {source}, which was never sent"));
            continue;
        };
        if *bookings != 1 || *pieces != order.quantity {
            let found = format!("{source}: {bookings} bookings of {pieces} pieces ({direction})");
            verdict.doubled.push(found);
        }
        if !matches!(state.as_str(), "held" | "returned") {
            verdict
                .other
                .push(format!("the {direction} of {source} is still {state}"));
        }
        *net.entry(source).or_default() += if grant { *pieces } else { -*pieces };
        verdict.granted += usize::from(grant);
        verdict.revoked += usize::from(!grant);
    }
    for (source, order) in &by_source {
        let (_, owed) = order.expected();
        let found = net.get(source.as_str()).copied().unwrap_or_default();
        let line = || format!("{source}: {found} pieces, owed are {owed}");
        match found.cmp(&owed) {
            std::cmp::Ordering::Less => verdict.short.push(line()),
            std::cmp::Ordering::Equal => {}
            std::cmp::Ordering::Greater => verdict.doubled.push(line()),
        }
    }
}

/// Pieces by player and sku.
type Held = BTreeMap<(String, String), i64>;

fn owed(orders: &[Order]) -> Held {
    let mut owed = Held::new();
    for order in orders {
        let (_, pieces) = order.expected();
        *owed
            .entry((order.player.clone(), order.sku.to_owned()))
            .or_default() += pieces;
    }
    owed.retain(|_, pieces| *pieces != 0);
    owed
}

async fn balances(verdict: &mut Verdict, orders: &[Order], ledger: &PgPool) {
    let of = async |query: &'static str| -> Held {
        let rows: Vec<(String, String, i64)> =
            sqlx::query_as(query).fetch_all(ledger).await.unwrap();
        rows.into_iter()
            .filter(|(_, _, pieces)| *pieces != 0)
            .map(|(player, sku, pieces)| ((player, sku), pieces))
            .collect()
    };
    let balances = of("SELECT player, sku, quantity FROM balances").await;
    let lines = of("SELECT player, sku,
            sum(CASE direction WHEN 'grant' THEN quantity ELSE -quantity END)::bigint
         FROM bookings JOIN booking_lines USING (project, source, direction, part)
         GROUP BY player, sku")
    .await;
    verdict.compare("balances against lines", &balances, &lines);
    let owed = owed(orders);
    for (of, owed) in &owed {
        let found = balances.get(of).copied().unwrap_or_default();
        if found < *owed {
            verdict
                .short
                .push(format!("{of:?} holds {found} of {owed}"));
        }
    }
    for (of, found) in &balances {
        let owed = owed.get(of).copied().unwrap_or_default();
        if *found > owed {
            verdict
                .doubled
                .push(format!("{of:?} holds {found} instead of {owed}"));
        }
    }
}

async fn streams(verdict: &mut Verdict, orders: &[Order], ledger: &PgPool) {
    let heads: Vec<(String, i64)> = sqlx::query_as("SELECT player, last_offset FROM streams")
        .fetch_all(ledger)
        .await
        .unwrap();
    let rows: Vec<(String, i64, i64, String)> = sqlx::query_as(
        "SELECT player, stream_offset, order_id, status FROM stream_rows
         ORDER BY player, stream_offset",
    )
    .fetch_all(ledger)
    .await
    .unwrap();
    verdict.stream_rows = rows.len();
    let mut offsets: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    let mut shown: BTreeMap<i64, Vec<(&str, &str)>> = BTreeMap::new();
    for (player, offset, order, status) in &rows {
        offsets.entry(player).or_default().push(*offset);
        shown.entry(*order).or_default().push((player, status));
    }
    for (player, last) in &heads {
        let found = offsets.remove(player.as_str()).unwrap_or_default();
        let gapless = found.iter().copied().eq(1..=*last);
        if !gapless {
            verdict
                .other
                .push(format!("the stream of {player} has gaps below {last}"));
        }
    }
    verdict.compare("streams without a head", &offsets.len(), &0);
    for order in orders {
        let shown = shown.remove(&order.id).unwrap_or_default();
        let ascending = shown.is_sorted_by(|(_, one), (_, next)| rank(one) < rank(next));
        let own = shown.iter().all(|(player, _)| *player == order.player);
        let last = shown.last().map(|(_, status)| *status);
        if !ascending || !own || last != Some(order.expected().0) {
            let expected = order.expected().0;
            let line = format!("order {} showed {shown:?}, the end is {expected}", order.id);
            verdict.other.push(line);
        }
    }
    verdict.compare("orders shown and never sent", &shown.len(), &0);
}

fn rank(status: &str) -> Option<usize> {
    ["new", "paid", "done", "canceled"]
        .iter()
        .position(|known| *known == status)
}

/// Nothing waits for a person, disagrees, or holds on to a transaction.
async fn quiet(verdict: &mut Verdict, ledger: &PgPool) {
    for (what, query) in [
        ("parked entries", "SELECT count(*) FROM parked"),
        ("conflicts", "SELECT count(*) FROM conflicts"),
        (
            "transactions left open",
            "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'",
        ),
    ] {
        let found: i64 = sqlx::query_scalar(query).fetch_one(ledger).await.unwrap();
        verdict.compare(what, &found, &0);
    }
}

/// What players and game servers are told.
async fn answers(verdict: &mut Verdict, orders: &[Order], at: Addresses) {
    let every = (orders.len() / POLLS).max(1);
    for order in orders.iter().step_by(every) {
        let path = format!("/api/v2/project/{PROJECT}/order/{}", order.id);
        let answer = get(at.publisher, &path, &token(&order.player)).await;
        let what = format!("the status endpoint about order {}", order.id);
        verdict.compare(&what, &answer["status"].as_str(), &Some(order.expected().0));
    }
    let owed = owed(orders);
    let players: BTreeSet<_> = orders.iter().map(|order| &order.player).collect();
    for player in players {
        let path = format!("/v1/projects/{PROJECT}/players/{player}/inventory");
        let answer = get(at.api, &path, API_KEY).await;
        let told: Held = answer["items"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|line| {
                let sku = line["sku"].as_str().unwrap_or_default().to_owned();
                (
                    (player.clone(), sku),
                    line["quantity"].as_i64().unwrap_or_default(),
                )
            })
            .collect();
        let owed = owed.iter().filter(|((of, _), _)| of == player);
        let owed = owed.map(|(of, pieces)| (of.clone(), *pieces)).collect();
        verdict.compare("the api's inventory", &told, &owed);
    }
}

async fn get(at: SocketAddr, path: &str, bearer: &str) -> Value {
    let request = Request::get(format!("http://{at}{path}"))
        .header("authorization", format!("Bearer {bearer}"))
        .body(Empty::<Bytes>::new())
        .unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap_or(Value::Null)
}
