//! All SQL of the queue. Every function runs in its caller's transaction.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row};
use task::{Lane, Salvage};
use time::OffsetDateTime;

use super::desk::Front;
use super::fault::Fault;
use crate::{Delivery, Tier, names};

/// Due messages moved in one transaction.
const DUE_MOST: usize = 256;

/// A message's place in its queue, and with that its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) rank: i64,
    pub(super) message: i64,
}

impl Key {
    /// Before every message.
    pub(super) const FIRST: Self = Self {
        rank: 0,
        message: 0,
    };
}

/// A message that was handed out.
pub(super) struct Taken {
    pub(super) key: Key,
    /// Before this time.
    pub(super) deliveries: i64,
    pub(super) reason: Option<String>,
    pub(super) lane: String,
    pub(super) headers: String,
    pub(super) body: Vec<u8>,
}

/// A message to be kept.
pub(super) struct Message {
    pub(super) lane: Lane,
    pub(super) headers: String,
    pub(super) body: bytes::Bytes,
}

/// Puts the queues in order after whoever had the file before, and says which number is the
/// first that no message or turn has had.
pub(super) fn begin(connection: &Connection, delivery_limit: u32) -> rusqlite::Result<i64> {
    // From here on numbers are given anew, and what was sent to another broker may be done.
    connection.execute("DELETE FROM move_sent", [])?;
    let ours: Vec<_> = names::queues().collect();
    for queue in &ours {
        let sql = "INSERT OR IGNORE INTO queue_sizes VALUES (?1, 0, 0)";
        connection.prepare_cached(sql)?.execute([queue])?;
    }
    let mut next = number(connection, "SELECT max(id) FROM queue_messages", [])?.unwrap_or(0);
    let waiting = [names::PARKED, names::UNROUTED];
    for queue in Lane::ALL.map(names::work).into_iter().chain(waiting) {
        let sql = "SELECT max(rank) FROM queue_places WHERE queue = ?1";
        next = next.max(number(connection, sql, [queue])?.unwrap_or(0));
    }
    next += 1;
    for queue in Lane::ALL.map(names::work) {
        let sql = "SELECT rank, message FROM queue_places WHERE queue = ?1 AND deliveries > ?2";
        let mut statement = connection.prepare(sql)?;
        let found = statement.query_map((queue, delivery_limit), |row| key(row, 0))?;
        for key in found.collect::<Result<Vec<_>, _>>()? {
            shift(
                connection,
                queue,
                key,
                names::PARKED,
                next,
                Some(Delivery::GIVEN_UP),
            )?;
            next += 1;
        }
    }
    for queue in foreign(connection, &ours)? {
        let sql = "SELECT rank, message FROM queue_places WHERE queue = ?1";
        let mut statement = connection.prepare(sql)?;
        let found = statement.query_map([&queue], |row| key(row, 0))?;
        for key in found.collect::<Result<Vec<_>, _>>()? {
            shift(connection, &queue, key, names::UNROUTED, next, None)?;
            next += 1;
        }
    }
    Ok(next)
}

/// Queues of another version that still hold messages.
fn foreign(connection: &Connection, ours: &[&str]) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("SELECT queue FROM queue_sizes WHERE messages > 0")?;
    let found = statement.query_map([], |row| row.get(0))?;
    let mut found = found.collect::<Result<Vec<String>, _>>()?;
    found.retain(|queue| !ours.contains(&queue.as_str()));
    Ok(found)
}

/// Keeps a message on the queue of its lane, if that has room.
pub(super) fn insert(
    connection: &Connection,
    number: i64,
    message: &Message,
    bytes_max: u64,
) -> Result<(), Fault> {
    let Message {
        lane,
        headers,
        body,
    } = message;
    let queue = names::work(*lane);
    let bytes = length(headers.len() + body.len());
    grow(connection, queue, bytes, bytes_max)?;
    let sql = "INSERT INTO queue_messages (id, lane, headers, body) VALUES (?1, ?2, ?3, ?4)";
    let row = (number, lane.as_str(), headers, &body[..]);
    connection.prepare_cached(sql)?.execute(row)?;
    let key = Key {
        rank: number,
        message: number,
    };
    place(connection, queue, key, bytes, None)?;
    Ok(())
}

/// Hands out first those that were given back, then the next after `after`, at most `most`
/// in all. Counts that it did.
pub(super) fn take(
    connection: &Connection,
    queue: &str,
    returned: &[Key],
    after: Key,
    most: usize,
) -> rusqlite::Result<Vec<Taken>> {
    let mut taken = Vec::with_capacity(most);
    for key in returned {
        let sql = "SELECT p.rank, p.message, p.deliveries, p.reason, m.lane, m.headers, m.body
                   FROM queue_places p JOIN queue_messages m ON m.id = p.message
                   WHERE p.queue = ?1 AND p.rank = ?2 AND p.message = ?3";
        let mut statement = connection.prepare_cached(sql)?;
        let row = (queue, key.rank, key.message);
        // One that is not there was finished after all.
        taken.extend(statement.query_row(row, read).optional()?);
        let sql = "UPDATE queue_places SET deliveries = deliveries + 1
                   WHERE queue = ?1 AND rank = ?2 AND message = ?3";
        connection.prepare_cached(sql)?.execute(row)?;
    }
    let sql = "SELECT p.rank, p.message, p.deliveries, p.reason, m.lane, m.headers, m.body
               FROM queue_places p JOIN queue_messages m ON m.id = p.message
               WHERE p.queue = ?1 AND (p.rank, p.message) > (?2, ?3)
               ORDER BY p.rank, p.message LIMIT ?4";
    let fresh = taken.len();
    let room = length(most.saturating_sub(fresh));
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((queue, after.rank, after.message, room), read)?;
    for row in rows {
        taken.push(row?);
    }
    if let Some(last) = taken[fresh..].last() {
        let sql = "UPDATE queue_places SET deliveries = deliveries + 1
                   WHERE queue = ?1 AND (rank, message) > (?2, ?3)
                   AND (rank, message) <= (?4, ?5)";
        let Key { rank, message } = last.key;
        let range = (queue, after.rank, after.message, rank, message);
        connection.prepare_cached(sql)?.execute(range)?;
    }
    Ok(taken)
}

/// Forgets messages.
pub(super) fn delete(connection: &Connection, queue: &str, keys: &[Key]) -> rusqlite::Result<()> {
    let (mut messages, mut bytes) = (0, 0);
    for key in keys {
        let Some(freed) = lift(connection, queue, *key)? else {
            continue;
        };
        messages += 1;
        bytes += freed;
        let sql = "DELETE FROM queue_messages WHERE id = ?1";
        connection.prepare_cached(sql)?.execute([key.message])?;
    }
    shrink(connection, queue, messages, bytes)
}

/// Moves a message to a queue that must have room for it, with new headers where there
/// are some.
pub(super) fn relocate(
    connection: &Connection,
    queue: &str,
    key: Key,
    to: &Destination,
    rank: i64,
) -> Result<(), Fault> {
    // One that is not there was finished after all.
    let Some(bytes) = lift(connection, queue, key)? else {
        return Ok(());
    };
    shrink(connection, queue, 1, bytes)?;
    grow(connection, to.queue, bytes, to.bytes_max)?;
    let message = key.message;
    let reason = to.reason.as_deref();
    place(connection, to.queue, Key { rank, message }, bytes, reason)?;
    if let Some((lane, headers)) = &to.rewritten {
        let sql = "UPDATE queue_messages SET lane = ?2, headers = ?3 WHERE id = ?1";
        let row = (key.message, lane.as_str(), headers);
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

/// Where a message goes next.
pub(super) struct Destination {
    pub(super) queue: &'static str,
    pub(super) bytes_max: u64,
    pub(super) reason: Option<String>,
    pub(super) rewritten: Option<(Lane, String)>,
}

/// Parks those that were handed out too often, and says which.
pub(super) fn park_exhausted(
    connection: &Connection,
    queue: &str,
    keys: &[Key],
    delivery_limit: u32,
    mut rank: impl FnMut() -> i64,
) -> rusqlite::Result<Vec<Key>> {
    let mut parked = Vec::new();
    for key in keys {
        let sql = "SELECT 1 FROM queue_places
                   WHERE queue = ?1 AND rank = ?2 AND message = ?3 AND deliveries > ?4";
        let row = (queue, key.rank, key.message, delivery_limit);
        if connection.prepare_cached(sql)?.exists(row)? {
            let reason = Some(Delivery::GIVEN_UP);
            shift(connection, queue, *key, names::PARKED, rank(), reason)?;
            parked.push(*key);
        }
    }
    Ok(parked)
}

/// What became of the retry queues.
pub(super) struct Due {
    /// The queues that got messages.
    pub(super) queues: Vec<&'static str>,
    /// When the next message is due; now, if there is more.
    pub(super) next: Option<i64>,
}

/// Moves what is due back to its lane. What is due later than it can be was put there
/// before somebody set the clock back, and has waited long enough.
pub(super) fn move_due(
    connection: &Connection,
    now: i64,
    mut rank: impl FnMut() -> i64,
) -> rusqlite::Result<Due> {
    let mut due = Due {
        queues: Vec::new(),
        next: None,
    };
    for tier in Tier::ALL {
        let queue = names::retry(tier);
        let latest = now.saturating_add(micros(tier));
        for (from, to) in [(i64::MIN, now), (latest, i64::MAX)] {
            let moved = move_range(connection, queue, from, to, &mut rank, &mut due.queues)?;
            if moved == DUE_MOST {
                due.next = Some(now);
            }
        }
        let sql = "SELECT min(rank) FROM queue_places WHERE queue = ?1";
        let next = number(connection, sql, [queue])?;
        due.next = [due.next, next].into_iter().flatten().min();
    }
    Ok(due)
}

/// Later than `from` and not later than `to`.
fn move_range(
    connection: &Connection,
    queue: &str,
    from: i64,
    to: i64,
    rank: &mut impl FnMut() -> i64,
    queues: &mut Vec<&'static str>,
) -> rusqlite::Result<usize> {
    let sql = "SELECT p.rank, p.message, m.lane
               FROM queue_places p JOIN queue_messages m ON m.id = p.message
               WHERE p.queue = ?1 AND p.rank > ?2 AND p.rank <= ?3
               ORDER BY p.rank, p.message LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((queue, from, to, length(DUE_MOST)), |row| {
        Ok((key(row, 0)?, row.get::<_, String>(2)?))
    })?;
    let found = rows.collect::<Result<Vec<_>, _>>()?;
    for (key, lane) in &found {
        let lane: Result<Lane, _> = lane.parse();
        let to = lane.map_or(names::UNROUTED, names::work);
        shift(connection, queue, *key, to, rank(), None)?;
        if !queues.contains(&to) {
            queues.push(to);
        }
    }
    Ok(found.len())
}

/// Messages in every queue.
pub(super) fn sizes(connection: &Connection) -> rusqlite::Result<Vec<(String, u64)>> {
    let mut statement = connection.prepare_cached("SELECT queue, messages FROM queue_sizes")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    let count = |(queue, messages)| (queue, u64::try_from(messages).unwrap_or(0));
    rows.map(|row| row.map(count)).collect()
}

/// When the first message that nobody holds had been read by the ingress. `None` where there
/// is none, and where it does not say.
pub(super) fn oldest(
    connection: &Connection,
    queue: &str,
    front: Front,
) -> rusqlite::Result<Option<OffsetDateTime>> {
    let headers = |sql: &str, key: Key| {
        let mut statement = connection.prepare_cached(sql)?;
        let row = (queue, key.rank, key.message);
        let found = statement.query_row(row, |row| row.get::<_, String>(0));
        found.optional()
    };
    let returned = "SELECT m.headers FROM queue_places p JOIN queue_messages m ON m.id = p.message
                    WHERE p.queue = ?1 AND p.rank = ?2 AND p.message = ?3";
    let fresh = "SELECT m.headers FROM queue_places p JOIN queue_messages m ON m.id = p.message
                 WHERE p.queue = ?1 AND (p.rank, p.message) > (?2, ?3)
                 ORDER BY p.rank, p.message LIMIT 1";
    let given_back = front.returned.map(|key| headers(returned, key));
    let first = match given_back.transpose()?.flatten() {
        Some(found) => Some(found),
        None => headers(fresh, front.after)?,
    };
    Ok(first.and_then(|headers| received_at(&headers)))
}

fn received_at(headers: &str) -> Option<OffsetDateTime> {
    let texts: BTreeMap<String, String> = serde_json::from_str(headers).ok()?;
    Salvage::of(&texts.into_iter().collect()).received_at
}

/// Writes something that changes nothing.
pub(super) fn probe(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute("UPDATE queue_sizes SET messages = messages", [])?;
    Ok(())
}

/// How long a message waits in a tier.
pub(super) fn micros(tier: Tier) -> i64 {
    i64::try_from(tier.delay().as_micros()).unwrap_or(i64::MAX)
}

/// Moves a message whatever room there is: it was accepted long ago.
fn shift(
    connection: &Connection,
    queue: &str,
    key: Key,
    to: &str,
    rank: i64,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    let Some(bytes) = lift(connection, queue, key)? else {
        return Ok(());
    };
    shrink(connection, queue, 1, bytes)?;
    shrink(connection, to, -1, -bytes)?;
    let message = key.message;
    place(connection, to, Key { rank, message }, bytes, reason)
}

/// Takes a message from its place and says how large it is.
fn lift(connection: &Connection, queue: &str, key: Key) -> rusqlite::Result<Option<i64>> {
    let sql = "DELETE FROM queue_places WHERE queue = ?1 AND rank = ?2 AND message = ?3
               RETURNING bytes";
    let mut statement = connection.prepare_cached(sql)?;
    let row = (queue, key.rank, key.message);
    statement.query_row(row, |row| row.get(0)).optional()
}

fn place(
    connection: &Connection,
    queue: &str,
    key: Key,
    bytes: i64,
    reason: Option<&str>,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO queue_places (queue, rank, message, bytes, reason)
               VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = (queue, key.rank, key.message, bytes, reason);
    connection.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Counts a message in, or refuses it.
fn grow(connection: &Connection, queue: &str, bytes: i64, bytes_max: u64) -> Result<(), Fault> {
    let sql = "UPDATE queue_sizes SET messages = messages + 1, bytes = bytes + ?2
               WHERE queue = ?1 AND bytes + ?2 <= ?3";
    let bytes_max = i64::try_from(bytes_max).unwrap_or(i64::MAX);
    let mut statement = connection.prepare_cached(sql)?;
    if statement.execute((queue, bytes, bytes_max))? == 0 {
        return Err(Fault::Refused);
    }
    Ok(())
}

fn shrink(connection: &Connection, queue: &str, messages: i64, bytes: i64) -> rusqlite::Result<()> {
    let sql = "UPDATE queue_sizes SET messages = messages - ?2, bytes = bytes - ?3
               WHERE queue = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute((queue, messages, bytes))?;
    Ok(())
}

fn number(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_row(parameters, |row| row.get(0))
}

fn key(row: &Row<'_>, at: usize) -> rusqlite::Result<Key> {
    Ok(Key {
        rank: row.get(at)?,
        message: row.get(at + 1)?,
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<Taken> {
    Ok(Taken {
        key: key(row, 0)?,
        deliveries: row.get(2)?,
        reason: row.get(3)?,
        lane: row.get(4)?,
        headers: row.get(5)?,
        body: row.get(6)?,
    })
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
