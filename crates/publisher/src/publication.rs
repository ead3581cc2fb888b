//! A status row as a client is told it.

use centrifuge::{Loaded, Payload, Publication};
use ledger::{Stream, StreamRow};
use order::{OrderId, Status};
use task::Hint;
use time::OffsetDateTime;

/// What a row says, and when it was booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Booked {
    pub(crate) status: Status,
    pub(crate) at: OffsetDateTime,
}

/// `None` for an offset that no stream has.
pub(crate) fn of_hint(hint: &Hint) -> Option<Publication> {
    publication(hint.offset, hint.order, hint.status)
}

/// What a connection is told of a read.
#[must_use]
pub fn loaded(stream: Stream) -> Loaded {
    Loaded {
        top: offset(stream.top),
        rows: stream.rows.iter().filter_map(of_row).collect(),
        epoch: stream.epoch,
    }
}

/// The store's offsets are signed and never negative.
pub(crate) fn offset(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(0)
}

/// `None` for an offset that no stream has.
fn of_row(row: &StreamRow) -> Option<Publication> {
    publication(row.offset, row.order, row.status)
}

/// Exactly the message of Xsolla's page: clients of theirs choke on a missing field, and
/// read no other.
fn publication(offset: i64, order: OrderId, status: Status) -> Option<Publication> {
    let status = status.as_str();
    let data = Payload::parse(&format!(r#"{{"order_id":{order},"status":"{status}"}}"#)).ok()?;
    Some(Publication {
        offset: u64::try_from(offset).ok()?,
        data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_told_as_on_xsollas_page() {
        let order = "59614241".parse().unwrap();
        let told = publication(3, order, Status::New).unwrap();
        assert_eq!(told.offset, 3);
        assert_eq!(told.data.get(), r#"{"order_id":59614241,"status":"new"}"#);
    }
}
