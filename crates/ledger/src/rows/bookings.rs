//! Rows of `bookings`, each with its obligation and its lines.

use order::Line;
use time::OffsetDateTime;

use super::{named, text};
use crate::books::{BookingRow, Direction, Obligation};
use crate::{BookingView, LedgerError, LineView};

#[derive(sqlx::FromRow)]
pub(crate) struct Found {
    pub(crate) direction: String,
    pub(crate) player: String,
    pub(crate) state: String,
    pub(crate) skus: Vec<String>,
    pub(crate) quantities: Vec<i64>,
}

impl Found {
    pub(crate) fn row(self) -> Result<(Direction, BookingRow), LedgerError> {
        let direction = named("bookings.direction", &self.direction, Direction::from_name)?;
        let lines = self.skus.iter().zip(self.quantities);
        let lines = lines.map(|(sku, quantity)| {
            Ok(Line {
                sku: text("booking_lines.sku", sku)?,
                quantity,
            })
        });
        let row = BookingRow {
            player: text("bookings.player", &self.player)?,
            lines: lines.collect::<Result<_, LedgerError>>()?,
            obligation: named("obligations.state", &self.state, Obligation::from_name)?,
            cause: None,
        };
        Ok((direction, row))
    }
}

#[derive(sqlx::FromRow)]
pub(crate) struct Shown {
    pub(crate) source: String,
    pub(crate) direction: String,
    pub(crate) player: String,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) booked_at: OffsetDateTime,
    pub(crate) skus: Vec<String>,
    pub(crate) quantities: Vec<i64>,
}

impl Shown {
    pub(crate) fn view(self) -> Result<BookingView, LedgerError> {
        let lines = self.skus.into_iter().zip(self.quantities);
        Ok(BookingView {
            source: self.source,
            direction: self.direction,
            player: text("bookings.player", &self.player)?,
            kind: self.kind.as_str().into(),
            state: self.state,
            booked_at: self.booked_at,
            lines: lines.map(held).collect::<Result<_, LedgerError>>()?,
        })
    }
}

/// So many of an item.
pub(crate) fn held((sku, quantity): (String, i64)) -> Result<LineView, LedgerError> {
    Ok(LineView {
        sku: text("sku", &sku)?,
        quantity,
    })
}
