//! What one seed draws, in the types that a simulation counts with.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Chance(rehearsal::Chance);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(rehearsal::Chance::new(seed, 0))
    }

    /// A number below `end`, which is not 0.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.0.below(end as u64)).unwrap_or(0)
    }

    /// Whether something of this probability happens.
    pub(crate) fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A fraction of 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        self.0.fraction()
    }

    /// One of several, or none of none.
    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        (!from.is_empty()).then(|| self.0.one(from))
    }

    pub(crate) fn shuffle<T>(&mut self, values: &mut [T]) {
        self.0.shuffle(values);
    }
}
