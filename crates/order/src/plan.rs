//! What an order contains and what of it is granted.

use crate::{Money, Sku};

/// What the buyer sees of an order: the answer of the order-status endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Content {
    /// The total, absent for free orders and where the notice names none.
    pub price: Option<Money>,
    /// Whether the price is in virtual currency.
    pub is_virtual: bool,
    /// Whether nothing had to be paid.
    pub is_free: bool,
    /// The lines as the notice lists them, bundles and their content alike.
    pub items: Vec<ContentItem>,
}

/// One listed line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentItem {
    /// The item.
    pub sku: Sku,
    /// How many.
    pub quantity: i64,
    /// Whether this line cost nothing.
    pub is_free: bool,
    /// The line's total, where the notice names one.
    pub price: Option<Money>,
}

/// One thing to be granted or taken back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The item.
    pub sku: Sku,
    /// How many, at least one.
    pub quantity: i64,
}

/// What a paid order grants: at least one line, each item once, sorted by item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Plan(Vec<Line>);

/// Why lines do not make a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is nothing to grant.
    #[error("the order lists nothing that can be granted")]
    Empty,
    /// A quantity is below one, or the sum is not storable.
    #[error("a quantity is below 1 or above {max}", max = Plan::MAX_QUANTITY)]
    Quantity,
    /// More lines than an order can sensibly have.
    #[error("the order grants more than {max} different items", max = Plan::MAX_LINES)]
    TooLong,
}

impl Plan {
    /// The most units of one item that one order grants.
    pub const MAX_QUANTITY: i64 = 1_000_000_000_000;
    /// The most different items that one order grants.
    pub const MAX_LINES: usize = 1_000;

    /// Sums the lines per item.
    ///
    /// # Errors
    /// When nothing is left to grant, a quantity is out of range, or there are too many items.
    pub fn new(lines: impl IntoIterator<Item = Line>) -> Result<Self, PlanError> {
        let mut sums = std::collections::BTreeMap::<Sku, i64>::new();
        for Line { sku, quantity } in lines {
            let sum = sums.entry(sku).or_default();
            *sum = sum.checked_add(quantity).ok_or(PlanError::Quantity)?;
            if quantity < 1 || *sum > Self::MAX_QUANTITY {
                return Err(PlanError::Quantity);
            }
        }
        match sums.len() {
            0 => Err(PlanError::Empty),
            len if len > Self::MAX_LINES => Err(PlanError::TooLong),
            _ => Ok(Self(
                sums.into_iter()
                    .map(|(sku, quantity)| Line { sku, quantity })
                    .collect(),
            )),
        }
    }

    /// The lines, sorted by item.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sku: &str, quantity: i64) -> Line {
        Line {
            sku: sku.parse().unwrap(),
            quantity,
        }
    }

    #[test]
    fn lines_of_one_item_are_summed_and_sorted() {
        let plan = Plan::new([line("b", 1), line("a", 2), line("b", 3)]).unwrap();
        assert_eq!(plan.lines(), [line("a", 2), line("b", 4)]);
    }

    #[test]
    fn plans_are_never_empty_negative_or_endless() {
        assert_eq!(Plan::new([]), Err(PlanError::Empty));
        assert_eq!(Plan::new([line("a", 0)]), Err(PlanError::Quantity));
        assert_eq!(Plan::new([line("a", -1)]), Err(PlanError::Quantity));
        assert_eq!(
            Plan::new([line("a", i64::MAX), line("a", 1)]),
            Err(PlanError::Quantity)
        );
        let many = (0..=Plan::MAX_LINES).map(|n| line(&n.to_string(), 1));
        assert_eq!(Plan::new(many), Err(PlanError::TooLong));
    }
}
