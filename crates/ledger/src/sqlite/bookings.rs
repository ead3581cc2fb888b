//! `bookings`, their lines and obligations, and the balances they make.

use std::collections::{BTreeMap, BTreeSet};

use order::{Line, OrderId, PlayerId, ProjectId};
use rusqlite::{Connection, params};
use time::OffsetDateTime;

use super::Ledger;
use super::columns::Instant;
use super::statement::{all, execute};
use crate::books::{BookingKey, BookingRow, Books, OrderKey, Source};
use crate::rows::bookings::{Found, Shown, held};
use crate::{BookingView, LedgerError, LineView};

/// The items and quantities of a booking, in the order of its plan.
fn lines(
    connection: &Connection,
    project: i64,
    source: &str,
    direction: &str,
) -> Result<(Vec<String>, Vec<i64>), LedgerError> {
    let found: Vec<(String, i64)> = all(
        connection,
        "SELECT sku, quantity FROM booking_lines
         WHERE project = ?1 AND source = ?2 AND direction = ?3 AND part = '' ORDER BY line",
        params![project, source, direction],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(found.into_iter().unzip())
}

/// Reads the bookings of these orders.
pub(super) fn load(
    connection: &Connection,
    orders: &BTreeSet<OrderKey>,
) -> Result<BTreeMap<BookingKey, BookingRow>, LedgerError> {
    let mut bookings = BTreeMap::new();
    for (project, order) in orders {
        let source = Source::Order(*order);
        let (number, name) = (project.get(), source.to_string());
        let found: Vec<(String, String, String)> = all(
            connection,
            "SELECT b.direction, b.player, o.state
             FROM bookings b JOIN obligations o USING (project, source, direction, part)
             WHERE b.project = ?1 AND b.source = ?2 AND b.part = ''",
            params![number, name],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?;
        for (direction, player, state) in found {
            let (skus, quantities) = lines(connection, number, &name, &direction)?;
            let found = Found {
                direction,
                player,
                state,
                skus,
                quantities,
            };
            let (direction, row) = found.row()?;
            let key = BookingKey {
                project: *project,
                source,
                direction,
            };
            bookings.insert(key, row);
        }
    }
    Ok(bookings)
}

/// Writes the bookings this batch made, with their lines and obligations.
pub(super) fn save(
    connection: &Connection,
    books: &Books,
    at: OffsetDateTime,
) -> Result<(), LedgerError> {
    for (key, row) in &books.bookings {
        let Some(cause) = &row.cause else {
            continue;
        };
        let (project, source) = (key.project.get(), key.source.to_string());
        let direction = key.direction.as_str();
        execute(
            connection,
            "INSERT INTO bookings (project, source, direction, player, kind, ref, booked_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                project,
                source,
                direction,
                row.player.as_str(),
                cause.kind.as_str(),
                cause.reference.as_str(),
                Instant(at),
            ],
        )?;
        execute(
            connection,
            "INSERT INTO obligations (project, source, direction, state, settled_at)
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![
                project,
                source,
                direction,
                row.obligation.as_str(),
                Instant(at)
            ],
        )?;
        for (place, Line { sku, quantity }) in (1_i64..).zip(&row.lines) {
            execute(
                connection,
                "INSERT INTO booking_lines (project, source, direction, line, sku, quantity)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![project, source, direction, place, sku.as_str(), quantity],
            )?;
        }
    }
    Ok(())
}

/// Adds what this batch granted and subtracts what it took back.
pub(super) fn move_balances(connection: &Connection, books: &Books) -> Result<(), LedgerError> {
    let moves = books.moves.iter().filter(|(_, quantity)| **quantity != 0);
    for ((project, player, sku), quantity) in moves {
        execute(
            connection,
            "INSERT INTO balances (project, player, sku, quantity) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (project, player, sku) DO UPDATE SET quantity = quantity + excluded.quantity",
            params![project.get(), player.as_str(), sku.as_str(), quantity],
        )?;
    }
    Ok(())
}

/// The bookings of an order, oldest first.
pub(super) fn of_order(
    connection: &Connection,
    project: ProjectId,
    order: OrderId,
) -> Result<Vec<BookingView>, LedgerError> {
    let source = Source::Order(order).to_string();
    let mut shown: Vec<Shown> = all(
        connection,
        "SELECT b.source, b.direction, b.player, b.kind, o.state, b.booked_at
         FROM bookings b JOIN obligations o USING (project, source, direction, part)
         WHERE b.project = ?1 AND b.source = ?2 AND b.part = ''
         ORDER BY b.booked_at, b.direction",
        params![project.get(), source],
        |row| {
            Ok(Shown {
                source: row.get(0)?,
                direction: row.get(1)?,
                player: row.get(2)?,
                kind: row.get(3)?,
                state: row.get(4)?,
                booked_at: row.get::<_, Instant>(5)?.0,
                skus: Vec::new(),
                quantities: Vec::new(),
            })
        },
    )?;
    for booking in &mut shown {
        let direction = &booking.direction;
        (booking.skus, booking.quantities) = lines(connection, project.get(), &source, direction)?;
    }
    shown.into_iter().map(Shown::view).collect()
}

impl Ledger {
    pub(crate) async fn inventory(
        &self,
        project: ProjectId,
        player: &PlayerId,
    ) -> Result<Vec<LineView>, LedgerError> {
        let player = player.clone();
        let read = move |connection: &Connection| {
            all(
                connection,
                "SELECT sku, quantity FROM balances
                 WHERE project = ?1 AND player = ?2 AND quantity <> 0 ORDER BY sku",
                params![project.get(), player.as_str()],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
        };
        let found: Vec<(String, i64)> = self.file.read(read).await?;
        found.into_iter().map(held).collect()
    }
}
