//! What happened to an order or a player, told to a person.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::sale::findings::{Ended, Held};
use crate::sale::journal::{Answer, Kind, Notice, Says, Seen, Sight};

use super::Moment;
use super::evidence::Case;

/// The most lines shown of a history; the first and the last ones are.
const MAX_MOMENTS: usize = 60;
/// A request that left so long after it was due is said to be late.
const LATE: Duration = Duration::from_millis(50);

impl Notice {
    /// What a person calls it.
    pub(crate) fn words(self) -> String {
        let kind = self.says.kind();
        let mode = match self.says {
            Says::OrderPaid { combined: true } | Says::OrderCanceled { combined: true } => {
                " with billing"
            }
            Says::Payment { names_order: true } => " naming the order",
            Says::UnknownPlayer => " of an unknown player",
            Says::KnownPlayer
            | Says::Payment { .. }
            | Says::OrderPaid { .. }
            | Says::OrderCanceled { .. }
            | Says::Refund
            | Says::PartialRefund
            | Says::Dispute => "",
        };
        let form = match self.kind {
            Kind::Genuine => "",
            Kind::Odd => ", oddly written",
            Kind::Forged => ", forged",
            Kind::Conflicting => ", with other items",
        };
        format!("{kind}{mode}{form}")
    }
}

impl Answer {
    /// What a person calls it.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Code(code) => code.to_string(),
            Self::Unsent => "no connection".to_owned(),
            Self::Unknown => "no answer".to_owned(),
        }
    }
}

impl Case<'_> {
    pub(super) fn history(&self, sights: &[&Sight]) -> Vec<Moment> {
        let order = self.shopper.purchase.order;
        let mut moments = vec![Moment {
            at: self.shopper.arrived,
            what: self.arrival_words(),
        }];
        for post in &self.posts {
            let notice = self.notice(post).map(Notice::words).unwrap_or_default();
            let took = post.ended.saturating_sub(post.sent);
            let late = post.sent.saturating_sub(post.due);
            let late = if late < LATE {
                String::new()
            } else {
                format!(", left {:.2} s late", late.as_secs_f64())
            };
            moments.push(Moment {
                at: post.sent,
                what: format!(
                    "sent {notice} (attempt {}{late}): {} after {:.1} ms",
                    post.attempt,
                    post.answer.words(),
                    took.as_secs_f64() * 1e3
                ),
            });
        }
        // Of a client that was told of it the connection's fate counts as well.
        let told = sights.iter().filter(|sight| sight.is_of(order));
        let told: BTreeSet<u32> = told.map(|sight| sight.client).collect();
        let own = sights.iter().filter(|sight| {
            let is_of_connection =
                matches!(sight.seen, Seen::Subscribed { .. } | Seen::Closed { .. });
            sight.is_of(order) || (is_of_connection && told.contains(&sight.client))
        });
        moments.extend(own.map(|sight| sight.moment_of(order)));
        moments.sort_by_key(|moment| moment.at);
        moments
    }

    fn arrival_words(&self) -> String {
        let shopper = self.shopper;
        let mut words = "the shopper arrives".to_owned();
        if shopper.registered {
            words.push_str(", the order is registered");
        }
        if shopper.sandbox {
            words.push_str(", a test purchase");
        }
        let lines: Vec<String> = shopper.lines.iter().map(line_words).collect();
        format!("{words}: {}", lines.join(", "))
    }

    pub(super) fn says_the_instance(&self) -> Vec<String> {
        let Some(found) = self.found else {
            let mut lines = vec!["order: unknown".to_owned()];
            lines.extend(self.ended().map(Ended::words));
            return lines;
        };
        let facts = [
            (found.facts.created, "created"),
            (found.facts.paid, "paid"),
            (found.facts.payment, "payment"),
            (found.facts.canceled, "canceled"),
            (found.facts.refunded, "refunded"),
        ];
        let facts: Vec<&str> = facts
            .into_iter()
            .filter_map(|(is_seen, fact)| is_seen.then_some(fact))
            .collect();
        let mut lines = vec![format!(
            "status {}, facts: {}",
            found.status.as_str(),
            facts.join(", ")
        )];
        for booking in &found.bookings {
            let what: Vec<String> = booking.lines.iter().map(line_words).collect();
            lines.push(format!(
                "{} ({}): {}",
                booking.direction,
                booking.state,
                what.join(", ")
            ));
        }
        lines.extend(self.ended().map(Ended::words));
        lines.extend(
            found
                .conflicts
                .iter()
                .map(|what| format!("conflict: {what}")),
        );
        lines
    }
}

impl Ended {
    fn words(&self) -> String {
        let reason = self.reason.as_deref().map(|reason| format!(", {reason}"));
        format!(
            "{} {}: {}{}, seen {}",
            self.kind,
            self.reference,
            self.outcome,
            reason.unwrap_or_default(),
            self.seen
        )
    }
}

pub(super) fn line_words((sku, quantity): &(String, i64)) -> String {
    format!("{quantity} × {sku}")
}

pub(super) fn held_words(held: &Held) -> String {
    let lines: Vec<String> = held
        .iter()
        .map(|(sku, quantity)| format!("{quantity} × {sku}"))
        .collect();
    if lines.is_empty() {
        return "nothing".to_owned();
    }
    lines.join(", ")
}

impl Sight {
    pub(super) fn moment(&self) -> Moment {
        let what = match &self.seen {
            Seen::Subscribed {
                offset, recovered, ..
            } => {
                let recovered = if *recovered { ", recovered" } else { "" };
                format!("subscribed at offset {offset}{recovered}")
            }
            Seen::Pushed(row) => format!(
                "pushed: order {} {} (offset {})",
                row.order,
                row.status.as_str(),
                row.offset
            ),
            Seen::History { offset, rows, .. } => {
                format!("history: {} rows up to offset {offset}", rows.len())
            }
            Seen::Polled { order, status } => {
                format!("polled: order {order} {}", status.as_str())
            }
            Seen::Closed { code } => format!("closed with {code}"),
        };
        Moment {
            at: self.at,
            what: format!("client {}: {what}", self.client),
        }
    }

    fn is_of(&self, order: i64) -> bool {
        match &self.seen {
            Seen::Pushed(row) => row.order == order,
            Seen::Polled { order: of, .. } => *of == order,
            Seen::History { rows, .. } => rows.iter().any(|row| row.order == order),
            Seen::Subscribed { .. } | Seen::Closed { .. } => false,
        }
    }

    /// The moment, with what a history says of this order alone.
    fn moment_of(&self, order: i64) -> Moment {
        let Seen::History { offset, rows, .. } = &self.seen else {
            return self.moment();
        };
        let own: Vec<String> = rows
            .iter()
            .filter(|row| row.order == order)
            .map(|row| format!("{} ({})", row.status.as_str(), row.offset))
            .collect();
        Moment {
            at: self.at,
            what: format!(
                "client {}: history up to {offset}: {}",
                self.client,
                own.join(", ")
            ),
        }
    }
}

/// The beginning and the end of a long history.
pub(super) fn bounded(mut moments: Vec<Moment>) -> Vec<Moment> {
    let too_many = moments.len().saturating_sub(MAX_MOMENTS);
    if too_many > 0 {
        let at = MAX_MOMENTS / 2;
        let cut: Vec<Moment> = moments.drain(at..=at + too_many).collect();
        if let Some(first) = cut.first() {
            moments.insert(
                at,
                Moment {
                    at: first.at,
                    what: format!("… {} more …", cut.len()),
                },
            );
        }
    }
    moments
}
