//! Who buys, and the ids by which everybody speaks of it.

use crate::play::Override;

/// Ten digits like Xsolla's own, below 2³¹: some SDKs read 32 bits.
const IDS: std::ops::RangeInclusive<i64> = 1_000_000_000..=i32::MAX as i64;

/// One purchase of one player.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purchase {
    /// Xsolla's project id.
    pub project: i64,
    /// The player, as `user.id` and `user.external_id`.
    pub player: String,
    /// The order's id.
    pub order: i64,
    /// The payment's id.
    pub transaction: i64,
}

impl Purchase {
    /// A purchase that nobody else makes: both ids are drawn from more than a thousand
    /// million, so runs of the same second do not meet.
    #[must_use]
    pub fn draw(project: i64, player: &str) -> Self {
        Self {
            project,
            player: player.to_owned(),
            order: rand::random_range(IDS),
            transaction: rand::random_range(IDS),
        }
    }

    /// The same purchase with the identities that overrides name. Every notice of a script,
    /// the game client and the game server then speak of the same player and order.
    #[must_use]
    pub fn identified_by(mut self, overrides: &[Override]) -> Self {
        for one in overrides {
            let text = || one.text();
            let number = || one.text().parse().ok();
            match one.path().as_str() {
                "user.external_id" | "user.id" => self.player = text(),
                "order.id" => self.order = number().unwrap_or(self.order),
                "transaction.id" | "billing.transaction.id" | "order.invoice_id" => {
                    self.transaction = number().unwrap_or(self.transaction);
                }
                _ => {}
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_fit_thirty_two_bits_and_differ_between_runs() {
        let drawn: std::collections::BTreeSet<_> = (0..1_000)
            .map(|_| Purchase::draw(1, "mira"))
            .flat_map(|purchase| [purchase.order, purchase.transaction])
            .collect();
        assert!(drawn.iter().all(|id| i32::try_from(*id).is_ok()));
        // Two of two thousand may meet by chance; twenty do not.
        assert!(drawn.len() > 1_980, "{}", drawn.len());
    }

    #[test]
    fn overrides_of_identities_are_the_purchases_own() {
        let overrides: Vec<Override> = [
            "user.external_id=4711",
            "order.id=7",
            "billing.transaction.id=70",
            "items.0.sku=x",
        ]
        .iter()
        .map(|text| text.parse().unwrap())
        .collect();
        let purchase = Purchase::draw(1, "mira").identified_by(&overrides);
        let expected = Purchase {
            project: 1,
            player: "4711".to_owned(),
            order: 7,
            transaction: 70,
        };
        assert_eq!(purchase, expected);
    }
}
