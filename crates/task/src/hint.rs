//! What whoever commits status rows tells the publishers.

use order::{OrderId, PlayerId, ProjectId, Status};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// One new row of a player's status stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hint {
    /// The project.
    pub project: ProjectId,
    /// Whose stream.
    pub player: PlayerId,
    /// The row's place in it, from 1, without gaps.
    pub offset: i64,
    /// The order.
    pub order: OrderId,
    /// Where it now stands.
    pub status: Status,
}

/// The new rows of one committed batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hints {
    /// The epoch of the ledger that committed them.
    pub epoch: String,
    /// When the rows were booked, as they themselves have it: a moment before the commit. Told
    /// for the metrics alone; `None` from a version that does not tell.
    pub at: Option<OffsetDateTime>,
    /// The rows.
    pub rows: Vec<Hint>,
    /// In which traces they came about, as far as these are told.
    pub traces: RowTraces,
}

/// The traces of some rows, by place in the message. At most [`RowTraces::MAX`]: what is
/// beyond is pushed all the same, and not told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowTraces(Vec<(usize, String)>);

impl RowTraces {
    /// Rows of one message whose trace travels with it.
    pub const MAX: usize = 32;

    /// Longest `traceparent` of version 00.
    const BYTES_MAX: usize = 55;

    /// Notes the `traceparent` of a row, if there is room.
    pub fn put(&mut self, row: usize, traceparent: String) {
        if self.0.len() < Self::MAX && traceparent.len() <= Self::BYTES_MAX {
            self.0.push((row, traceparent));
        }
    }

    /// The `traceparent` of a row.
    #[must_use]
    pub fn of(&self, row: usize) -> Option<&str> {
        let found = self.0.iter().find(|(of, _)| *of == row);
        found.map(|(_, traceparent)| traceparent.as_str())
    }
}

/// Bytes that are no hints.
#[derive(Debug, thiserror::Error)]
pub enum HintsError {
    /// No JSON of the expected shape.
    #[error("a hint message is not readable")]
    Json(#[from] serde_json::Error),
    /// An impossible value in it.
    #[error("a hint message has an impossible {0}")]
    Value(&'static str),
}

#[derive(Serialize, Deserialize)]
struct Wire {
    epoch: String,
    /// Microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    rows: Vec<(i64, String, i64, i64, String)>,
    /// Versions before this one neither write nor miss it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    traces: Vec<(usize, String)>,
}

impl Hints {
    /// As it travels.
    #[must_use]
    #[expect(
        clippy::missing_panics_doc,
        reason = "numbers and texts always serialise"
    )]
    pub fn to_bytes(&self) -> Vec<u8> {
        let row = |hint: &Hint| {
            let player = hint.player.as_str().into();
            (
                hint.project.get(),
                player,
                hint.offset,
                hint.order.get(),
                hint.status.as_str().into(),
            )
        };
        let wire = Wire {
            epoch: self.epoch.clone(),
            at: self
                .at
                .and_then(|at| i64::try_from(at.unix_timestamp_nanos() / 1_000).ok()),
            rows: self.rows.iter().map(row).collect(),
            traces: self.traces.0.clone(),
        };
        serde_json::to_vec(&wire).expect("numbers and texts always serialise")
    }

    /// The inverse of [`Hints::to_bytes`].
    ///
    /// # Errors
    /// When the bytes are of another shape. The reader then reads the ledger instead.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HintsError> {
        let wire: Wire = serde_json::from_slice(bytes)?;
        let row = |(project, player, offset, order, status): (i64, String, i64, i64, String)| {
            Ok(Hint {
                project: project
                    .try_into()
                    .map_err(|_| HintsError::Value("project"))?,
                player: player.parse().map_err(|_| HintsError::Value("player"))?,
                offset,
                order: order.try_into().map_err(|_| HintsError::Value("order"))?,
                status: Status::from_name(&status).ok_or(HintsError::Value("status"))?,
            })
        };
        let rows = wire
            .rows
            .into_iter()
            .map(row)
            .collect::<Result<_, HintsError>>()?;
        let mut traces = RowTraces::default();
        for (row, traceparent) in wire.traces {
            traces.put(row, traceparent);
        }
        let at = |micros: i64| {
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1_000).ok()
        };
        Ok(Self {
            epoch: wire.epoch,
            at: wire.at.and_then(at),
            rows,
            traces,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_survive_the_wire() {
        let mut hints = hints();
        assert_eq!(Hints::from_bytes(&hints.to_bytes()).unwrap(), hints);
        hints.traces.put(0, TRACEPARENT.to_owned());
        let read = Hints::from_bytes(&hints.to_bytes()).unwrap();
        assert_eq!(read, hints);
        assert_eq!(
            (read.traces.of(0), read.traces.of(1)),
            (Some(TRACEPARENT), None)
        );
    }

    #[test]
    fn rows_whose_traces_are_not_told_look_as_they_did_before_there_were_any() {
        let text = String::from_utf8(hints().to_bytes()).unwrap();
        assert!(!text.contains("traces"), "{text}");
    }

    #[test]
    fn traces_take_no_more_room_than_they_may() {
        let mut hints = hints();
        hints.traces.put(0, "x".repeat(56));
        for row in 1..100 {
            hints.traces.put(row, TRACEPARENT.to_owned());
        }
        let read = Hints::from_bytes(&hints.to_bytes()).unwrap();
        assert_eq!(read.traces.of(0), None);
        assert_eq!(read.traces.of(RowTraces::MAX), Some(TRACEPARENT));
        assert_eq!(read.traces.of(RowTraces::MAX + 1), None);
        let flood = vec![(7, TRACEPARENT); 99];
        let flood = serde_json::json!({"epoch": "e", "rows": [], "traces": flood}).to_string();
        let read = Hints::from_bytes(flood.as_bytes()).unwrap();
        assert_eq!(read.traces.0.len(), RowTraces::MAX);
    }

    const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn hints() -> Hints {
        Hints {
            epoch: "k3-00000001".into(),
            at: OffsetDateTime::from_unix_timestamp(1_800_000_000).ok(),
            rows: vec![Hint {
                project: "44056".parse().unwrap(),
                player: "mira".parse().unwrap(),
                offset: 4,
                order: "7".parse().unwrap(),
                status: Status::Done,
            }],
            traces: RowTraces::default(),
        }
    }

    #[test]
    fn hints_of_a_version_that_tells_no_time_are_read() {
        let hints = Hints::from_bytes(br#"{"epoch":"e","rows":[[1,"p",1,7,"done"]]}"#).unwrap();
        assert_eq!((hints.at, hints.rows.len()), (None, 1));
    }

    #[test]
    fn junk_is_refused() {
        assert!(Hints::from_bytes(b"{}").is_err());
        let impossible = br#"{"epoch":"e","rows":[[1,"p",1,0,"done"]]}"#;
        assert!(matches!(
            Hints::from_bytes(impossible),
            Err(HintsError::Value("order"))
        ));
    }
}
