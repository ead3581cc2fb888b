//! Reads what the instance says: waits until all that was accepted has ended, then asks for
//! every order and every player.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use hyper::{Method, StatusCode};
use order::Status;
use serde::de::DeserializeOwned;

use super::wire::{Inventory, Order, OrdersPage, ParkedPage, Transaction};
use super::{Ended, Findings, Found, Held, Parked, Stranger, Stream, Unread};
use crate::game_client::{self, Connection};
use crate::game_server::segment;
use crate::http::{Http, HttpError};
use crate::purchase::Purchase;
use crate::sale::journal::{Follows, Journal};
use crate::sale::verdict::{Cases, Said};
use crate::target::{GameClient, GameServer, Target};

/// Questions that are open at once.
const PARALLEL: usize = 16;
/// Between two looks at what has not ended yet.
const PAUSE: Duration = Duration::from_millis(250);
/// How often a player's orders and inventory are read until two readings agree, where
/// something may still be under way of which nobody knows.
const READINGS: usize = 20;
/// So many questions in a row without an answer, each asked for as long as the deadline
/// says, and nothing more is asked.
const FAILURES: usize = 50;
/// How many players ask for an order that is not theirs.
const STRANGERS: usize = 50;

/// How long to wait and to ask.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// For everything accepted to end.
    pub drain: Duration,
    /// For one answer. A question that fails is asked again for as long.
    pub answer: Duration,
}

/// Why nothing can be read at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The target has no api to ask.
    #[error("without an address and a key of the api there is nothing to judge by")]
    NoApi,
}

/// Why one question has no answer.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("answered {1}")]
    Refused(StatusCode, String),
    #[error("not asked for any more, for {FAILURES} other questions had no answer")]
    GivenUp,
    #[error("the answer is not what was asked for: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    Client(#[from] game_client::ClientError),
}

struct Reader<'a> {
    http: &'a Http,
    server: &'a GameServer,
    client: Option<&'a GameClient>,
    cases: Cases<'a>,
    unix_now: i64,
    deadline: Deadline,
    /// Questions without an answer.
    failures: AtomicUsize,
}

/// Everything the api says about one order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Reading {
    found: Option<Found>,
    payment: Vec<Ended>,
    parked: Vec<Parked>,
}

impl Findings {
    /// Waits for the drain, and then reads everything. `unix_now` is now, in seconds since
    /// 1970, for the players' tokens.
    ///
    /// What cannot be read is in [`Findings::unread`].
    ///
    /// # Errors
    /// When there is no api to ask.
    pub async fn read(
        journal: &Journal,
        target: &Target,
        http: &Http,
        deadline: Deadline,
        unix_now: i64,
    ) -> Result<Self, ReadError> {
        let reader = Reader {
            http,
            server: target.server.as_ref().ok_or(ReadError::NoApi)?,
            client: target.client.as_ref(),
            cases: Cases::new(journal),
            unix_now,
            deadline,
            failures: AtomicUsize::new(0),
        };
        let mut findings = Self::default();
        reader.drain(&mut findings).await;
        let all = (0..journal.shoppers.len()).collect();
        for (place, reading) in reader.orders(all, &mut findings).await {
            reader.keep(&mut findings, place, reading);
        }
        reader.players(&mut findings).await;
        if let Some(client) = reader.client {
            reader.watched(journal, client, &mut findings).await;
        }
        Ok(findings)
    }
}

impl Reader<'_> {
    fn purchase(&self, place: usize) -> &Purchase {
        &self.cases.shopper(place).purchase
    }

    fn keep(&self, findings: &mut Findings, place: usize, reading: Reading) {
        let order = self.purchase(place).order;
        if let Some(found) = reading.found {
            findings.orders.insert(order, found);
        }
        if !reading.payment.is_empty() {
            findings.payments.insert(order, reading.payment);
        }
        if !reading.parked.is_empty() {
            findings.parked.insert(order, reading.parked);
        }
    }

    /// Looks at what has not ended again and again, until all has or the time is over.
    async fn drain(&self, findings: &mut Findings) {
        let began = Instant::now();
        let mut waiting: Vec<usize> = self.cases.sent();
        loop {
            let mut seen = Findings::default();
            let readings = self.orders(waiting.clone(), &mut seen).await;
            let ended = readings.into_iter().filter(|(place, reading)| {
                let said = Said {
                    found: reading.found.as_ref(),
                    payment: &reading.payment,
                    parked: &reading.parked,
                };
                self.cases.has_ended(*place, said)
            });
            let ended: BTreeSet<usize> = ended.map(|(place, _)| place).collect();
            waiting.retain(|place| !ended.contains(place));
            if waiting.is_empty() || began.elapsed() >= self.deadline.drain {
                break;
            }
            tokio::time::sleep(PAUSE).await;
        }
        findings.drain.took = began.elapsed();
        let waiting = waiting.into_iter().map(|place| self.purchase(place).order);
        findings.drain.waiting = waiting.collect();
    }

    /// Reads these orders. Those that cannot be read are noted.
    async fn orders(&self, places: Vec<usize>, findings: &mut Findings) -> Vec<(usize, Reading)> {
        let read = |place| async move { (place, self.order(place).await) };
        let mut readings = stream::iter(places).map(read).buffer_unordered(PARALLEL);
        let mut read = Vec::new();
        while let Some((place, reading)) = readings.next().await {
            match reading {
                Ok(reading) => read.push((place, reading)),
                Err(error) => findings.unread.push(Unread {
                    order: Some(self.purchase(place).order),
                    player: Some(self.purchase(place).player.clone()),
                    what: error.to_string(),
                }),
            }
        }
        read
    }

    async fn order(&self, place: usize) -> Result<Reading, Unanswered> {
        let of = self.purchase(place);
        let base = format!("/v1/projects/{}", of.project);
        let order: Option<Order> = self.get(&format!("{base}/orders/{}", of.order)).await?;
        let mut reading = Reading {
            found: order.map(Order::found),
            ..Reading::default()
        };
        let found = reading.found.as_ref();
        let listed = found.map_or(&[][..], |found| &found.notices);
        if self.cases.lacks(place, found) {
            let path = format!("{base}/transactions/{}", of.transaction);
            let payment: Option<Transaction> = self.get(&path).await?;
            let unlisted = payment.map(Transaction::ended).unwrap_or_default();
            reading.payment = unlisted
                .into_iter()
                .filter(|ended| !listed.contains(ended))
                .collect();
        }
        let mut ended = listed.iter().chain(&reading.payment);
        if ended.any(|ended| ended.outcome == "parked") {
            for by in [
                format!("order={}", of.order),
                format!("transaction={}", of.transaction),
            ] {
                let path = format!("/v1/parked?project={}&settled=true&{by}", of.project);
                let page: Option<ParkedPage> = self.get(&path).await?;
                reading
                    .parked
                    .extend(page.map(ParkedPage::parked).unwrap_or_default());
            }
        }
        Ok(reading)
    }

    /// Every player's inventory and list of orders.
    async fn players(&self, findings: &mut Findings) {
        let players: BTreeMap<&str, Vec<usize>> = self.cases.by_player();
        let read = |(player, places): (String, Vec<usize>)| async move {
            let read = self.player(&player, &places).await;
            (player, read)
        };
        let players = players
            .into_iter()
            .map(|(player, places)| (player.to_owned(), places));
        let mut players = stream::iter(players).map(read).buffer_unordered(PARALLEL);
        while let Some((player, read)) = players.next().await {
            match read {
                Ok((held, orders, readings)) => {
                    findings.holdings.insert(player.clone(), held);
                    findings.orders_of.insert(player, orders);
                    for (place, reading) in readings {
                        self.keep(findings, place, reading);
                    }
                }
                Err(error) => findings.unread.push(Unread {
                    order: None,
                    player: Some(player),
                    what: error.to_string(),
                }),
            }
        }
    }

    /// What a player holds and ordered; and the orders of which something may still be under
    /// way, read until two readings agree.
    async fn player(
        &self,
        player: &str,
        places: &[usize],
    ) -> Result<(Held, Vec<i64>, Vec<(usize, Reading)>), Unanswered> {
        let Some(project) = places.first().map(|place| self.purchase(*place).project) else {
            return Ok((Held::new(), Vec::new(), Vec::new()));
        };
        let base = format!("/v1/projects/{project}/players/{}", segment(player));
        let is_doubtful = places.iter().any(|place| self.cases.is_doubtful(*place));
        let mut before = Vec::new();
        for _ in 0..READINGS {
            let inventory: Option<Inventory> = self.get(&format!("{base}/inventory")).await?;
            let held = inventory.map(Inventory::held).unwrap_or_default();
            let mut readings = Vec::new();
            for place in places.iter().filter(|_| is_doubtful) {
                readings.push((*place, self.order(*place).await?));
            }
            let now = (held, readings);
            if is_doubtful && before.last() != Some(&now) {
                before.push(now);
                continue;
            }
            before.push(now);
            break;
        }
        let (held, readings) = before.pop().unwrap_or_default();
        let mut orders = Vec::new();
        let mut path = format!("{base}/orders");
        while let Some(page) = self.get::<OrdersPage>(&path).await? {
            orders.extend(page.numbers());
            match page.next_before {
                Some(next) => path = format!("{base}/orders?before={next}"),
                None => break,
            }
        }
        Ok((held, orders, readings))
    }

    /// The history of every player who was watched, a poll of every order, and what players
    /// hear who ask for somebody else's order.
    async fn watched(&self, journal: &Journal, client: &GameClient, findings: &mut Findings) {
        let watched = journal.shoppers.iter();
        let watched: Vec<&Purchase> = watched
            .filter(|shopper| shopper.follows != Follows::Nothing)
            .map(|shopper| &shopper.purchase)
            .collect();
        let one_each: BTreeMap<&str, &Purchase> =
            watched.iter().map(|of| (of.player.as_str(), *of)).collect();
        let read = |of: Purchase| async move {
            let read = self.stream(client, &of).await;
            (of.player, read)
        };
        let players: Vec<Purchase> = one_each.values().copied().cloned().collect();
        let mut streams = stream::iter(players).map(read).buffer_unordered(PARALLEL);
        while let Some((player, read)) = streams.next().await {
            match read {
                Ok(read) => drop(findings.streams.insert(player, read)),
                Err(error) => findings.unread.push(Unread {
                    order: None,
                    player: Some(player),
                    what: format!("history: {error}"),
                }),
            }
        }
        let polled: Vec<Purchase> = watched.iter().copied().cloned().collect();
        for (of, polled) in self.polls(client, polled, findings).await {
            findings.polls.insert(of.order, polled);
        }
        let asking = one_each.values().zip(one_each.values().skip(1));
        let asking: Vec<Purchase> = asking
            .take(STRANGERS)
            .map(|(one, other)| Purchase {
                player: one.player.clone(),
                ..(*other).clone()
            })
            .collect();
        let told = self.polls(client, asking, findings).await.into_iter();
        findings.strangers = told
            .map(|(of, told)| Stranger {
                player: of.player,
                order: of.order,
                told,
            })
            .collect();
    }

    async fn stream(&self, client: &GameClient, of: &Purchase) -> Result<Stream, Unanswered> {
        let limit = self.deadline.answer;
        self.again(async || {
            let mut connection =
                Connection::open(self.http, client, of, self.unix_now, limit).await?;
            let stream = connection.stream(limit).await?;
            connection.close().await;
            Ok(stream)
        })
        .await
    }

    async fn polls(
        &self,
        client: &GameClient,
        of: Vec<Purchase>,
        findings: &mut Findings,
    ) -> Vec<(Purchase, Option<Status>)> {
        let read = |of: Purchase| async move {
            let polled = self.poll(client, &of).await;
            (of, polled)
        };
        let mut polls = stream::iter(of).map(read).buffer_unordered(PARALLEL);
        let mut read = Vec::new();
        while let Some((of, polled)) = polls.next().await {
            match polled {
                Ok(polled) => read.push((of, polled)),
                Err(error) => findings.unread.push(Unread {
                    order: Some(of.order),
                    player: Some(of.player),
                    what: format!("polling: {error}"),
                }),
            }
        }
        read
    }

    /// `None` for an order that the player has nothing to do with.
    async fn poll(&self, client: &GameClient, of: &Purchase) -> Result<Option<Status>, Unanswered> {
        self.again(async || {
            let answer = game_client::ask_status(self.http, client, of, self.unix_now).await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            let body = answer.json();
            let status = body["status"].as_str().and_then(Status::from_name);
            match status {
                Some(status) if answer.status.is_success() => Ok(Some(status)),
                _ => Err(Unanswered::Refused(answer.status, answer.summary())),
            }
        })
        .await
    }

    /// The api's answer; `None` where it knows nothing of what was asked for.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Unanswered> {
        self.again(async || {
            let answer = self
                .server
                .call(self.http, Method::GET, path, Bytes::new())
                .await?;
            if answer.status == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            if !answer.status.is_success() {
                let said = format!("{path}: {}", answer.summary());
                return Err(Unanswered::Refused(answer.status, said));
            }
            Ok(Some(serde_json::from_slice(&answer.body)?))
        })
        .await
    }

    /// Asks until there is an answer or the time is over: a process that was killed a moment
    /// ago may be away.
    async fn again<T>(
        &self,
        ask: impl AsyncFn() -> Result<T, Unanswered>,
    ) -> Result<T, Unanswered> {
        let began = Instant::now();
        while self.failures.load(Ordering::Relaxed) < FAILURES {
            match ask().await {
                Err(error) if error.may_pass() && began.elapsed() < self.deadline.answer => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(error) => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                    return Err(error);
                }
                answer => {
                    self.failures.store(0, Ordering::Relaxed);
                    return answer;
                }
            }
        }
        Err(Unanswered::GivenUp)
    }
}

impl Unanswered {
    /// Whether asking again may help. It does not against a key without the right.
    fn may_pass(&self) -> bool {
        match self {
            Self::Http(_) | Self::Client(_) => true,
            Self::Refused(status, _) => status.is_server_error(),
            Self::Unreadable(_) | Self::GivenUp => false,
        }
    }
}
