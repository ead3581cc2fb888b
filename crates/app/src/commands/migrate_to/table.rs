//! What was moved, counted on both sides.

use std::io::{self, Write};

use broker::Carried;
use ledger::Copied;

pub(super) fn print(
    out: &mut impl Write,
    tables: &[Copied],
    messages: &[Carried],
) -> io::Result<()> {
    let tables = tables.iter().map(|it| (it.table, it.file, it.database));
    let messages = messages.iter().map(|it| (it.what, it.file, it.broker));
    writeln!(
        out,
        "\n  {:<18} {:>12} {:>12}",
        "", "in the file", "arrived"
    )?;
    for (what, file, arrived) in tables.chain(messages) {
        // More than left: some were sent before an earlier attempt was interrupted.
        let repeats = match arrived.checked_sub(file) {
            Some(more @ 1..) => format!("   {more} repeated; the ledger knows them"),
            Some(0) | None => String::new(),
        };
        writeln!(out, "  {what:<18} {file:>12} {arrived:>12}{repeats}")?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_counts_stand_side_by_side() {
        let tables = [Copied {
            table: "orders",
            file: 12,
            database: 12,
        }];
        let messages = [Carried {
            what: "tasks",
            file: 3,
            broker: 5,
        }];
        let mut out = Vec::new();
        print(&mut out, &tables, &messages).unwrap();
        let text = String::from_utf8(out).unwrap();
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[2], ["orders", "12", "12"]);
        assert_eq!(rows[3][..4], ["tasks", "3", "5", "2"]);
    }
}
