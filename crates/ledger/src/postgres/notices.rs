//! `notices`: which notices were seen, and how they ended.

use std::collections::{BTreeMap, BTreeSet};

use order::{OrderId, PlayerId, ProjectId, TransactionId};
use sqlx::{PgConnection, PgExecutor};
use task::ParkedId;
use time::OffsetDateTime;

use super::Ledger;
use super::pool::Lent;
use crate::books::{Books, FirstSeen, NoticeKey, NoticeRow};
use crate::rows::notices::{Found, Shown};
use crate::rows::unreadable;
use crate::{LedgerError, NoticeView};

/// Inserts the missing ones, locks all, and reads what is known of them.
pub(super) async fn lock(
    connection: &mut PgConnection,
    keys: BTreeSet<NoticeKey>,
) -> Result<BTreeMap<NoticeKey, NoticeRow>, LedgerError> {
    let mut keys: Vec<NoticeKey> = keys.into_iter().collect();
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    // By the stored texts, so that every version of the program sorts alike.
    keys.sort_by(|a, b| {
        (a.project, a.kind.as_str(), a.reference.as_str()).cmp(&(
            b.project,
            b.kind.as_str(),
            b.reference.as_str(),
        ))
    });
    let (projects, kinds, references) = columns(keys.iter());
    sqlx::query(
        "INSERT INTO notices (project, kind, ref)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[])
         ON CONFLICT DO NOTHING",
    )
    .bind(&projects)
    .bind(&kinds)
    .bind(&references)
    .execute(&mut *connection)
    .await?;
    let found: Vec<Placed> = sqlx::query_as(
        "SELECT k.place, n.outcome, n.reason, n.parked_id, n.message_id, n.fingerprint,
                n.order_id, n.transaction_id, n.player, n.trace_id
         FROM unnest($1::bigint[], $2::text[], $3::text[])
              WITH ORDINALITY AS k (project, kind, ref, place)
         JOIN notices n USING (project, kind, ref)
         ORDER BY n.project, n.kind, n.ref
         FOR UPDATE OF n",
    )
    .bind(&projects)
    .bind(&kinds)
    .bind(&references)
    .fetch_all(connection)
    .await?;
    let mut rows: BTreeMap<_, _> = keys
        .iter()
        .map(|key| (key.clone(), NoticeRow::default()))
        .collect();
    for row in found {
        let place = usize::try_from(row.place - 1).map_err(|_| unreadable("place", row.place))?;
        if let Some(notice) = keys.get(place).and_then(|key| rows.get_mut(key)) {
            notice.first = row.first_seen()?;
        }
    }
    Ok(rows)
}

#[derive(sqlx::FromRow)]
struct Placed {
    place: i64,
    outcome: Option<String>,
    reason: Option<String>,
    parked_id: Option<i64>,
    message_id: Option<Vec<u8>>,
    fingerprint: Option<Vec<u8>>,
    order_id: Option<i64>,
    transaction_id: Option<i64>,
    player: Option<String>,
    trace_id: Option<String>,
}

impl Placed {
    /// `None` for a row that was inserted a moment ago.
    fn first_seen(self) -> Result<Option<FirstSeen>, LedgerError> {
        let Some(outcome) = self.outcome else {
            return Ok(None);
        };
        let found = Found {
            outcome,
            reason: self.reason,
            parked_id: self.parked_id,
            message_id: self.message_id.unwrap_or_default(),
            fingerprint: self.fingerprint.unwrap_or_default(),
            order_id: self.order_id,
            transaction_id: self.transaction_id,
            player: self.player,
            trace_id: self.trace_id,
        };
        found.first_seen().map(Some)
    }
}

/// Counts every notice of the batch, and writes the outcome of those it decided.
pub(super) async fn save(
    connection: &mut PgConnection,
    books: &Books,
    parked: &BTreeMap<NoticeKey, ParkedId>,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    let (repeated, decided): (Vec<_>, Vec<_>) =
        books.notices.iter().partition(|(_, row)| !row.decided);
    count(connection, &repeated, at).await?;
    let rows: Vec<(&NoticeKey, &NoticeRow, &FirstSeen)> = decided
        .iter()
        .filter_map(|(key, row)| Some((*key, *row, row.first.as_ref()?)))
        .collect();
    if rows.is_empty() {
        return Ok(());
    }
    let first = |of: fn(&FirstSeen) -> Option<i64>| {
        rows.iter().map(|(.., first)| of(first)).collect::<Vec<_>>()
    };
    let text = |of: fn(&FirstSeen) -> Option<&str>| {
        rows.iter().map(|(.., first)| of(first)).collect::<Vec<_>>()
    };
    let digest =
        |of: fn(&FirstSeen) -> &[u8]| rows.iter().map(|(.., first)| of(first)).collect::<Vec<_>>();
    let number = |key, first: &FirstSeen| parked.get(key).or(first.parked.as_ref()).map(|id| id.0);
    let (projects, kinds, references) = columns(rows.iter().map(|(key, ..)| *key));
    sqlx::query(
        "UPDATE notices n
         SET seen = n.seen + b.seen, first_at = coalesce(n.first_at, $14), last_at = $14,
             message_id = b.message_id, fingerprint = b.fingerprint,
             outcome = b.outcome, reason = b.reason, parked_id = b.parked_id,
             order_id = b.order_id, transaction_id = b.transaction_id, player = b.player,
             trace_id = b.trace_id
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[],
                     $7::text[], $8::text[], $9::bigint[], $10::bigint[], $11::bigint[],
                     $12::text[], $13::text[])
              AS b (project, kind, ref, seen, message_id, fingerprint, outcome, reason, parked_id,
                    order_id, transaction_id, player, trace_id)
         WHERE (n.project, n.kind, n.ref) = (b.project, b.kind, b.ref)",
    )
    .bind(&projects)
    .bind(&kinds)
    .bind(&references)
    .bind(rows.iter().map(|(_, row, _)| row.seen).collect::<Vec<_>>())
    .bind(digest(|first| first.message.as_bytes()))
    .bind(digest(|first| &first.fingerprint))
    .bind(text(|first| Some(first.outcome.as_words().0)))
    .bind(text(|first| first.outcome.as_words().1))
    .bind(
        rows.iter()
            .map(|(key, _, first)| number(*key, first))
            .collect::<Vec<_>>(),
    )
    .bind(first(|first| first.ids.order.map(OrderId::get)))
    .bind(first(|first| first.ids.transaction.map(TransactionId::get)))
    .bind(text(|first| {
        first.ids.player.as_ref().map(PlayerId::as_str)
    }))
    .bind(text(|first| first.trace_id.as_deref()))
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

async fn count(
    connection: &mut PgConnection,
    repeated: &[(&NoticeKey, &NoticeRow)],
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    if repeated.is_empty() {
        return Ok(());
    }
    let (projects, kinds, references) = columns(repeated.iter().map(|(key, _)| *key));
    sqlx::query(
        "UPDATE notices n SET seen = n.seen + b.seen, last_at = $5
         FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[]) AS b (project, kind, ref, seen)
         WHERE (n.project, n.kind, n.ref) = (b.project, b.kind, b.ref)",
    )
    .bind(&projects)
    .bind(&kinds)
    .bind(&references)
    .bind(repeated.iter().map(|(_, row)| row.seen).collect::<Vec<_>>())
    .bind(at)
    .execute(connection)
    .await?;
    Ok(())
}

fn columns<'a>(
    keys: impl Iterator<Item = &'a NoticeKey>,
) -> (Vec<i64>, Vec<&'a str>, Vec<&'a str>) {
    keys.map(|key| (key.project.get(), key.kind.as_str(), key.reference.as_str()))
        .collect()
}

impl Ledger {
    pub(crate) async fn notices_of(
        &self,
        project: ProjectId,
        player: &PlayerId,
        limit: u32,
    ) -> Result<Vec<NoticeView>, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
            "SELECT kind, ref AS reference, message_id, seen, first_at, last_at, outcome, reason, parked_id, trace_id
             FROM notices
             WHERE project = $1 AND player = $2 AND outcome IS NOT NULL
             ORDER BY first_at DESC, kind COLLATE \"C\", ref COLLATE \"C\" LIMIT $3",
        )
        .bind(project.get())
        .bind(player.as_str())
        .bind(i64::from(limit.min(200)))
        .fetch_all(&mut *connection)
        .await?)
        };
        let shown: Vec<Shown> = self.pool.within(read).await?;
        shown.into_iter().map(Shown::view).collect()
    }
}

/// The notices about an order or a transaction, oldest first.
pub(super) async fn about(
    executor: impl PgExecutor<'_>,
    project: ProjectId,
    order: Option<OrderId>,
    transaction: Option<TransactionId>,
) -> Result<Vec<NoticeView>, LedgerError> {
    let shown: Vec<Shown> = sqlx::query_as(
        "SELECT kind, ref AS reference, message_id, seen, first_at, last_at, outcome, reason, parked_id, trace_id
         FROM notices
         WHERE project = $1 AND outcome IS NOT NULL AND (order_id = $2 OR transaction_id = $3)
         ORDER BY first_at, kind COLLATE \"C\", ref COLLATE \"C\" LIMIT 1000",
    )
    .bind(project.get())
    .bind(order.map(OrderId::get))
    .bind(transaction.map(TransactionId::get))
    .fetch_all(executor)
    .await?;
    shown.into_iter().map(Shown::view).collect()
}
