//! How values stand in the columns of a file.

use rusqlite::ToSql;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use serde_json::Value;
use time::OffsetDateTime;

/// An instant: whole microseconds since 1970, as precise as PostgreSQL has it.
pub(super) struct Instant(pub(super) OffsetDateTime);

const NANOSECONDS: i128 = 1_000;

impl ToSql for Instant {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let microseconds = self.0.unix_timestamp_nanos().div_euclid(NANOSECONDS);
        let fits = i64::try_from(microseconds);
        fits.map(ToSqlOutput::from)
            .map_err(|fault| rusqlite::Error::ToSqlConversionFailure(fault.into()))
    }
}

impl FromSql for Instant {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let microseconds = value.as_i64()?;
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(microseconds) * NANOSECONDS)
            .map(Self)
            .map_err(|_| FromSqlError::OutOfRange(microseconds))
    }
}

/// A document.
pub(super) struct Json(pub(super) Value);

impl ToSql for Json {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.to_string().into())
    }
}

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let document = serde_json::from_str(value.as_str()?);
        document.map(Self).map_err(FromSqlError::other)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;
    use time::Duration;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn an_instant_keeps_its_microseconds_whatever_its_offset() {
        let file = Connection::open_in_memory().unwrap();
        let kept = |at: OffsetDateTime| -> OffsetDateTime {
            let read = |row: &rusqlite::Row<'_>| row.get::<_, Instant>(0);
            file.query_row("SELECT ?1", [Instant(at)], read).unwrap().0
        };
        let noon = datetime!(2027-01-15 12:00:00.123456 +2);
        assert_eq!(kept(noon), noon);
        assert_eq!(kept(noon + Duration::nanoseconds(789)), noon);
        let before_1970 = datetime!(1969-12-31 23:59:59.5 UTC);
        assert_eq!(kept(before_1970), before_1970);
    }

    #[test]
    fn what_is_no_document_or_instant_is_unreadable() {
        use crate::LedgerError;
        let file = Connection::open_in_memory().unwrap();
        let read = |row: &rusqlite::Row<'_>| row.get::<_, Json>(0).map(|_| ());
        let fault = file.query_row("SELECT '{'", [], read).unwrap_err();
        let fault = LedgerError::from(fault);
        assert!(matches!(fault, LedgerError::Unreadable { .. }), "{fault:?}");
        let read = |row: &rusqlite::Row<'_>| row.get::<_, Instant>(0).map(|_| ());
        let fault = file.query_row("SELECT 9223372036854775807", [], read);
        let fault = LedgerError::from(fault.unwrap_err());
        assert!(matches!(fault, LedgerError::Unreadable { .. }), "{fault:?}");
    }
}
