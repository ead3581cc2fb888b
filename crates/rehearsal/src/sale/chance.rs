//! What a seed draws. The numbers never change with a library's version: a run can be
//! repeated from what it printed.

/// A stream of random numbers (`SplitMix64`).
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A stream of its own for every `stream` of a seed.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut chance = Self(seed ^ stream.wrapping_mul(0xA076_1D64_78BD_642F));
        chance.number();
        chance
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A number from `from` to `to`, both included.
    pub fn between(&mut self, from: u32, to: u32) -> u32 {
        let span = u64::from(to.saturating_sub(from)) + 1;
        from + u32::try_from(self.below(span)).unwrap_or_default()
    }

    /// A fraction of 1, never 1 itself.
    pub fn fraction(&mut self) -> f64 {
        let drawn = u32::try_from(self.number() >> 32).unwrap_or_default();
        f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
    }

    /// One of the values.
    ///
    /// # Panics
    /// When there is none.
    pub fn one<T: Copy>(&mut self, values: &[T]) -> T {
        let place = usize::try_from(self.below(values.len() as u64)).unwrap_or_default();
        values[place]
    }

    /// Any order of the values, each as likely as the others.
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let other = self.below(last as u64 + 1);
            values.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}
