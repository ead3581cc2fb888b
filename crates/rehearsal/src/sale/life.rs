//! What happens to one purchase, drawn from the seed and its number alone, so that every
//! body can be made again.

use std::time::Duration;

use crate::purchase::Purchase;

use super::chance::Chance;
use super::goods::{self, Line};
use super::journal::{Follows, Kind, Notice, Says, Shopper};
use super::plan::Plan;
use super::shares::{FATES, FOLLOWERS, Share};

const SECOND: Duration = Duration::from_secs(1);

/// The stream of each number has neighbours of its own for what is drawn apart.
const STREAMS: u64 = 4;

/// A purchase and what Xsolla and its player will do.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// As the journal has it, and not arrived yet.
    pub(crate) shopper: Shopper,
    /// How each notice is sent, by its place among the shopper's.
    pub(crate) sendings: Vec<Sending>,
    /// What the order's notices list.
    pub(crate) items: Vec<Line>,
    /// Nothing was paid.
    pub(crate) is_free: bool,
    /// The list marks contents of bundles, as version 2 of the webhooks does.
    pub(crate) marks_contents: bool,
    /// The watching client loses its connection with the first status that is not the last,
    /// or so long after it was made, and comes back.
    pub(crate) drops_after: Option<Duration>,
    /// Draws odd bytes.
    odd: Chance,
}

/// How a notice is sent. Times are Xsolla's own, before they are scaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    /// After the notice before it was taken.
    pub(crate) rests: Duration,
    /// How many leave at once.
    pub(crate) copies: u8,
    /// Once more as soon as it was taken.
    pub(crate) repeats: bool,
    /// Once more, so long after it was taken and not before everything else is over.
    pub(crate) late: Option<Duration>,
}

impl Sending {
    /// Once, after this long.
    pub(crate) const fn once(rests: Duration) -> Self {
        Self {
            rests,
            copies: 1,
            repeats: false,
            late: None,
        }
    }
}

impl Life {
    /// The life of the shopper of this number.
    pub(crate) fn draw(plan: &Plan, number: u32) -> Self {
        let mut chance = Chance::new(plan.seed, u64::from(number) * STREAMS);
        let chance = &mut chance;
        let shares = &plan.shares;
        let fate = shares.one_of(&FATES, chance);
        let is_free = fate == Some(Share::Free);
        let combined = shares.happens(Share::Combined, chance);
        let items = if is_free {
            goods::free(chance)
        } else if shares.happens(Share::Bundle, chance) {
            goods::bundle(chance)
        } else {
            goods::several(chance)
        };
        let story = Story {
            fate,
            combined,
            names_order: shares.happens(Share::NamesOrder, chance),
        };
        let follows = match shares.one_of(&FOLLOWERS, chance) {
            _ if fate == Some(Share::UnknownPlayer) => Follows::Nothing,
            Some(Share::Socket) => Follows::Socket,
            Some(_) => Follows::Polling,
            None => Follows::Nothing,
        };
        let drops = follows == Follows::Socket && shares.happens(Share::Drop, chance);
        let asks_nobody = fate == Some(Share::UnknownPlayer);
        let player = if asks_nobody {
            format!("nobody-{}-{number}", plan.run)
        } else {
            let of_them = chance.below(plan.players.into());
            plan.player(u32::try_from(of_them).unwrap_or_default())
        };
        let registered = !asks_nobody && shares.happens(Share::Registered, chance);
        let mut life = Self {
            shopper: Shopper {
                purchase: Purchase {
                    project: plan.project,
                    player,
                    order: plan.run.order(number),
                    transaction: plan.run.transaction(number),
                },
                arrived: Duration::ZERO,
                lines: goods::granted(&items),
                sandbox: fate == Some(Share::Sandbox),
                registered,
                follows,
                notices: Vec::new(),
            },
            sendings: Vec::new(),
            items,
            is_free,
            marks_contents: chance.below(2) == 0,
            drops_after: drops.then(|| Duration::from_millis(chance.between(50, 3_000).into())),
            odd: Chance::new(plan.seed, u64::from(number) * STREAMS + 1),
        };
        story.tell(&mut life, plan, chance);
        life
    }

    /// Adds a notice to the end.
    pub(crate) fn add(&mut self, notice: Notice, sending: Sending) {
        self.shopper.notices.push(notice);
        self.sendings.push(sending);
    }

    /// What draws the odd bytes of the notice at this place.
    pub(crate) fn odd_at(&self, place: usize) -> Chance {
        let mut chance = self.odd.clone();
        let number = chance.number();
        Chance::new(number, place as u64)
    }
}

/// What is told about a purchase, before anything disturbs it.
struct Story {
    fate: Option<Share>,
    combined: bool,
    names_order: bool,
}

impl Story {
    fn tell(&self, life: &mut Life, plan: &Plan, chance: &mut Chance) {
        for (says, rests) in self.notices(chance) {
            let (notice, sending) = disturbed(says, rests, plan, chance);
            life.add(notice, sending);
        }
        let paid = Says::OrderPaid {
            combined: self.is_combined(),
        };
        let genuine = life
            .shopper
            .notices
            .iter()
            .position(|notice| notice.says == paid);
        let Some(genuine) = genuine else {
            return;
        };
        // What comes later is put in first: places before it do not move.
        if plan.shares.happens(Share::Conflict, chance) {
            let rests = SECOND * chance.between(0, 600);
            life.insert(
                genuine + 1,
                Notice {
                    says: paid,
                    kind: Kind::Conflicting,
                },
                rests,
            );
        }
        if plan.shares.happens(Share::Forged, chance) {
            let end = life.shopper.notices.len() as u64 + 1;
            let place = usize::try_from(chance.below(end)).unwrap_or_default();
            life.insert(
                place,
                Notice {
                    says: paid,
                    kind: Kind::Forged,
                },
                Duration::ZERO,
            );
        }
    }

    fn is_combined(&self) -> bool {
        // Nothing was paid, so there is no payment to carry.
        self.combined && self.fate != Some(Share::Free)
    }

    /// What Xsolla tells, in order, and how long it rests before each.
    fn notices(&self, chance: &mut Chance) -> Vec<(Says, Duration)> {
        let combined = self.is_combined();
        let paid = Says::OrderPaid { combined };
        let canceled = Says::OrderCanceled { combined };
        let payment = Says::Payment {
            names_order: self.names_order,
        };
        let mut notices = Vec::new();
        match self.fate {
            Some(Share::UnknownPlayer) => return vec![(Says::UnknownPlayer, Duration::ZERO)],
            Some(Share::Free) => return vec![(paid, Duration::ZERO)],
            _ => {}
        }
        // The method is chosen, data entered, the button clicked, the payment done.
        for number in 0..chance.between(1, 4) {
            let rests = SECOND
                * if number == 0 {
                    0
                } else {
                    chance.between(2, 30)
                };
            notices.push((Says::KnownPlayer, rests));
        }
        if self.fate == Some(Share::Abandoned) {
            return notices;
        }
        let soon = SECOND * chance.between(1, 20);
        let money_back = Says::Refund;
        if !combined {
            notices.push((payment, soon));
        }
        if self.fate == Some(Share::CancelFirst) {
            if !combined {
                notices.push((money_back, soon));
            }
            notices.push((canceled, soon));
        }
        let at_once = if combined { soon } else { Duration::ZERO };
        notices.push((paid, at_once));
        let later = SECOND * chance.between(30, 3_600);
        match self.fate {
            // A refund alone comes in a notice of its own in both modes.
            Some(Share::RefundOnly) => notices.push((money_back, later)),
            Some(Share::Refund) if combined => notices.push((canceled, later)),
            Some(Share::Refund) => notices.extend([(money_back, later), (canceled, SECOND)]),
            Some(Share::Cancel) => notices.push((canceled, later)),
            Some(Share::Chargeback) => {
                notices.push((Says::Dispute, later));
                if !combined {
                    notices.push((money_back, later));
                }
                notices.push((canceled, SECOND));
            }
            Some(Share::Dispute) => notices.push((Says::Dispute, later)),
            Some(Share::PartialRefund) => notices.push((Says::PartialRefund, later)),
            Some(_) | None => {}
        }
        notices
    }
}

impl Life {
    fn insert(&mut self, place: usize, notice: Notice, rests: Duration) {
        self.shopper.notices.insert(place, notice);
        self.sendings.insert(place, Sending::once(rests));
    }
}

/// A genuine notice, and what goes wrong on its way.
fn disturbed(says: Says, rests: Duration, plan: &Plan, chance: &mut Chance) -> (Notice, Sending) {
    let shares = &plan.shares;
    let kind = if shares.happens(Share::Odd, chance) {
        Kind::Odd
    } else {
        Kind::Genuine
    };
    let mut sending = Sending::once(rests);
    if shares.happens(Share::Simultaneous, chance) {
        sending.copies = u8::try_from(chance.between(2, 4)).unwrap_or(2);
    }
    sending.repeats = shares.happens(Share::Repeat, chance);
    if shares.happens(Share::Late, chance) {
        sending.late = Some(SECOND * chance.between(60, 3_600));
    }
    (Notice { says, kind }, sending)
}

#[cfg(test)]
mod tests;
