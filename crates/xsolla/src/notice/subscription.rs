//! `create_subscription`, `update_subscription`, `cancel_subscription` and
//! `non_renewal_subscription`.

use order::PlayerId;

use super::player;
use crate::ReadError;
use crate::document::Object;

/// A subscription as each of the four types reports it. Dates stay as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `subscription.subscription_id`.
    pub id: Option<Box<str>>,
    /// `subscription.plan_id`.
    pub plan: Option<Box<str>>,
    /// `subscription.product_id`.
    pub product: Option<Box<str>>,
    /// `subscription.date_create`.
    pub created: Option<Box<str>>,
    /// `subscription.date_next_charge`: with each renewal a later one.
    pub next_charge: Option<Box<str>>,
    /// `subscription.date_end`.
    pub ends: Option<Box<str>>,
}

impl Subscription {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let subscription = root.object("subscription")?;
        Ok(Self {
            player: player(root)?,
            id: subscription.text("subscription_id")?,
            plan: subscription.text("plan_id")?,
            product: subscription.text("product_id")?,
            created: subscription.text("date_create")?,
            next_charge: subscription.text("date_next_charge")?,
            ends: subscription.text("date_end")?,
        })
    }
}
