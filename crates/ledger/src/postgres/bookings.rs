//! `bookings`, their lines and obligations, and the balances they make.

use std::collections::{BTreeMap, BTreeSet};

use order::{Line, OrderId, PlayerId, ProjectId, Sku};
use sqlx::{PgConnection, PgExecutor, PgPool};
use time::OffsetDateTime;

use super::Ledger;
use super::rows::{named, text, unreadable};
use crate::books::{BookingKey, BookingRow, Books, Direction, Obligation, OrderKey, Source};
use crate::{BookingView, LedgerError, LineView};

#[derive(sqlx::FromRow)]
struct Found {
    place: i64,
    direction: String,
    player: String,
    state: String,
    skus: Vec<String>,
    quantities: Vec<i64>,
}

/// Locks and reads the bookings of these orders.
pub(super) async fn lock(
    connection: &mut PgConnection,
    orders: &BTreeSet<OrderKey>,
) -> Result<BTreeMap<BookingKey, BookingRow>, LedgerError> {
    if orders.is_empty() {
        return Ok(BTreeMap::new());
    }
    let found: Vec<Found> = sqlx::query_as(
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
    let row = |found: Found| {
        let place = usize::try_from(found.place - 1).ok();
        let Some(&&(project, order)) = place.and_then(|place| orders.get(place)) else {
            return Err(unreadable("place", found.place));
        };
        let direction = match found.direction.as_str() {
            "grant" => Direction::Grant,
            "revoke" => Direction::Revoke,
            other => return Err(unreadable("bookings.direction", other)),
        };
        let lines = found.skus.iter().zip(found.quantities);
        let lines = lines.map(|(sku, quantity)| {
            Ok(Line {
                sku: text("booking_lines.sku", sku)?,
                quantity,
            })
        });
        let row = BookingRow {
            player: text("bookings.player", &found.player)?,
            lines: lines.collect::<Result<_, LedgerError>>()?,
            obligation: named("obligations.state", &found.state, Obligation::from_name)?,
            cause: None,
        };
        Ok((
            BookingKey {
                project,
                source: Source::Order(order),
                direction,
            },
            row,
        ))
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

#[derive(sqlx::FromRow)]
struct Shown {
    source: String,
    direction: String,
    player: String,
    kind: String,
    state: String,
    booked_at: OffsetDateTime,
    skus: Vec<String>,
    quantities: Vec<i64>,
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
    let view = |row: Shown| {
        let line = |(sku, quantity): (&String, i64)| {
            Ok(LineView {
                sku: text("booking_lines.sku", sku)?,
                quantity,
            })
        };
        Ok(BookingView {
            source: row.source,
            direction: row.direction,
            player: text("bookings.player", &row.player)?,
            kind: row.kind.as_str().into(),
            state: row.state,
            booked_at: row.booked_at,
            lines: row
                .skus
                .iter()
                .zip(row.quantities)
                .map(line)
                .collect::<Result<_, LedgerError>>()?,
        })
    };
    shown.into_iter().map(view).collect()
}

impl Ledger {
    /// What a player holds, sorted by item, without what is down to zero.
    ///
    /// # Errors
    /// When the database is not available.
    pub async fn inventory(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<Vec<LineView>, LedgerError> {
        let read = |pool: PgPool| async move {
            Ok(sqlx::query_as(
                "SELECT sku, quantity FROM balances
             WHERE project = $1 AND player = $2 AND quantity <> 0 ORDER BY sku COLLATE \"C\"",
            )
            .bind(project.get())
            .bind(player.as_str())
            .fetch_all(&pool)
            .await?)
        };
        let found: Vec<(String, i64)> = self.pool.within(read).await?;
        let line = |(sku, quantity): (String, i64)| {
            Ok(LineView {
                sku: text::<Sku>("balances.sku", &sku)?,
                quantity,
            })
        };
        found.into_iter().map(line).collect()
    }
}
