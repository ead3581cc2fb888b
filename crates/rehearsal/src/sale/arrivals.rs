//! When shoppers arrive: independently of one another and of every answer, so that a slow
//! server is not flattered.

use std::str::FromStr;
use std::time::Duration;

use super::chance::Chance;

/// How long a spike lasts unless it says so.
const SPIKE: Duration = Duration::from_secs(5);
/// The stream of the seed that draws arrivals. Shoppers have the small numbers.
const STREAM: u64 = u64::MAX;

/// How many shoppers arrive, second by second.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// At full height.
    pub orders_per_second: f64,
    /// How long they arrive at all.
    pub duration: Duration,
    /// How long the rate rises evenly from nothing to its height.
    pub ramp: Duration,
    /// When many more come.
    pub spikes: Vec<Spike>,
}

/// So many times the usual rate, for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spike {
    /// How many times the rate.
    pub factor: f64,
    /// From when.
    pub at: Duration,
    /// For how long.
    pub lasts: Duration,
}

/// A text that is no spike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected FACTORx@WHEN or FACTORx@WHEN+LASTING, such as 10x@30s or 3.5x@1m+20s")]
pub struct SpikeError;

impl FromStr for Spike {
    type Err = SpikeError;

    fn from_str(text: &str) -> Result<Self, SpikeError> {
        let (factor, when) = text.split_once("x@").ok_or(SpikeError)?;
        let (at, lasts) = match when.split_once('+') {
            Some((at, lasts)) => (duration(at)?, duration(lasts)?),
            None => (duration(when)?, SPIKE),
        };
        let factor: f64 = factor.trim().parse().map_err(|_| SpikeError)?;
        let is_sound = factor.is_finite() && factor >= 0.0 && !lasts.is_zero();
        is_sound
            .then_some(Self { factor, at, lasts })
            .ok_or(SpikeError)
    }
}

fn duration(text: &str) -> Result<Duration, SpikeError> {
    let text = text.trim();
    let unit = text.trim_start_matches(|it: char| it.is_ascii_digit());
    let number: u64 = text[..text.len() - unit.len()]
        .parse()
        .map_err(|_| SpikeError)?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(SpikeError),
    };
    number
        .checked_mul(millis)
        .map(Duration::from_millis)
        .ok_or(SpikeError)
}

/// A stretch in which the rate is a straight line.
#[derive(Clone, Copy, Debug)]
struct Piece {
    /// Seconds from the beginning.
    from: f64,
    lasts: f64,
    /// Shoppers a second where it begins.
    rate: f64,
    /// What is added to that each second.
    rise: f64,
}

impl Piece {
    /// Shoppers in it.
    fn shoppers(&self) -> f64 {
        self.lasts * (self.rate + self.rise * self.lasts / 2.0)
    }

    /// Seconds until so many have come, of which there are enough.
    fn until(&self, shoppers: f64) -> f64 {
        let root = (self.rate * self.rate + 2.0 * self.rise * shoppers)
            .max(0.0)
            .sqrt();
        // This form of the solution takes a flat line, and one from nothing.
        2.0 * shoppers / (self.rate + root)
    }
}

impl Rate {
    /// How many shoppers are to be expected in all.
    #[must_use]
    pub fn expected(&self) -> f64 {
        self.pieces().iter().map(Piece::shoppers).sum()
    }

    /// The times at which they arrive, ascending; the same ones for the same seed.
    pub(crate) fn arrivals(&self, seed: u64) -> Arrivals {
        Arrivals {
            chance: Chance::new(seed, STREAM),
            pieces: self.pieces().into_iter(),
            piece: None,
            come: 0.0,
        }
    }

    fn pieces(&self) -> Vec<Piece> {
        let end = self.duration.as_secs_f64();
        let ramp = self.ramp.as_secs_f64().min(end);
        let mut edges = vec![0.0, ramp, end];
        for spike in &self.spikes {
            let at = spike.at.as_secs_f64();
            edges.extend([at, at + spike.lasts.as_secs_f64()]);
        }
        edges.retain(|edge| *edge <= end);
        edges.sort_by(f64::total_cmp);
        let between = edges.windows(2).filter(|pair| pair[1] > pair[0]);
        let piece = |pair: &[f64]| {
            let (from, lasts) = (pair[0], pair[1] - pair[0]);
            let factor = self.factor_at(from + lasts / 2.0) * self.orders_per_second;
            let (rate, rise) = if from < ramp {
                // A ramp that the end cuts off goes on as it would have.
                let whole = self.ramp.as_secs_f64();
                (factor * from / whole, factor / whole)
            } else {
                (factor, 0.0)
            };
            Piece {
                from,
                lasts,
                rate,
                rise,
            }
        };
        between.map(piece).collect()
    }

    fn factor_at(&self, second: f64) -> f64 {
        let within = |spike: &&Spike| {
            let since = second - spike.at.as_secs_f64();
            (0.0..spike.lasts.as_secs_f64()).contains(&since)
        };
        self.spikes
            .iter()
            .filter(within)
            .map(|spike| spike.factor)
            .product()
    }
}

/// The times at which shoppers arrive: a Poisson process of the rate.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    chance: Chance,
    pieces: std::vec::IntoIter<Piece>,
    piece: Option<Piece>,
    /// Shoppers, in fractions, who are past in the piece.
    come: f64,
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        // One shopper in the mean until the next, however long that takes.
        let mut due = -(1.0 - self.chance.fraction()).ln();
        loop {
            if let Some(piece) = self.piece {
                let left = piece.shoppers() - self.come;
                if due < left {
                    self.come += due;
                    let at = piece.from + piece.until(self.come);
                    return Some(Duration::from_secs_f64(at));
                }
                due -= left.max(0.0);
            }
            self.piece = Some(self.pieces.next()?);
            self.come = 0.0;
        }
    }
}

#[cfg(test)]
mod tests;
