//! All SQL of messages that leave the file for another broker.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::Connection;
use sqlite::{ReadError, WriteError};
use task::{Headers, Lane};
use time::OffsetDateTime;

use super::table::micros;
use crate::{Tier, names};

/// A message of the file, and where it is.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) number: i64,
    pub(crate) queue: String,
    rank: i64,
    /// The routing key.
    pub(crate) lane: String,
    pub(crate) headers: Headers,
    pub(crate) body: Bytes,
    /// Why it was parked.
    pub(crate) reason: Option<String>,
}

/// Where a message goes at the other broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// To the queue of its lane.
    Work,
    /// To a retry queue, for so many milliseconds, at least one.
    Retry(Tier, u64),
    Parked,
    Unrouted,
}

/// Where a message stands among all.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    queue: String,
    rank: i64,
    message: i64,
}

impl Outgoing {
    pub(crate) fn place(&self) -> Place {
        Place {
            queue: self.queue.clone(),
            rank: self.rank,
            message: self.number,
        }
    }

    /// A retry waits for what is left of its delay, and never longer than its tier does:
    /// somebody may have set the clock back.
    pub(crate) fn exit(&self, now: OffsetDateTime) -> Exit {
        let queue = self.queue.as_str();
        if queue == names::PARKED {
            return Exit::Parked;
        }
        if Lane::ALL.map(names::work).contains(&queue) {
            return Exit::Work;
        }
        let tier = Tier::ALL
            .into_iter()
            .find(|tier| names::retry(*tier) == queue);
        let Some(tier) = tier else {
            return Exit::Unrouted;
        };
        let now = i64::try_from(now.unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX);
        let left = self.rank.saturating_sub(now).min(micros(tier));
        match u64::try_from(left) {
            Ok(left @ 1..) => Exit::Retry(tier, left.div_ceil(1_000)),
            Ok(0) | Err(_) => Exit::Work,
        }
    }
}

/// The next ones after a place that were not noted as sent.
pub(crate) fn take(
    connection: &Connection,
    after: Option<&Place>,
    most: usize,
) -> Result<Vec<Outgoing>, ReadError> {
    let sql = "SELECT p.queue, p.rank, p.message, p.reason, m.lane, m.headers, m.body
               FROM queue_places p JOIN queue_messages m ON m.id = p.message
               WHERE (p.queue, p.rank, p.message) > (?1, ?2, ?3)
                 AND p.message NOT IN (SELECT message FROM move_sent)
               ORDER BY p.queue, p.rank, p.message LIMIT ?4";
    let mut statement = connection.prepare_cached(sql)?;
    let (queue, rank, message) = after.map_or(("", i64::MIN, i64::MIN), |place| {
        (&place.queue, place.rank, place.message)
    });
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement.query_map((queue, rank, message, most), |row| {
        let headers: String = row.get(5)?;
        let headers: BTreeMap<String, String> = serde_json::from_str(&headers).unwrap_or_default();
        Ok(Outgoing {
            queue: row.get(0)?,
            rank: row.get(1)?,
            number: row.get(2)?,
            reason: row.get(3)?,
            lane: row.get(4)?,
            headers: headers.into_iter().collect(),
            body: row.get::<_, Vec<u8>>(6)?.into(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Messages by queue.
pub(crate) fn sizes(connection: &Connection) -> Result<Vec<(String, u64)>, ReadError> {
    let sql = "SELECT queue, count(*) FROM queue_places GROUP BY queue";
    let mut statement = connection.prepare(sql)?;
    let count = |count: i64| u64::try_from(count).unwrap_or(0);
    let rows = statement.query_map([], |row| Ok((row.get(0)?, count(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

pub(crate) fn count_sent(connection: &Connection) -> Result<u64, ReadError> {
    let sql = "SELECT count(*) FROM move_sent";
    let sent: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(sent).unwrap_or(0))
}

pub(crate) fn note_sent(connection: &Connection, numbers: &[i64]) -> Result<(), WriteError> {
    let sql = "INSERT OR IGNORE INTO move_sent (message) VALUES (?1)";
    let mut statement = connection.prepare_cached(sql)?;
    for number in numbers {
        statement.execute([number])?;
    }
    Ok(())
}

pub(crate) fn forget_sent(connection: &Connection) -> Result<(), WriteError> {
    connection.execute("DELETE FROM move_sent", [])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit_of(queue: &str, rank: i64) -> Exit {
        let message = Outgoing {
            number: 1,
            queue: queue.to_owned(),
            rank,
            lane: "grant".to_owned(),
            headers: Headers::default(),
            body: Bytes::new(),
            reason: None,
        };
        let now = OffsetDateTime::from_unix_timestamp(1_000).unwrap();
        message.exit(now)
    }

    #[test]
    fn a_retry_waits_for_what_is_left_of_its_delay() {
        let now = 1_000_000_000;
        let minute = names::retry(Tier::OneMinute);
        for (due, exit) in [
            (now + 60_000_000, Exit::Retry(Tier::OneMinute, 60_000)),
            (now + 1, Exit::Retry(Tier::OneMinute, 1)),
            (now, Exit::Work),
            (now - 5_000_000, Exit::Work),
            // The clock was set back since.
            (now + 90_000_000, Exit::Retry(Tier::OneMinute, 60_000)),
            (i64::MIN, Exit::Work),
        ] {
            assert_eq!(exit_of(minute, due), exit, "{due}");
        }
    }

    #[test]
    fn every_queue_has_its_own_at_the_other_broker() {
        assert_eq!(exit_of(names::work(Lane::Revoke), 7), Exit::Work);
        assert_eq!(exit_of(names::PARKED, 7), Exit::Parked);
        assert_eq!(exit_of(names::UNROUTED, 7), Exit::Unrouted);
        assert_eq!(exit_of("grantline.grant.v0", 7), Exit::Unrouted);
    }
}
