//! What is to be played.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use super::arrivals::Rate;
use super::journal::{Journal, Notice};
use super::life::Life;
use super::shares::Shares;

/// Ten digits like Xsolla's own, below 2³¹: some SDKs read 32 bits.
const FIRST_ID: i64 = 1_000_000_000;
const LAST_ID: i64 = i32::MAX as i64;
/// Runs begin their ids this far from one another.
const STEP: i64 = 512;
/// The most shoppers of a run: they and their requests are kept until the verdict.
const SHOPPERS_MAX: u32 = 2_000_000;
/// How many purchases a player makes in the mean.
const PURCHASES: f64 = 5.0;

/// A sale to play.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Xsolla's id of the project.
    pub project: i64,
    /// Draws every shopper, and with them every body.
    pub seed: u64,
    /// Whose ids these are.
    pub run: Run,
    /// How many shoppers arrive, and when.
    pub rate: Rate,
    /// How often each thing happens.
    pub shares: Shares,
    /// By what Xsolla's own times are divided: rests, retries, late copies. At least 1.
    pub time_scale: u32,
    /// How many players buy, at least 1.
    pub players: u32,
    /// How often a polling client asks, in real time.
    pub poll_interval: Duration,
    /// How long an answer may take until Xsolla gives up on it, in real time.
    pub answer_limit: Duration,
    /// How long clients wait for a last status when everything is sent, in real time.
    pub settle: Duration,
    /// The account gives the money back when an order is refused for good.
    pub auto_refund: bool,
    /// How much of everything there may be at once.
    pub bounds: Bounds,
}

/// How much there may be at once. What is beyond it waits, and its waiting counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Shoppers between their arrival and their last notice.
    pub shoppers: usize,
    /// Requests that wait for an answer.
    pub requests: usize,
    /// Clients over a WebSocket; a purchase beyond it is polled, as an SDK does that cannot
    /// connect.
    pub sockets: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            shoppers: 20_000,
            // With every connection to the api they fit into 1,024 open files.
            requests: 256,
            sockets: 400,
        }
    }
}

/// Why a sale cannot be played.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// The rate is no number that shoppers can come at.
    #[error("expected more than 0 orders per second")]
    Rate,
    /// They and their requests are kept in memory until the verdict.
    #[error(
        "about {0:.0} shoppers would come, expected at most {SHOPPERS_MAX}; take a lower rate or less time"
    )]
    Shoppers(f64),
}

/// The number of a rehearsal, from which its ids and players follow: two rehearsals of one
/// instance do not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run(u32);

impl Run {
    /// Runs there are.
    pub const COUNT: u32 = 2_241_000;

    /// The run of this number, counted around where it is beyond the last one.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number % Self::COUNT)
    }

    /// Any run. Two of a hundred thousand shoppers each meet once in some ten thousand times.
    #[must_use]
    pub fn draw() -> Self {
        Self::new(rand::random())
    }

    /// The id of the order of this shopper.
    pub(crate) fn order(self, shopper: u32) -> i64 {
        FIRST_ID + self.place(shopper)
    }

    /// The id of the transaction of this shopper. Not the order's: who takes one for the
    /// other shall find nothing.
    pub(crate) fn transaction(self, shopper: u32) -> i64 {
        LAST_ID - self.place(shopper)
    }

    fn place(self, shopper: u32) -> i64 {
        (i64::from(self.0) * STEP + i64::from(shopper)) % (LAST_ID - FIRST_ID + 1)
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Plan {
    /// Xsolla's own times are divided by this unless somebody says otherwise: five minutes
    /// pass in a second.
    pub const TIME_SCALE: u32 = 300;

    /// A sale at this rate, and everything else as it usually is.
    ///
    /// # Errors
    /// When nobody would come, or more than can be remembered.
    pub fn new(project: i64, seed: u64, run: Run, rate: Rate) -> Result<Self, PlanError> {
        if !(rate.orders_per_second.is_finite() && rate.orders_per_second > 0.0) {
            return Err(PlanError::Rate);
        }
        let expected = rate.expected();
        if expected > f64::from(SHOPPERS_MAX) {
            return Err(PlanError::Shoppers(expected));
        }
        Ok(Self {
            project,
            seed,
            run,
            rate,
            shares: Shares::default(),
            time_scale: Self::TIME_SCALE,
            players: players(expected),
            poll_interval: Duration::from_secs(3),
            answer_limit: Duration::from_secs(5),
            settle: Duration::from_secs(30),
            auto_refund: false,
            bounds: Bounds::default(),
        })
    }

    /// The name of the player of this number.
    pub(crate) fn player(&self, number: u32) -> String {
        format!("shopper-{}-{number}", self.run)
    }

    /// A time of Xsolla's as it is played.
    pub(crate) fn scaled(&self, xsollas: Duration) -> Duration {
        xsollas / self.time_scale.max(1)
    }

    /// The body of a notice of the journal, made again: the shopper's number, and the
    /// notice's place among its notices.
    ///
    /// `None` where the journal, which must be of this plan, has no such notice.
    #[must_use]
    pub fn body(&self, journal: &Journal, shopper: u32, place: usize) -> Option<Bytes> {
        let known = journal.shoppers.get(usize::try_from(shopper).ok()?)?;
        let notice: Notice = *known.notices.get(place)?;
        Some(Life::draw(self, shopper).body(place, notice))
    }
}

/// Enough players that each buys a few times.
fn players(shoppers: f64) -> u32 {
    let wanted = (shoppers / PURCHASES).ceil();
    // As many seconds as players: the one way from a float that cannot surprise.
    let whole = Duration::try_from_secs_f64(wanted)
        .unwrap_or(Duration::MAX)
        .as_secs();
    u32::try_from(whole)
        .unwrap_or(SHOPPERS_MAX)
        .clamp(10, SHOPPERS_MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rate(orders_per_second: f64, seconds: u64) -> Rate {
        Rate {
            orders_per_second,
            duration: Duration::from_secs(seconds),
            ramp: Duration::ZERO,
            spikes: Vec::new(),
        }
    }

    #[test]
    fn ids_fit_thirty_two_bits_and_runs_do_not_meet() {
        let mut ids = BTreeSet::new();
        for run in [0, 1, 2, 77, Run::COUNT - 1] {
            let run = Run::new(run);
            for shopper in 0..512 {
                let (order, transaction) = (run.order(shopper), run.transaction(shopper));
                assert!(order.min(transaction) >= FIRST_ID, "{order} {transaction}");
                assert!(i32::try_from(order.max(transaction)).is_ok());
                assert!(ids.insert((false, order)) && ids.insert((true, transaction)));
            }
        }
    }

    #[test]
    fn a_sale_of_nobody_or_of_too_many_is_refused() {
        let new = |rate| Plan::new(1, 1, Run::new(1), rate).map(|plan| plan.players);
        assert_eq!(new(rate(20.0, 60)), Ok(240));
        assert_eq!(new(rate(0.5, 1)), Ok(10));
        for nobody in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(new(rate(nobody, 60)), Err(PlanError::Rate));
        }
        let many = new(rate(1_000.0, 3_600)).unwrap_err().to_string();
        assert!(many.starts_with("about 3600000 shoppers"), "{many}");
    }

    #[test]
    fn five_minutes_of_xsollas_pass_in_a_second() {
        let plan = Plan::new(1, 1, Run::new(1), rate(1.0, 1)).unwrap();
        assert_eq!(plan.scaled(Duration::from_mins(5)), Duration::from_secs(1));
    }
}
