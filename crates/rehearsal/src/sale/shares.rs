//! How often each thing happens that can happen to a purchase, in hundredths of a percent.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use super::chance::Chance;

/// Everything, in parts.
const WHOLE: u16 = 10_000;

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// The payment's data comes with the order's notices.
    Combined,
    /// A separate payment names its order.
    NamesOrder,
    /// The game server registers the order before it is paid.
    Registered,
    /// The order is of a bundle.
    Bundle,
    /// Refunded and canceled.
    Refund,
    /// Refunded and never canceled.
    RefundOnly,
    /// Canceled without a refund.
    Cancel,
    /// Canceled before it is paid.
    CancelFirst,
    /// Disputed, refunded and canceled.
    Chargeback,
    /// Disputed and kept.
    Dispute,
    /// A part of the payment goes back.
    PartialRefund,
    /// Costs nothing.
    Free,
    /// A test purchase.
    Sandbox,
    /// Somebody asks for a player who does not exist.
    UnknownPlayer,
    /// The player goes away before paying.
    Abandoned,
    /// Watched over a WebSocket.
    Socket,
    /// Asked for every few seconds.
    Polling,
    /// A watching client loses its connection and comes back.
    Drop,
    /// A notice is sent again although it was taken.
    Repeat,
    /// A copy comes when everything else is over.
    Late,
    /// A notice comes several times at one instant.
    Simultaneous,
    /// The same in other bytes.
    Odd,
    /// Somebody else's signature.
    Forged,
    /// `order_paid` comes again with other items.
    Conflict,
}

/// Name, default and meaning.
const TABLE: [(Share, &str, u16, &str); 24] = {
    use Share as S;
    [
        (
            S::Combined,
            "combined",
            5_000,
            "payment and order come as one notice",
        ),
        (
            S::NamesOrder,
            "names-order",
            5_000,
            "separate payments that name their order",
        ),
        (
            S::Registered,
            "registered",
            3_000,
            "registered over the api before it is paid",
        ),
        (S::Bundle, "bundle", 1_500, "a bundle with its contents"),
        (S::Refund, "refund", 400, "fate: refunded and canceled"),
        (
            S::RefundOnly,
            "refund-only",
            100,
            "fate: refunded, never canceled",
        ),
        (S::Cancel, "cancel", 200, "fate: canceled without a refund"),
        (
            S::CancelFirst,
            "cancel-first",
            200,
            "fate: the cancellation overtakes order_paid",
        ),
        (
            S::Chargeback,
            "chargeback",
            100,
            "fate: disputed, refunded and canceled",
        ),
        (S::Dispute, "dispute", 100, "fate: disputed and kept"),
        (
            S::PartialRefund,
            "partial-refund",
            200,
            "fate: a part of the money goes back",
        ),
        (
            S::Free,
            "free",
            800,
            "fate: a free order, without a payment",
        ),
        (S::Sandbox, "sandbox", 200, "fate: a test purchase"),
        (
            S::UnknownPlayer,
            "unknown-player",
            200,
            "fate: a question about nobody, and no more",
        ),
        (
            S::Abandoned,
            "abandoned",
            500,
            "fate: questions, and the player goes away",
        ),
        (S::Socket, "socket", 2_000, "followed over a WebSocket"),
        (S::Polling, "polling", 1_000, "followed by polling"),
        (
            S::Drop,
            "drop",
            3_000,
            "of those on a WebSocket: lose it and come back",
        ),
        (
            S::Repeat,
            "repeat",
            300,
            "notices sent again though they were taken",
        ),
        (
            S::Late,
            "late",
            200,
            "notices that come once more when all is over",
        ),
        (
            S::Simultaneous,
            "simultaneous",
            200,
            "notices that come 2 to 4 times at one instant",
        ),
        (
            S::Odd,
            "odd",
            500,
            "notices in odd bytes of the same meaning",
        ),
        (
            S::Forged,
            "forged",
            100,
            "purchases with an order_paid of somebody else's signature",
        ),
        (
            S::Conflict,
            "conflict",
            100,
            "purchases whose order_paid comes again with other items",
        ),
    ]
};

/// At most one of these happens to a purchase; otherwise it is paid and kept.
pub(crate) const FATES: [Share; 11] = [
    Share::Refund,
    Share::RefundOnly,
    Share::Cancel,
    Share::CancelFirst,
    Share::Chargeback,
    Share::Dispute,
    Share::PartialRefund,
    Share::Free,
    Share::Sandbox,
    Share::UnknownPlayer,
    Share::Abandoned,
];

/// At most one of these follows a purchase.
pub(crate) const FOLLOWERS: [Share; 2] = [Share::Socket, Share::Polling];

/// How often each thing happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares([u16; TABLE.len()]);

/// One share as somebody wrote it: `refund=5%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    share: Share,
    parts: u16,
}

/// Why shares cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// Not of the form `NAME=PERCENT%`.
    #[error("expected NAME=PERCENT%, such as refund=5%")]
    Form,
    /// Nothing of this name can happen.
    #[error("no share is named `{name}`; there are {}", names(&TABLE.map(|row| row.0)))]
    Name {
        /// What stands there.
        name: String,
    },
    /// Not from 0% to 100%, or finer than a hundredth of a percent.
    #[error("`{name}`: expected 0% to 100% in steps of 0.01%")]
    Percent {
        /// Whose.
        name: &'static str,
    },
    /// Several that exclude one another are more than everything together.
    #[error("{} are {:.2}% together and exclude one another: expected at most 100%", names(.of), f64::from(*.parts) / 100.0)]
    Sum {
        /// Which.
        of: &'static [Share],
        /// How much they are, in hundredths of a percent.
        parts: u32,
    },
}

fn names(shares: &[Share]) -> String {
    let names: Vec<_> = shares.iter().map(|share| share.as_str()).collect();
    names.join(", ")
}

impl Share {
    /// Its row's place.
    const fn row(self) -> usize {
        self as usize
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        TABLE[self.row()].1
    }
}

impl Default for Shares {
    fn default() -> Self {
        Self(TABLE.map(|row| row.2))
    }
}

impl Shares {
    /// Nothing special happens: purchases are paid separately, and kept.
    #[must_use]
    pub const fn none() -> Self {
        Self([0; TABLE.len()])
    }

    /// The usual ones with these changes.
    ///
    /// # Errors
    /// When shares that exclude one another are more than 100% together.
    pub fn with(mut self, settings: &[Setting]) -> Result<Self, ShareError> {
        for setting in settings {
            self.0[setting.share.row()] = setting.parts;
        }
        for of in [&FATES[..], &FOLLOWERS] {
            let parts = of.iter().map(|share| u32::from(self.parts(*share))).sum();
            if parts > u32::from(WHOLE) {
                return Err(ShareError::Sum { of, parts });
            }
        }
        Ok(self)
    }

    fn parts(&self, share: Share) -> u16 {
        self.0[share.row()]
    }

    /// Whether it happens this time.
    pub(crate) fn happens(&self, share: Share, chance: &mut Chance) -> bool {
        chance.below(WHOLE.into()) < u64::from(self.parts(share))
    }

    /// Which of these happens this time, if any.
    pub(crate) fn one_of(&self, shares: &[Share], chance: &mut Chance) -> Option<Share> {
        let mut drawn = chance.below(WHOLE.into());
        shares.iter().copied().find(|share| {
            let parts = u64::from(self.parts(*share));
            let is_it = drawn < parts;
            drawn = drawn.saturating_sub(parts);
            is_it
        })
    }

    /// Every share with its default and meaning, a line each.
    #[must_use]
    pub fn about() -> String {
        let mut text = String::new();
        for (_, name, parts, about) in TABLE {
            let percent = format!("{}%", f64::from(parts) / 100.0);
            // Writing to a text cannot fail.
            let _ = writeln!(text, "  {name:<15} {percent:>4}  {about}");
        }
        text
    }
}

impl FromStr for Setting {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        let (name, percent) = text.split_once('=').ok_or(ShareError::Form)?;
        let percent = percent.trim().strip_suffix('%').ok_or(ShareError::Form)?;
        let row = TABLE.iter().find(|row| row.1 == name.trim());
        let &(share, name, ..) = row.ok_or_else(|| ShareError::Name {
            name: name.trim().to_owned(),
        })?;
        let parts = parts(percent).ok_or(ShareError::Percent { name })?;
        Ok(Self { share, parts })
    }
}

/// Hundredths of a percent.
fn parts(percent: &str) -> Option<u16> {
    let (whole, fraction) = percent.split_once('.').unwrap_or((percent, ""));
    if fraction.len() > 2 || !fraction.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let whole: u16 = whole.parse().ok()?;
    let fraction: u16 = format!("{fraction:0<2}").parse().ok()?;
    let parts = whole.checked_mul(100)?.checked_add(fraction)?;
    (parts <= WHOLE).then_some(parts)
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}={}%",
            self.share.as_str(),
            f64::from(self.parts) / 100.0
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(settings: &[&str]) -> Result<Shares, ShareError> {
        let settings: Result<Vec<Setting>, _> = settings.iter().map(|it| it.parse()).collect();
        Shares::default().with(&settings?)
    }

    #[test]
    fn every_share_is_its_own_row_and_the_defaults_add_up() {
        for (place, (share, name, ..)) in TABLE.into_iter().enumerate() {
            assert_eq!((share.row(), share.as_str()), (place, name));
        }
        assert!(with(&[]).is_ok());
    }

    #[test]
    fn shares_are_read_to_the_hundredth_of_a_percent() {
        let shares = with(&["refund=5%", "odd = 0.25%", "free=100%", "refund=0%"]);
        assert!(matches!(shares, Err(ShareError::Sum { parts, .. }) if parts > 10_000));
        let shares = with(&["refund=5%", "odd=0.25%", "sandbox=1.5%"]).unwrap();
        let parts = [Share::Refund, Share::Odd, Share::Sandbox].map(|it| shares.parts(it));
        assert_eq!(parts, [500, 25, 150]);
    }

    #[test]
    fn what_is_no_share_is_refused_with_what_there_is() {
        assert_eq!(with(&["refund"]), Err(ShareError::Form));
        assert_eq!(with(&["refund=5"]), Err(ShareError::Form));
        for wrong in [
            "refund=101%",
            "refund=-1%",
            "refund=0.001%",
            "refund=%",
            "refund=1.x%",
        ] {
            let name = "refund";
            assert_eq!(with(&[wrong]), Err(ShareError::Percent { name }), "{wrong}");
        }
        let unknown = with(&["refunds=5%"]).unwrap_err().to_string();
        assert!(
            unknown.contains("`refunds`") && unknown.contains("chargeback"),
            "{unknown}"
        );
        let sum = with(&["socket=60%", "polling=50%"])
            .unwrap_err()
            .to_string();
        assert!(
            sum.starts_with("socket, polling are 110.00% together"),
            "{sum}"
        );
    }

    #[test]
    fn things_happen_as_often_as_their_share_says() {
        let shares = with(&["refund=25%", "free=25%", "socket=0%", "polling=100%"]).unwrap();
        let mut chance = Chance::new(7, 7);
        let mut drawn = |of: &[Share], share| {
            let each = (0..40_000).map(|_| shares.one_of(of, &mut chance));
            each.filter(|it| *it == Some(share)).count()
        };
        for share in [Share::Refund, Share::Free] {
            let times = drawn(&FATES, share);
            assert!((9_500..10_500).contains(&times), "{share:?} {times}");
        }
        assert_eq!(drawn(&FOLLOWERS, Share::Polling), 40_000);
        assert_eq!(drawn(&FOLLOWERS, Share::Socket), 0);
    }
}
