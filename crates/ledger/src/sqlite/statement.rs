//! Running one prepared statement.

use rusqlite::{Connection, OptionalExtension as _, Params, Row};

use crate::LedgerError;

/// Every row found.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, LedgerError> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(values, read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The first row found.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, LedgerError> {
    let mut statement = connection.prepare_cached(sql)?;
    Ok(statement.query_row(values, read).optional()?)
}

/// Writes. Gives the number of rows inserted or updated.
pub(super) fn execute(
    connection: &Connection,
    sql: &str,
    values: impl Params,
) -> Result<usize, LedgerError> {
    Ok(connection.prepare_cached(sql)?.execute(values)?)
}
