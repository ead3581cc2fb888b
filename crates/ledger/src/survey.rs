//! What is open: paid and not granted, waiting for a person, owed.

use order::{Amount, ParkReason, ProjectId};
use time::OffsetDateTime;

use crate::books::{Direction, Obligation};

/// So many rows of each kind are looked at, the oldest first; beyond them numbers are lower
/// bounds. Keeps a look cheap on the night on which everything is stuck.
pub(crate) const ROWS_MAX: u32 = 100_000;

/// What is open in the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// By project; one without any is not listed.
    pub unfulfilled: Vec<Unfulfilled>,
    /// By reason; one without any is not listed.
    pub parked: Vec<OpenParked>,
    /// By direction and state; without those that have none.
    pub obligations: Vec<OpenObligations>,
}

/// Orders of a project that were paid with money and not granted: neither canceled nor
/// refunded, no test purchases, nothing free or in virtual currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfulfilled {
    /// The project.
    pub project: ProjectId,
    /// How many.
    pub orders: u64,
    /// When the first notice of their payments was booked that is the oldest of them.
    pub oldest_at: OffsetDateTime,
    /// Their prices, summed by currency, in millionths of its unit. An order without a
    /// price, of which the payment alone has been heard so far, adds nothing.
    pub amounts: Vec<(Box<str>, i128)>,
}

/// Parked entries that nobody has settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenParked {
    /// Why they wait. `None` for a reason of another version.
    pub reason: Option<ParkReason>,
    /// How many.
    pub entries: u64,
    /// When the oldest was parked, for the last time where it was replayed in vain.
    pub oldest_at: OffsetDateTime,
}

/// Obligations that are not met yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenObligations {
    /// `grant` or `revoke`.
    pub direction: &'static str,
    /// `owed`, `sent` or `owed_back`.
    pub state: &'static str,
    /// How many.
    pub obligations: u64,
    /// When the oldest was booked.
    pub oldest_at: OffsetDateTime,
}

impl OpenObligations {
    /// Every direction.
    pub const DIRECTIONS: [&'static str; 2] =
        [Direction::Grant.as_str(), Direction::Revoke.as_str()];
    /// Every state that is not settled.
    pub const STATES: [&'static str; 3] = [
        Obligation::Owed.as_str(),
        Obligation::Sent.as_str(),
        Obligation::OwedBack.as_str(),
    ];
}

/// How far the taking of a queue has come: when the ingress had read the newest task that
/// any worker has taken from its front.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueHead {
    /// The queue.
    pub queue: String,
    /// When that task was received.
    pub received_at: OffsetDateTime,
}

/// Orders of one project with one price, as a store sums them.
pub(crate) struct Priced {
    pub(crate) project: i64,
    pub(crate) amount: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) orders: i64,
    pub(crate) oldest_at: OffsetDateTime,
}

/// Entries of one reason.
pub(crate) struct Waiting {
    pub(crate) reason: String,
    pub(crate) entries: i64,
    pub(crate) oldest_at: OffsetDateTime,
}

/// Obligations of one kind.
pub(crate) struct Owed {
    pub(crate) direction: String,
    pub(crate) state: String,
    pub(crate) obligations: i64,
    pub(crate) oldest_at: OffsetDateTime,
}

impl Survey {
    /// Sums what a store has found. What this version cannot read is left out of the sums of
    /// money, and of obligations.
    pub(crate) fn of(priced: &[Priced], waiting: &[Waiting], owed: &[Owed]) -> Self {
        Self {
            unfulfilled: unfulfilled(priced),
            parked: waiting.iter().map(Waiting::open).collect(),
            obligations: owed.iter().filter_map(Owed::open).collect(),
        }
    }
}

fn unfulfilled(priced: &[Priced]) -> Vec<Unfulfilled> {
    let mut projects = Vec::<Unfulfilled>::new();
    for priced in priced {
        let Ok(project) = ProjectId::try_from(priced.project) else {
            continue;
        };
        let at = projects.iter().position(|known| known.project == project);
        let at = at.unwrap_or_else(|| {
            projects.push(Unfulfilled {
                project,
                orders: 0,
                oldest_at: priced.oldest_at,
                amounts: Vec::new(),
            });
            projects.len() - 1
        });
        projects[at].add(priced);
    }
    projects
}

impl Unfulfilled {
    fn add(&mut self, priced: &Priced) {
        self.orders += count(priced.orders);
        self.oldest_at = self.oldest_at.min(priced.oldest_at);
        let amount = priced
            .amount
            .as_ref()
            .and_then(|amount| amount.parse::<Amount>().ok());
        let Some((amount, currency)) = amount.zip(priced.currency.as_deref()) else {
            return;
        };
        // Neither factor has more than 63 bits.
        let sum = i128::from(amount.millionths()) * i128::from(priced.orders);
        match self
            .amounts
            .iter_mut()
            .find(|(known, _)| **known == *currency)
        {
            Some((_, known)) => *known = known.saturating_add(sum),
            None => self.amounts.push((currency.into(), sum)),
        }
    }
}

impl Waiting {
    fn open(&self) -> OpenParked {
        OpenParked {
            reason: ParkReason::from_name(&self.reason),
            entries: count(self.entries),
            oldest_at: self.oldest_at,
        }
    }
}

impl Owed {
    fn open(&self) -> Option<OpenObligations> {
        Some(OpenObligations {
            direction: Direction::from_name(&self.direction)?.as_str(),
            state: Obligation::from_name(&self.state)?.as_str(),
            obligations: count(self.obligations),
            oldest_at: self.oldest_at,
        })
    }
}

fn count(rows: i64) -> u64 {
    u64::try_from(rows).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use time::Duration;

    use super::*;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn priced(project: i64, price: Option<(&str, &str)>, orders: i64, second: i64) -> Priced {
        Priced {
            project,
            amount: price.map(|(amount, _)| amount.to_owned()),
            currency: price.map(|(_, currency)| currency.to_owned()),
            orders,
            oldest_at: START + Duration::seconds(second),
        }
    }

    #[test]
    fn money_is_summed_to_the_last_millionth() {
        let found = vec![
            priced(7, Some(("0.10", "USD")), 3, 9),
            priced(7, Some(("0.20", "USD")), 1, 4),
            priced(7, Some(("9000000000000.000001", "JPY")), 1_000_000, 5),
            priced(7, None, 2, 6),
            priced(8, Some(("1.00", "EUR")), 1, 1),
        ];
        let survey = Survey::of(&found, &[], &[]);
        let [seven, eight] = survey.unfulfilled.try_into().unwrap();
        assert_eq!((seven.orders, eight.orders), (1_000_006, 1));
        assert_eq!(seven.oldest_at, START + Duration::seconds(4));
        let yen = 9_000_000_000_000_000_001_i128 * 1_000_000;
        assert_eq!(
            seven.amounts,
            [("USD".into(), 500_000), ("JPY".into(), yen)]
        );
        assert_eq!(eight.amounts, [("EUR".into(), 1_000_000)]);
    }

    #[test]
    fn a_reason_of_another_version_is_still_counted() {
        let waiting = Waiting {
            reason: "of the next version".to_owned(),
            entries: 2,
            oldest_at: START,
        };
        let survey = Survey::of(&[], &[waiting], &[]);
        assert_eq!(
            (survey.parked[0].reason, survey.parked[0].entries),
            (None, 2)
        );
    }
}
