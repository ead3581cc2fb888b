//! One client's view of its player's stream: what may come next, and what may not.

use crate::sale::journal::{Row, Seen};

/// What a client knows by what it was told so far.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// The epoch of everything below.
    epoch: Option<String>,
    /// The offset of the newest row it has; none before it is subscribed.
    position: Option<u64>,
    /// The rows that were pushed to it in this epoch.
    pushed: Vec<Row>,
}

impl Listener {
    /// The epoch the client is in.
    pub(super) fn epoch(&self) -> Option<&str> {
        self.epoch.as_deref()
    }

    /// Takes note of what the client saw. Says what is wrong with it, and about which order,
    /// if anything is.
    pub(super) fn hear(
        &mut self,
        seen: &Seen,
        history_rows: usize,
    ) -> Option<(Option<i64>, String)> {
        match seen {
            Seen::Subscribed {
                epoch,
                offset,
                recovered,
            } => self.subscribed(epoch, *offset, *recovered),
            Seen::Pushed(row) => self.pushed(*row),
            Seen::History {
                epoch,
                offset,
                rows,
            } => {
                let wrong = wrong_history(*offset, rows, history_rows);
                wrong.or_else(|| self.missing(epoch, rows))
            }
            Seen::Polled { .. } | Seen::Closed { .. } => None,
        }
    }

    fn subscribed(
        &mut self,
        epoch: &str,
        offset: u64,
        recovered: bool,
    ) -> Option<(Option<i64>, String)> {
        let is_same = self.epoch.as_deref() == Some(epoch);
        let before = self.position.filter(|_| is_same);
        let is_first = self.epoch.is_none();
        if !is_same {
            self.pushed.clear();
            self.epoch = Some(epoch.to_owned());
        }
        // A recovery goes on where the client was; everything else begins at the top.
        self.position = if recovered { before } else { Some(offset) };
        if recovered && !is_same && !is_first {
            let what = "recovered over a change of the epoch".to_owned();
            return Some((None, what));
        }
        let before = before.filter(|before| offset < *before)?;
        let what = format!("the stream ends at offset {offset}, and {before} had been told");
        Some((None, what))
    }

    fn pushed(&mut self, row: Row) -> Option<(Option<i64>, String)> {
        let before = self.position.replace(row.offset);
        self.pushed.push(row);
        let before = before.filter(|before| row.offset != before + 1)?;
        let what = if row.offset > before {
            format!("pushed offset {} after {before}: a gap", row.offset)
        } else {
            format!(
                "pushed offset {} after {before}: it ran backwards",
                row.offset
            )
        };
        Some((Some(row.order), what))
    }

    /// A row that was pushed and is not in a history that should have it.
    fn missing(&self, epoch: &str, rows: &[Row]) -> Option<(Option<i64>, String)> {
        if self.epoch.as_deref() != Some(epoch) {
            return None;
        }
        missing_of(&self.pushed, rows)
    }
}

/// A row of these that a history of the same epoch should have and has not.
pub(super) fn missing_of(told: &[Row], rows: &[Row]) -> Option<(Option<i64>, String)> {
    let oldest = rows.first().map_or(0, |row| row.offset);
    let is_missing = |row: &&Row| {
        let at = rows.binary_search_by_key(&row.offset, |row| row.offset);
        row.offset >= oldest && at.is_err()
    };
    let row = told.iter().find(is_missing)?;
    let what = format!(
        "offset {} ({}) was told, and history does not have it",
        row.offset,
        row.status.as_str()
    );
    Some((Some(row.order), what))
}

/// What is wrong with a history by itself: it has no gaps, ends at the top, and begins at the
/// first row or as many rows back as are kept.
pub(super) fn wrong_history(
    offset: u64,
    rows: &[Row],
    history_rows: usize,
) -> Option<(Option<i64>, String)> {
    let wrong = rows.windows(2).find(|pair| match pair {
        [one, next] => next.offset != one.offset + 1,
        _ => false,
    });
    if let Some([one, next]) = wrong {
        let what = format!("history goes from offset {} to {}", one.offset, next.offset);
        return Some((Some(next.order), what));
    }
    let last = rows.last().map_or(0, |row| row.offset);
    if last != offset {
        let what = format!("history ends at offset {last}, and the stream at {offset}");
        return Some((rows.last().map(|row| row.order), what));
    }
    let first = rows.first().map_or(1, |row| row.offset);
    if first != 1 && rows.len() < history_rows {
        let what = format!("history begins at offset {first} with {} rows", rows.len());
        return Some((rows.first().map(|row| row.order), what));
    }
    None
}
