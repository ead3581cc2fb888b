//! What the ingress reads of a body: its type and ids, in one pass, without fail.
//!
//! The ids route, log and trace. Handlers read the body again with [`crate::Notice`] and
//! trust only that. Whatever id a notice names there, a glance names the same one.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use order::{Kind, OrderId, PlayerId, ProjectId, TransactionId};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::scalar::Scalar;

/// The type and ids of a notice, as far as they can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glance {
    /// The type; [`Kind::Unreadable`] where the body is no JSON object of a type, is not
    /// UTF-8, or names something looked for here twice.
    pub kind: Kind,
    /// The order it names.
    pub order: Option<OrderId>,
    /// The real-money transaction it names.
    pub transaction: Option<TransactionId>,
    /// The player it names.
    pub player: Option<PlayerId>,
    /// Every project it names. Empty for order events in separate mode.
    pub projects: Vec<ProjectId>,
}

impl Glance {
    /// Reads what can be read. Never fails.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        // Checked ahead, for the parser does not look into what it skips.
        let root: Option<Loose<Root<'_>>> = std::str::from_utf8(body)
            .ok()
            .and_then(|text| serde_json::from_str(text).ok());
        root.map_or_else(Self::unreadable, |root| Self::from_root(&root.0))
    }

    const fn unreadable() -> Self {
        Self {
            kind: Kind::Unreadable,
            order: None,
            transaction: None,
            player: None,
            projects: Vec::new(),
        }
    }

    /// Whether the body names another project than the one whose URL it came to.
    #[must_use]
    pub fn names_other_project(&self, project: ProjectId) -> bool {
        self.projects.iter().any(|named| *named != project)
    }

    fn from_root(root: &Root<'_>) -> Self {
        let name = root.notification_type.and_then(Scalar::read);
        let kind = match &name {
            Some(Scalar::Text(name)) => Kind::from(&**name),
            Some(Scalar::Number(_) | Scalar::Flag(_)) | None => Kind::Unreadable,
        };
        let is_order = matches!(kind, Kind::OrderPaid | Kind::OrderCanceled);
        let projects = [
            root.settings.0.project_id,
            root.billing.0.settings.0.project_id,
            root.event.0.project_id,
        ];
        Self {
            kind,
            order: if is_order {
                id(root.order.0.id)
            } else {
                root.any_order()
            },
            transaction: if is_order {
                root.order_transaction()
            } else {
                root.any_transaction()
            },
            player: if is_order {
                id(root.user.0.external_id)
            } else {
                root.any_player()
            },
            projects: projects.into_iter().filter_map(id).collect(),
        }
    }
}

type Raw<'a> = Option<&'a RawValue>;

fn id<T: FromStr>(raw: Raw<'_>) -> Option<T> {
    raw.and_then(Scalar::read)?.into_text()?.parse().ok()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Root<'a> {
    #[serde(borrow)]
    notification_type: Raw<'a>,
    #[serde(borrow)]
    user_id: Raw<'a>,
    #[serde(borrow)]
    settings: Loose<Settings<'a>>,
    #[serde(borrow)]
    order: Loose<Order<'a>>,
    #[serde(borrow)]
    transaction: Loose<Transaction<'a>>,
    #[serde(borrow)]
    user: Loose<User<'a>>,
    #[serde(borrow)]
    purchase: Loose<Purchase<'a>>,
    #[serde(borrow)]
    billing: Loose<Billing<'a>>,
    #[serde(borrow)]
    event: Loose<Event<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Settings<'a> {
    #[serde(borrow)]
    project_id: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Order<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    invoice_id: Raw<'a>,
    #[serde(borrow)]
    currency_type: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Transaction<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct User<'a> {
    #[serde(borrow)]
    id: Raw<'a>,
    #[serde(borrow)]
    external_id: Raw<'a>,
    #[serde(borrow, rename = "user_id")]
    in_catalog: Raw<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Purchase<'a> {
    #[serde(borrow)]
    order: Loose<Order<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Billing<'a> {
    #[serde(borrow)]
    settings: Loose<Settings<'a>>,
    #[serde(borrow)]
    transaction: Loose<Transaction<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event<'a> {
    #[serde(borrow)]
    project_id: Raw<'a>,
    #[serde(borrow)]
    transaction_id: Raw<'a>,
}

impl Root<'_> {
    fn any_order(&self) -> Option<OrderId> {
        id(self.purchase.0.order.0.id).or_else(|| id(self.order.0.id))
    }

    /// The invoice counts only where the order was paid with money: all virtual-currency
    /// orders may carry the same one.
    fn order_transaction(&self) -> Option<TransactionId> {
        let order = &self.order.0;
        let real = id::<String>(order.currency_type).as_deref() == Some("real");
        id(self.billing.0.transaction.0.id).or_else(|| id(order.invoice_id).filter(|_| real))
    }

    fn any_transaction(&self) -> Option<TransactionId> {
        id(self.transaction.0.id)
            .or_else(|| id(self.billing.0.transaction.0.id))
            .or_else(|| id(self.event.0.transaction_id))
    }

    fn any_player(&self) -> Option<PlayerId> {
        let user = &self.user.0;
        id(user.id)
            .or_else(|| id(user.external_id))
            .or_else(|| id(user.in_catalog))
            .or_else(|| id(self.user_id))
    }
}

/// An object, or its default where `null`, PHP's `[]` or anything else stands in its place.
#[derive(Default)]
struct Loose<T>(T);

impl<'de, T: Default + Deserialize<'de>> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_any(ObjectOrDefault(PhantomData))
            .map(Self)
    }
}

struct ObjectOrDefault<T>(PhantomData<T>);

impl<'de, T: Default + Deserialize<'de>> Visitor<'de> for ObjectOrDefault<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<T, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }
}

#[cfg(test)]
mod tests;
