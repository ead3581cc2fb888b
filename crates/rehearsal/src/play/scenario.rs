//! The scenarios: which notices are sent, and what has to come of them.

use std::fmt;
use std::str::FromStr;

use order::Status;
use xsolla::answer::ErrorCode;

use super::overrides::Override;
use super::script::{Expected, Letter, OnMismatch, Script, ScriptError, Step, Views, gained};
use crate::purchase::Purchase;

/// What happens to a purchase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// A player is asked for, pays, and gets the items.
    Paid,
    /// A purchase is paid and then given back, in separate mode.
    Refund,
    /// The cancellation overtakes the payment: nothing is granted.
    CancelFirst,
    /// A free order, without payment and transaction.
    Free,
    /// A bundle: its content is granted, the heading is not.
    Bundle,
    /// The same notice twice at the same instant and once later: one grant.
    Duplicate,
    /// A paid order that is not signed with the project's secret: refused.
    BadSignature,
    /// A question about a player nobody knows: refused.
    UnknownPlayer,
}

/// The notices of a scenario as they stand in its script, overrides applied.
struct Cast {
    letters: Vec<Letter>,
    /// What a grant of the order's last `order_paid` has to bring.
    gained: Vec<(String, i64)>,
    /// A test purchase stops at paid.
    sandbox: bool,
}

impl Scenario {
    /// All of them, in the order in which help tells of them.
    pub const ALL: [Self; 8] = [
        Self::Paid,
        Self::Refund,
        Self::CancelFirst,
        Self::Free,
        Self::Bundle,
        Self::Duplicate,
        Self::BadSignature,
        Self::UnknownPlayer,
    ];

    /// As it is called on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::Refund => "refund",
            Self::CancelFirst => "cancel-first",
            Self::Free => "free",
            Self::Bundle => "bundle",
            Self::Duplicate => "duplicate",
            Self::BadSignature => "bad-signature",
            Self::UnknownPlayer => "unknown-player",
        }
    }

    /// One line of what it shows.
    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            Self::Paid => "order_paid with its payment data; the items are granted",
            Self::Refund => "payment, order_paid, refund, order_canceled; all is taken back",
            Self::CancelFirst => "order_canceled overtakes order_paid; nothing is granted",
            Self::Free => "an order without payment and transaction; granted",
            Self::Bundle => "a bundle; its content is granted, the heading is not",
            Self::Duplicate => "order_paid twice at one instant and once later; one grant",
            Self::BadSignature => "a wrong secret; 400 INVALID_SIGNATURE, nothing granted",
            Self::UnknownPlayer => "a player nobody knows; 400 INVALID_USER",
        }
    }

    /// The steps of this scenario, as far as `views` lets us see them.
    ///
    /// # Errors
    /// When an override's path leads nowhere.
    pub fn script(
        self,
        purchase: &Purchase,
        overrides: &[Override],
        views: Views,
    ) -> Result<Script, ScriptError> {
        let mut purchase = purchase.clone();
        if self == Self::UnknownPlayer {
            purchase.player = format!("nobody-{}", purchase.order);
        }
        let purchase = purchase.identified_by(overrides);
        let cast = self.cast(&purchase, overrides)?;
        let has_scene = self != Self::UnknownPlayer;
        let steps = [
            if has_scene {
                self.opening()
            } else {
                Vec::new()
            },
            self.middle(cast),
        ];
        let steps = steps
            .into_iter()
            .flatten()
            .filter(|it| it.is_seen_by(views));
        Ok(Script {
            name: self.as_str().to_owned(),
            purchase,
            steps: steps.collect(),
            on_mismatch: OnMismatch::Stop,
        })
    }

    fn cast(self, purchase: &Purchase, overrides: &[Override]) -> Result<Cast, ScriptError> {
        let validation = purchase.user_validation();
        let mut notices = match self {
            Self::Paid | Self::Duplicate => vec![validation, purchase.order_paid_combined()],
            Self::Refund => vec![
                validation,
                purchase.payment(),
                purchase.order_paid(),
                purchase.refund(),
                purchase.order_canceled(),
            ],
            Self::CancelFirst => vec![purchase.order_canceled(), purchase.order_paid()],
            Self::Free => vec![purchase.free_order_paid()],
            Self::Bundle => vec![validation, purchase.bundle_paid()],
            Self::BadSignature => vec![purchase.order_paid_combined()],
            Self::UnknownPlayer => vec![validation],
        };
        for change in overrides {
            change.apply(&mut notices.iter_mut().collect::<Vec<_>>())?;
        }
        let paid = notices
            .iter()
            .rfind(|notice| notice["notification_type"] == "order_paid");
        let sandbox = paid.is_some_and(super::script::is_sandbox);
        Ok(Cast {
            gained: paid.map(gained).unwrap_or_default(),
            sandbox,
            letters: notices.iter().map(Letter::new).collect(),
        })
    }

    /// Everybody takes their place: the player is known, listens, and has created an order.
    fn opening(self) -> Vec<Step> {
        let mut steps = vec![Step::RegisterPlayer, Step::ReadInventory];
        if self != Self::BadSignature {
            steps.extend([Step::Connect, Step::RegisterOrder, Step::HearNew]);
        }
        steps
    }

    fn middle(self, cast: Cast) -> Vec<Step> {
        let Cast {
            letters,
            gained,
            sandbox,
        } = cast;
        let mut letters = letters.into_iter();
        let mut next = || letters.next().map(Step::Send);
        let reached: &[Status] = if sandbox {
            &[Status::Paid]
        } else {
            &[Status::Paid, Status::Done]
        };
        let last = *reached.last().unwrap_or(&Status::Paid);
        let hear = reached.iter().map(|status| Step::Hear(*status));
        match self {
            Self::Paid | Self::Bundle | Self::Free => std::iter::from_fn(next)
                .chain(hear)
                .chain(ending("order_paid", last, reached.to_vec(), gained))
                .collect(),
            Self::Refund => {
                let paying: Vec<_> = (0..3).filter_map(|_| next()).collect();
                let statuses = [reached, &[Status::Canceled]].concat();
                let back = std::iter::from_fn(next).chain([Step::Hear(Status::Canceled)]);
                paying
                    .into_iter()
                    .chain(hear)
                    .chain([Step::Booked("order_paid"), Step::Gained(gained)])
                    .chain(back)
                    .chain(ending(
                        "order_canceled",
                        Status::Canceled,
                        statuses,
                        Vec::new(),
                    ))
                    .collect()
            }
            Self::CancelFirst => {
                let first = next().into_iter().chain([Step::Hear(Status::Canceled)]);
                let first: Vec<_> = first.collect();
                let statuses = vec![Status::Canceled];
                let ending = ending("order_paid", Status::Canceled, statuses, Vec::new());
                first.into_iter().chain(next()).chain(ending).collect()
            }
            Self::Duplicate => {
                let asked: Vec<_> = next().into_iter().collect();
                let paid: Vec<_> = letters.collect();
                let copies = |copies| paid.iter().map(move |it| Step::Send(it.copied(copies)));
                asked
                    .into_iter()
                    .chain(copies(2))
                    .chain(hear)
                    .chain(copies(1))
                    .chain([Step::Quiet])
                    .chain(ending("order_paid", last, reached.to_vec(), gained))
                    .collect()
            }
            Self::BadSignature => {
                let refused = Expected::Refused(ErrorCode::InvalidSignature);
                let forged = letters.map(|it| Step::Send(it.forged().expecting(refused)));
                forged
                    .chain([Step::Quiet, Step::Gained(Vec::new())])
                    .collect()
            }
            Self::UnknownPlayer => {
                let refused = Expected::Refused(ErrorCode::InvalidUser);
                letters
                    .map(|it| Step::Send(it.expecting(refused)))
                    .collect()
            }
        }
    }
}

/// What everybody sees when all is over.
fn ending(
    kind: &'static str,
    last: Status,
    statuses: Vec<Status>,
    gained: Vec<(String, i64)>,
) -> [Step; 4] {
    [
        Step::Booked(kind),
        Step::History(statuses),
        Step::Poll(last),
        Step::Gained(gained),
    ]
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scenario {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let named = Self::ALL.into_iter().find(|it| it.as_str() == name);
        named.ok_or(())
    }
}

#[cfg(test)]
mod tests;
