//! The rules over maps in memory, for simulators.
//!
//! No third store: nothing here is durable and no role can be configured to use it. It is the
//! same [`Books`], which here hold every row there is instead of the rows of one batch.

use std::collections::BTreeMap;

use order::{OrderId, PlayerId, ProjectId, Status};
use time::OffsetDateTime;

use crate::books::{Books, Direction};
use crate::{Booked, Entry, Outcome, Stream, StreamRow};

/// A ledger in memory. Each call is one transaction; a clone is a snapshot.
#[derive(Clone, Debug)]
pub struct SimulatedLedger {
    epoch: String,
    books: Clonable,
    streams: BTreeMap<(ProjectId, PlayerId), Vec<StreamRow>>,
}

/// What the ledger holds of one order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedOrder {
    /// Where it stands.
    pub status: Status,
    /// Whether a grant is booked.
    pub granted: bool,
    /// Whether a revoke is booked.
    pub revoked: bool,
}

/// The rows that outlive a batch.
#[derive(Debug, Default)]
struct Clonable(Books);

impl Clone for Clonable {
    fn clone(&self) -> Self {
        Self(Books {
            notices: self.0.notices.clone(),
            bookings: self.0.bookings.clone(),
            moves: self.0.moves.clone(),
            ..self.0.rows()
        })
    }
}

impl SimulatedLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new(epoch: &str) -> Self {
        Self {
            epoch: epoch.to_owned(),
            books: Clonable::default(),
            streams: BTreeMap::new(),
        }
    }

    /// Gives it another epoch, as after a restore.
    pub fn begin_epoch(&mut self, epoch: &str) {
        epoch.clone_into(&mut self.epoch);
    }

    /// The present epoch.
    #[must_use]
    pub fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Books every entry of a batch, in their order.
    pub fn book(&mut self, entries: &[Entry]) -> Booked {
        let books = &mut self.books.0;
        let verdicts = books.book_all(entries);
        let statuses = std::mem::take(&mut books.statuses);
        let offsets = statuses.iter().map(|new| {
            let stream = (new.project, new.player.clone());
            let rows = self.streams.entry(stream).or_default();
            let offset = rows.last().map_or(0, |row| row.offset) + 1;
            rows.push(StreamRow {
                offset,
                order: new.order,
                status: new.status,
                at: OffsetDateTime::UNIX_EPOCH,
            });
            offset
        });
        let offsets = offsets.collect();
        let of_this_batch = Books {
            statuses,
            ..Books::default()
        };
        of_this_batch.booked(
            verdicts,
            offsets,
            self.epoch.clone(),
            OffsetDateTime::UNIX_EPOCH,
        )
    }

    /// A player's rows after an offset, with top and epoch.
    #[must_use]
    pub fn stream(&self, project: ProjectId, player: &PlayerId, after: i64) -> Stream {
        let rows = self.rows(project, player);
        Stream {
            epoch: self.epoch.clone(),
            top: rows.last().map_or(0, |row| row.offset),
            rows: rows
                .iter()
                .filter(|row| row.offset > after)
                .cloned()
                .collect(),
        }
    }

    /// Every row of a player's stream.
    #[must_use]
    pub fn rows(&self, project: ProjectId, player: &PlayerId) -> &[StreamRow] {
        let rows = self.streams.get(&(project, player.clone()));
        rows.map_or(&[], Vec::as_slice)
    }

    /// One order. One that no notice has named is new and holds nothing.
    #[must_use]
    pub fn order(&self, project: ProjectId, order: OrderId) -> SimulatedOrder {
        let Books { bookings, .. } = &self.books.0;
        let is_booked = |direction| {
            let mut keys = bookings.keys();
            let source = crate::books::Source::Order(order);
            keys.any(|key| (key.project, key.source, key.direction) == (project, source, direction))
        };
        SimulatedOrder {
            status: self.books.0.status((project, order)),
            granted: is_booked(Direction::Grant),
            revoked: is_booked(Direction::Revoke),
        }
    }

    /// How the notice of an entry has ended; `None` if it is not in the ledger.
    #[must_use]
    pub fn outcome(&self, entry: &Entry) -> Option<Outcome> {
        let notice = self.books.0.notices.get(&entry.notice_key()?)?;
        Some(notice.first.as_ref()?.outcome)
    }

    /// How much of everything a player was given and not taken back.
    #[must_use]
    pub fn balance(&self, project: ProjectId, player: &PlayerId) -> i64 {
        let moves = self.books.0.moves.iter();
        let own = moves.filter(|((of, owner, _), _)| (of, owner) == (&project, player));
        own.map(|(_, quantity)| quantity).sum()
    }
}
