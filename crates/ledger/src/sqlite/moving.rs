//! Rows on their way out, as PostgreSQL's `COPY` reads them: a line a row, a tab between
//! values, a backslash before whatever would be mistaken for either.

use std::fmt::Write as _;

use ::sqlite::File;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::statement::first;
use crate::LedgerError;
use crate::moving::{Sort, Table};
use crate::rows::unreadable;

/// Bytes that are handed over at once, but for one row that is longer.
const CHUNK: usize = 64 * 1_024;

/// Rows of a table.
pub(crate) async fn count(file: &File, table: &'static Table) -> Result<u64, LedgerError> {
    file.read(move |connection| {
        let sql = format!("SELECT count(*) FROM {}", table.name);
        let rows: Option<i64> = first(connection, &sql, [], |row| row.get(0))?;
        Ok(rows.and_then(|rows| rows.try_into().ok()).unwrap_or(0))
    })
    .await
}

/// The highest number that a row of a numbered table has ever had; 0 for none.
pub(crate) async fn last_number(file: &File, table: &'static Table) -> Result<i64, LedgerError> {
    file.read(move |connection| {
        let sql = "SELECT seq FROM sqlite_sequence WHERE name = ?1";
        let last = first(connection, sql, [table.name], |row| row.get(0))?;
        Ok(last.unwrap_or(0))
    })
    .await
}

/// Hands over every row of a table. Ends early where nobody takes them.
pub(crate) async fn export(
    file: &File,
    table: &'static Table,
    to: mpsc::Sender<String>,
) -> Result<(), LedgerError> {
    file.read(move |connection| hand_over(connection, table, &to))
        .await
}

fn hand_over(
    connection: &Connection,
    table: &Table,
    to: &mpsc::Sender<String>,
) -> Result<(), LedgerError> {
    let sql = format!("SELECT {} FROM {}", table.names(), table.name);
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query([])?;
    let mut chunk = String::with_capacity(CHUNK);
    while let Some(row) = rows.next()? {
        line(&mut chunk, table, row)?;
        if chunk.len() >= CHUNK && to.blocking_send(std::mem::take(&mut chunk)).is_err() {
            return Ok(());
        }
    }
    // An error means that nobody takes them.
    let _ = to.blocking_send(chunk);
    Ok(())
}

fn line(line: &mut String, table: &Table, row: &Row<'_>) -> Result<(), LedgerError> {
    for (at, (name, sort)) in table.columns.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        let value = row.get_ref(at)?;
        if !write(line, *sort, value) {
            let found = format!("{}.{name}: {}", table.name, value.data_type());
            return Err(unreadable("value", &found));
        }
    }
    line.push('\n');
    Ok(())
}

/// Whether the value is one of its sort.
fn write(line: &mut String, sort: Sort, value: ValueRef<'_>) -> bool {
    match (sort, value) {
        (_, ValueRef::Null) => line.push_str("\\N"),
        (Sort::Number, ValueRef::Integer(number)) => number_into(line, number),
        (Sort::Flag, ValueRef::Integer(flag)) => line.push(if flag == 0 { 'f' } else { 't' }),
        (Sort::Instant, ValueRef::Integer(micros)) => return instant_into(line, micros),
        (Sort::Text, ValueRef::Text(text)) => {
            let Ok(text) = std::str::from_utf8(text) else {
                return false;
            };
            text_into(line, text);
        }
        (Sort::Bytes, ValueRef::Blob(bytes)) => {
            line.push_str("\\\\x");
            for byte in bytes {
                // Writing to a String cannot fail.
                let _ = write!(line, "{byte:02x}");
            }
        }
        _ => return false,
    }
    true
}

fn number_into(line: &mut String, number: i64) {
    // Writing to a String cannot fail.
    let _ = write!(line, "{number}");
}

fn text_into(line: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '\\' => line.push_str("\\\\"),
            '\t' => line.push_str("\\t"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            other => line.push(other),
        }
    }
}

/// `false` for what is beyond the calendar.
fn instant_into(line: &mut String, micros: i64) -> bool {
    let nanos = i128::from(micros) * 1_000;
    let Ok(at) = OffsetDateTime::from_unix_timestamp_nanos(nanos) else {
        return false;
    };
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        at.microsecond(),
    );
    true
}
