//! Rows and columns for a terminal.

use std::fmt::{self, Write as _};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Columns as wide as their widest cell, indented by two.
///
/// What stands in a cell may have come from anywhere: characters that a terminal would obey
/// are blanks.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Without a line of names.
    pub(crate) const fn plain() -> Self {
        Self { rows: Vec::new() }
    }

    /// With a line that names the columns.
    pub(crate) fn with_head(names: &[&str]) -> Self {
        let mut table = Self::plain();
        table.push(names.iter().map(|name| (*name).to_owned()));
        table
    }

    pub(crate) fn push(&mut self, cells: impl IntoIterator<Item = String>) {
        let blank = |cell: String| cell.replace(char::is_control, " ");
        self.rows.push(cells.into_iter().map(blank).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |cell: &String| cell.chars().count();
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(width).max().unwrap_or(0)
        };
        let widths: Vec<_> = (0..columns).map(widest).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                write!(line, "  {cell:<width$}")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// An instant to the millisecond, in UTC.
pub(crate) fn instant(at: OffsetDateTime) -> String {
    let shown = at.truncate_to_millisecond().format(&Rfc3339);
    shown.unwrap_or_else(|_| at.to_string())
}

/// A dash for what is not there.
pub(crate) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_nothing_commands_the_terminal() {
        let mut table = Table::with_head(&["SKU", "QUANTITY"]);
        table.push(["меч".to_owned(), "2".to_owned()]);
        table.push(["a\x1b[2Jblade\n".to_owned(), "10".to_owned()]);
        let expected = "  SKU          QUANTITY\n  меч          2\n  a [2Jblade   10\n";
        assert_eq!(table.to_string(), expected);
    }

    #[test]
    fn an_instant_is_told_to_the_millisecond() {
        let at = OffsetDateTime::from_unix_timestamp_nanos(1_500_000_000_123_456_789).unwrap();
        assert_eq!(instant(at), "2017-07-14T02:40:00.123Z");
    }
}
