//! `bookings`, their lines and obligations, and the balances they make.

use std::collections::{BTreeMap, BTreeSet};

use order::{Line, OrderId, PlayerId, ProjectId};
use sqlx::{PgConnection, PgExecutor};
use time::OffsetDateTime;

use super::Ledger;
use super::pool::Lent;
use crate::books::{BookingKey, BookingRow, Books, OrderKey, Source};
use crate::rows::bookings::{Found, Shown, held};
use crate::rows::unreadable;
use crate::{BookingView, LedgerError, LineView};

#[derive(sqlx::FromRow)]
struct Placed {
    place: i64,
    #[sqlx(flatten)]
    found: Found,
}

/// Locks and reads the bookings of these orders.
pub(super) async fn lock(
    connection: &mut PgConnection,
    orders: &BTreeSet<OrderKey>,
) -> Result<BTreeMap<BookingKey, BookingRow>, LedgerError> {
    if orders.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<Placed> = sqlx::query_as(
        "SELECT k.place, b.direction, b.player, o.state,
                array(SELECT l.sku FROM booking_lines l
                      WHERE (l.project, l.source, l.direction, l.part) = (b.project, b.source, b.direction, b.part)
                      ORDER BY l.line) AS skus,
                array(SELECT l.quantity FROM booking_lines l
                      WHERE (l.project, l.source, l.direction, l.part) = (b.project, b.source, b.direction, b.part)
                      ORDER BY l.line) AS quantities
         FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS k (project, source, place)
         JOIN bookings b USING (project, source)
         JOIN obligations o ON (o.project, o.source, o.direction, o.part) = (b.project, b.source, b.direction, b.part)
         WHERE b.part = ''
         ORDER BY b.project, b.source, b.direction
         FOR UPDATE OF b, o",
    )
    .bind(orders.iter().map(|key| key.0.get()).collect::<Vec<_>>())
    .bind(orders.iter().map(|key| Source::Order(key.1).to_string()).collect::<Vec<_>>())
    .fetch_all(connection)
    .await?;
    let orders: Vec<&OrderKey> = orders.iter().collect();
    let row = |Placed { place, found }: Placed| {
        let index = usize::try_from(place - 1).ok();
        let Some(&&(project, order)) = index.and_then(|index| orders.get(index)) else {
            return Err(unreadable("place", place));
        };
        let (direction, row) = found.row()?;
        let source = Source::Order(order);
        let key = BookingKey {
            project,
            source,
            direction,
        };
        Ok((key, row))
    };
    found.into_iter().map(row).collect()
}

/// Writes the bookings this batch made, with their lines and obligations.
pub(super) async fn save(
    connection: &mut PgConnection,
    books: &Books,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    let new = books
        .bookings
        .iter()
        .filter_map(|(key, row)| Some((key, row, row.cause.as_ref()?)));
    let new: Vec<_> = new.collect();
    if new.is_empty() {
        return Ok(());
    }
    let projects: Vec<_> = new.iter().map(|(key, ..)| key.project.get()).collect();
    let sources: Vec<_> = new.iter().map(|(key, ..)| key.source.to_string()).collect();
    let directions: Vec<_> = new.iter().map(|(key, ..)| key.direction.as_str()).collect();
    sqlx::query(
        "WITH booked AS (
             INSERT INTO bookings (project, source, direction, player, kind, ref, booked_at)
             SELECT b.project, b.source, b.direction, b.player, b.kind, b.ref, $8
             FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
                  AS b (project, source, direction, player, kind, ref)
         )
         INSERT INTO obligations (project, source, direction, state, settled_at)
         SELECT b.project, b.source, b.direction, b.state, $8
         FROM unnest($1::bigint[], $2::text[], $3::text[], $7::text[])
              AS b (project, source, direction, state)",
    )
    .bind(&projects)
    .bind(&sources)
    .bind(&directions)
    .bind(
        new.iter()
            .map(|(_, row, _)| row.player.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        new.iter()
            .map(|(.., cause)| cause.kind.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        new.iter()
            .map(|(.., cause)| cause.reference.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(
        new.iter()
            .map(|(_, row, _)| row.obligation.as_str())
            .collect::<Vec<_>>(),
    )
    .bind(at)
    .execute(&mut *connection)
    .await?;
    save_lines(
        connection,
        new.iter().map(|(key, row, _)| (*key, row.lines.as_slice())),
    )
    .await
}

async fn save_lines<'a>(
    connection: &mut PgConnection,
    bookings: impl Iterator<Item = (&'a BookingKey, &'a [Line])>,
) -> Result<(), LedgerError> {
    let lines: Vec<(&BookingKey, i32, &Line)> = bookings
        .flat_map(|(key, lines)| {
            (1..)
                .zip(lines)
                .map(move |(place, line)| (key, place, line))
        })
        .collect();
    sqlx::query(
        "INSERT INTO booking_lines (project, source, direction, line, sku, quantity)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::integer[], $5::text[], $6::bigint[])",
    )
    .bind(lines.iter().map(|(key, ..)| key.project.get()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(key, ..)| key.source.to_string()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(key, ..)| key.direction.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(_, place, _)| *place).collect::<Vec<_>>())
    .bind(lines.iter().map(|(.., line)| line.sku.as_str()).collect::<Vec<_>>())
    .bind(lines.iter().map(|(.., line)| line.quantity).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds what this batch granted and subtracts what it took back. Locks in key order.
pub(super) async fn move_balances(
    connection: &mut PgConnection,
    books: &Books,
) -> Result<(), LedgerError> {
    let moves: Vec<_> = books
        .moves
        .iter()
        .filter(|(_, quantity)| **quantity != 0)
        .collect();
    if moves.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO balances AS b (project, player, sku, quantity)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[])
         ON CONFLICT (project, player, sku) DO UPDATE SET quantity = b.quantity + excluded.quantity",
    )
    .bind(moves.iter().map(|(key, _)| key.0.get()).collect::<Vec<_>>())
    .bind(moves.iter().map(|(key, _)| key.1.as_str()).collect::<Vec<_>>())
    .bind(moves.iter().map(|(key, _)| key.2.as_str()).collect::<Vec<_>>())
    .bind(moves.iter().map(|(_, quantity)| **quantity).collect::<Vec<_>>())
    .execute(connection)
    .await?;
    Ok(())
}

/// The bookings of an order, oldest first.
pub(super) async fn of_order(
    executor: impl PgExecutor<'_>,
    project: ProjectId,
    order: OrderId,
) -> Result<Vec<BookingView>, LedgerError> {
    let shown: Vec<Shown> = sqlx::query_as(
        "SELECT b.source, b.direction, b.player, b.kind, o.state, b.booked_at,
                array_agg(l.sku ORDER BY l.line) AS skus, array_agg(l.quantity ORDER BY l.line) AS quantities
         FROM bookings b
         JOIN obligations o USING (project, source, direction, part)
         JOIN booking_lines l USING (project, source, direction, part)
         WHERE b.project = $1 AND b.source = $2
         GROUP BY b.project, b.source, b.direction, b.part, o.state
         ORDER BY b.booked_at, b.direction",
    )
    .bind(project.get())
    .bind(Source::Order(order).to_string())
    .fetch_all(executor)
    .await?;
    shown.into_iter().map(Shown::view).collect()
}

impl Ledger {
    pub(crate) async fn inventory(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<Vec<LineView>, LedgerError> {
        let read = |mut connection: Lent| async move {
            Ok(sqlx::query_as(
                "SELECT sku, quantity FROM balances
             WHERE project = $1 AND player = $2 AND quantity <> 0 ORDER BY sku COLLATE \"C\"",
            )
            .bind(project.get())
            .bind(player.as_str())
            .fetch_all(&mut *connection)
            .await?)
        };
        let found: Vec<(String, i64)> = self.pool.within(read).await?;
        found.into_iter().map(held).collect()
    }
}
