//! Every status row that was ever committed, under the epoch it belongs to.

use std::collections::BTreeMap;

use ledger::SimulatedLedger;
use order::{PlayerId, ProjectId, Status};
use task::Hints;

type Rows = Vec<(i64, Status)>;

#[derive(Clone, Debug, Default)]
pub(crate) struct Truth {
    rows: BTreeMap<(String, PlayerId), Rows>,
    fault: Option<String>,
}

impl Truth {
    /// Notes what was committed: offsets ascend by one, and no order's status goes down.
    pub(crate) fn append(&mut self, hints: &Hints) {
        for hint in &hints.rows {
            let stream = (hints.epoch.clone(), hint.player.clone());
            let rows = self.rows.entry(stream).or_default();
            let order = hint.order.get();
            let next = i64::try_from(rows.len()).unwrap_or(i64::MAX) + 1;
            let last = rows.iter().rfind(|row| row.0 == order);
            if hint.offset != next {
                self.fault = Some(format!("row {next} has the offset {}", hint.offset));
            } else if last.is_some_and(|(_, last)| *last >= hint.status) {
                self.fault = Some(format!("order {order}: {last:?}, then {:?}", hint.status));
            }
            rows.push((order, hint.status));
        }
    }

    /// A restored ledger begins another epoch with the rows it has.
    pub(crate) fn begin(
        &mut self,
        ledger: &SimulatedLedger,
        project: ProjectId,
        player: &PlayerId,
    ) {
        let rows = ledger.rows(project, player).iter();
        let rows = rows.map(|row| (row.order.get(), row.status)).collect();
        let stream = (ledger.epoch().to_owned(), player.clone());
        self.rows.insert(stream, rows);
    }

    /// What stands at an offset, from 1.
    pub(crate) fn row(&self, epoch: &str, player: &PlayerId, offset: u64) -> Option<(i64, Status)> {
        let rows = self.rows.get(&(epoch.to_owned(), player.clone()))?;
        let index = usize::try_from(offset.checked_sub(1)?).ok()?;
        rows.get(index).copied()
    }

    pub(crate) fn take_fault(&mut self) -> Option<String> {
        self.fault.take()
    }
}
