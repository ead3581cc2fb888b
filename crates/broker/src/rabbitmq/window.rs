//! Which deliveries of one channel may be acknowledged.
//!
//! An acknowledgement covers everything up to its number, so it may only ever name the end
//! of the unbroken run of finished deliveries: one further would acknowledge a delivery
//! that nobody has booked.

use std::collections::BTreeSet;

/// The deliveries of one channel, numbered from 1 without gaps.
#[derive(Debug, Default)]
pub(super) struct Window {
    delivered: u64,
    acknowledged: u64,
    /// Finished, behind one that is not.
    finished: BTreeSet<u64>,
}

impl Window {
    pub(super) fn delivered(&mut self, number: u64) {
        self.delivered = self.delivered.max(number);
    }

    /// Repeats and numbers that were never delivered are passed over.
    pub(super) fn finish(&mut self, number: u64) {
        if number > self.acknowledged && number <= self.delivered {
            self.finished.insert(number);
        }
    }

    /// The number to acknowledge up to, if the run has grown.
    pub(super) fn advance(&mut self) -> Option<u64> {
        let before = self.acknowledged;
        while self.finished.remove(&(self.acknowledged + 1)) {
            self.acknowledged += 1;
        }
        (self.acknowledged > before).then_some(self.acknowledged)
    }

    /// How many the broker counts as unacknowledged.
    pub(super) fn held(&self) -> u64 {
        self.delivered - self.acknowledged
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every order in which five deliveries can be finished, by Heap's algorithm.
    fn orders(numbers: &mut Vec<u64>, length: usize, all: &mut Vec<Vec<u64>>) {
        if length <= 1 {
            all.push(numbers.clone());
            return;
        }
        for at in 0..length {
            orders(numbers, length - 1, all);
            let other = if length.is_multiple_of(2) { at } else { 0 };
            numbers.swap(other, length - 1);
        }
    }

    #[test]
    fn no_unfinished_delivery_is_ever_covered() {
        let mut all = Vec::new();
        orders(&mut vec![1, 2, 3, 4, 5], 5, &mut all);
        assert_eq!(all.len(), 120);
        for order in all {
            let mut window = Window::default();
            window.delivered(5);
            let mut finished = BTreeSet::new();
            for number in order {
                window.finish(number);
                finished.insert(number);
                let acknowledged = window.advance();
                let run = (1..=5)
                    .take_while(|number| finished.contains(number))
                    .last();
                assert_eq!(window.held(), 5 - run.unwrap_or(0));
                assert!(acknowledged.is_none() || acknowledged == run);
            }
            assert_eq!(window.held(), 0);
        }
    }

    #[test]
    fn a_repeat_or_a_foreign_number_acknowledges_nothing() {
        let mut window = Window::default();
        window.delivered(2);
        window.finish(1);
        assert_eq!(window.advance(), Some(1));
        for number in [0, 1, 3, u64::MAX] {
            window.finish(number);
            assert_eq!(window.advance(), None, "{number}");
        }
    }
}
