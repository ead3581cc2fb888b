//! Every notification type of Xsolla as a value.
//!
//! A notice has only what Grantline uses: ids, marks, money, dates. Email, IP, name and
//! the other personal fields of a body are never read into a value.
//!
//! Keys that are required: `order.id` and `user.external_id` of `order_paid`, `order.id`
//! of `order_canceled`, `transaction.id` of `payment` and `refund`. Everything else may be
//! missing or unreadable and is then absent.

mod account;
mod fraud;
mod named;
mod orders;
mod payment;
mod question;
mod reference;
mod subscription;

use order::{Kind, OrderId, PlayerId, ProjectId, TransactionId};

pub use account::{PaymentAccount, RedeemKey, UserBalanceOperation};
pub use fraud::{AfsBlackList, AfsReject, Dispute};
pub use named::Named;
pub use orders::{Billing, CurrencyType, Item, Order, OrderCanceled, OrderPaid};
pub use payment::{PartialRefund, Payment, Refund, Transaction};
pub use question::{
    GetPincode, PartnerSideCatalog, PublicId, UserSearch, UserValidation, WebShopCheck,
};
pub use subscription::Subscription;

use crate::ReadError;
use crate::document::Object;

/// What each key is expected to be, for error texts.
const NUMBER: &str = "a whole number from 1 to 9223372036854775807";
const PLAYER: &str = "1 to 255 bytes of text without control characters";

/// One notice, read.
///
/// Types without a published shape, known by name or not, keep the ids they name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each variant is the notification type of its name"
)]
pub enum Notice {
    UserValidation(UserValidation),
    UserSearch(UserSearch),
    PartnerSideCatalog(PartnerSideCatalog),
    GetPincode(GetPincode),
    Payment(Payment),
    OrderPaid(OrderPaid),
    Refund(Refund),
    PartialRefund(PartialRefund),
    OrderCanceled(OrderCanceled),
    AfsReject(AfsReject),
    AfsBlackList(AfsBlackList),
    PsDeclined(Named),
    Dispute(Dispute),
    CreateSubscription(Subscription),
    UpdateSubscription(Subscription),
    CancelSubscription(Subscription),
    NonRenewalSubscription(Subscription),
    PaymentAccountAdd(PaymentAccount),
    PaymentAccountRemove(PaymentAccount),
    RedeemKey(RedeemKey),
    UserBalanceOperation(UserBalanceOperation),
    UpgradeRefund(Named),
    KeysAvailability(Named),
    WebStoreUserValidation(Named),
    WebStorePaymentValidation(Named),
    /// A type this version does not know.
    Other {
        /// Its name.
        name: Box<str>,
        /// The ids it names.
        named: Named,
    },
}

impl Notice {
    /// Reads a body, whatever project it names.
    ///
    /// # Errors
    /// When it is no JSON object of a type, a member that is read stands there twice, or a
    /// key of its type is missing or impossible.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        Self::from_object(&Object::parse(body)?)
    }

    /// Reads a body that came to the URL of `project`.
    ///
    /// A body need not name its project (order events in separate mode do not), but where
    /// it does, it has to be this one: that is looked at before anything else.
    ///
    /// # Errors
    /// Those of [`Notice::read`], and when the body names another project.
    pub fn read_for(project: ProjectId, body: &[u8]) -> Result<Self, ReadError> {
        let root = Object::parse(body)?;
        for (path, holder) in [
            ("settings.project_id", root.object("settings")?),
            (
                "billing.settings.project_id",
                root.object("billing")?.object("settings")?,
            ),
            ("event.project_id", root.object("event")?),
        ] {
            match holder.key_if_present("project_id", NUMBER)? {
                Some(found) if found != project => {
                    return Err(ReadError::OtherProject {
                        path,
                        expected: project,
                        found,
                    });
                }
                Some(_) | None => {}
            }
        }
        Self::from_object(&root)
    }

    fn from_object(root: &Object<'_>) -> Result<Self, ReadError> {
        let name = root
            .type_name("notification_type")
            .map_err(ReadError::NoType)?;
        Ok(match Kind::from(&*name) {
            Kind::UserValidation => Self::UserValidation(UserValidation::read(root)?),
            Kind::UserSearch => Self::UserSearch(UserSearch::read(root)?),
            Kind::PartnerSideCatalog => Self::PartnerSideCatalog(PartnerSideCatalog::read(root)?),
            Kind::GetPincode => Self::GetPincode(GetPincode::read(root)?),
            Kind::Payment => Self::Payment(Payment::read(root)?),
            Kind::OrderPaid => Self::OrderPaid(OrderPaid::read(root)?),
            Kind::Refund => Self::Refund(Refund::read(root)?),
            Kind::PartialRefund => Self::PartialRefund(PartialRefund::read(root)?),
            Kind::OrderCanceled => Self::OrderCanceled(OrderCanceled::read(root)?),
            Kind::AfsReject => Self::AfsReject(AfsReject::read(root)?),
            Kind::AfsBlackList => Self::AfsBlackList(AfsBlackList::read(root)?),
            Kind::PsDeclined => Self::PsDeclined(Named::read(root)?),
            Kind::Dispute => Self::Dispute(Dispute::read(root)?),
            Kind::CreateSubscription => Self::CreateSubscription(Subscription::read(root)?),
            Kind::UpdateSubscription => Self::UpdateSubscription(Subscription::read(root)?),
            Kind::CancelSubscription => Self::CancelSubscription(Subscription::read(root)?),
            Kind::NonRenewalSubscription => Self::NonRenewalSubscription(Subscription::read(root)?),
            Kind::PaymentAccountAdd => Self::PaymentAccountAdd(PaymentAccount::read(root)?),
            Kind::PaymentAccountRemove => Self::PaymentAccountRemove(PaymentAccount::read(root)?),
            Kind::RedeemKey => Self::RedeemKey(RedeemKey::read(root)?),
            Kind::UserBalanceOperation => {
                Self::UserBalanceOperation(UserBalanceOperation::read(root)?)
            }
            Kind::UpgradeRefund => Self::UpgradeRefund(Named::read(root)?),
            Kind::KeysAvailability => Self::KeysAvailability(Named::read(root)?),
            Kind::WebStoreUserValidation => Self::WebStoreUserValidation(Named::read(root)?),
            Kind::WebStorePaymentValidation => Self::WebStorePaymentValidation(Named::read(root)?),
            Kind::Other(name) => Self::Other {
                name,
                named: Named::read(root)?,
            },
            // The one name that stands for having none.
            Kind::Unreadable => return Err(ReadError::NoType("a name that is none")),
        })
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::UserValidation(_) => Kind::UserValidation,
            Self::UserSearch(_) => Kind::UserSearch,
            Self::PartnerSideCatalog(_) => Kind::PartnerSideCatalog,
            Self::GetPincode(_) => Kind::GetPincode,
            Self::Payment(_) => Kind::Payment,
            Self::OrderPaid(_) => Kind::OrderPaid,
            Self::Refund(_) => Kind::Refund,
            Self::PartialRefund(_) => Kind::PartialRefund,
            Self::OrderCanceled(_) => Kind::OrderCanceled,
            Self::AfsReject(_) => Kind::AfsReject,
            Self::AfsBlackList(_) => Kind::AfsBlackList,
            Self::PsDeclined(_) => Kind::PsDeclined,
            Self::Dispute(_) => Kind::Dispute,
            Self::CreateSubscription(_) => Kind::CreateSubscription,
            Self::UpdateSubscription(_) => Kind::UpdateSubscription,
            Self::CancelSubscription(_) => Kind::CancelSubscription,
            Self::NonRenewalSubscription(_) => Kind::NonRenewalSubscription,
            Self::PaymentAccountAdd(_) => Kind::PaymentAccountAdd,
            Self::PaymentAccountRemove(_) => Kind::PaymentAccountRemove,
            Self::RedeemKey(_) => Kind::RedeemKey,
            Self::UserBalanceOperation(_) => Kind::UserBalanceOperation,
            Self::UpgradeRefund(_) => Kind::UpgradeRefund,
            Self::KeysAvailability(_) => Kind::KeysAvailability,
            Self::WebStoreUserValidation(_) => Kind::WebStoreUserValidation,
            Self::WebStorePaymentValidation(_) => Kind::WebStorePaymentValidation,
            Self::Other { name, .. } => Kind::Other(name.clone()),
        }
    }

    /// The ids it names, as far as they can be read.
    #[must_use]
    pub fn named(&self) -> Named {
        match self {
            Self::UserValidation(UserValidation { player })
            | Self::UserSearch(UserSearch { player, .. })
            | Self::PartnerSideCatalog(PartnerSideCatalog { player })
            | Self::GetPincode(GetPincode { player, .. })
            | Self::CreateSubscription(Subscription { player, .. })
            | Self::UpdateSubscription(Subscription { player, .. })
            | Self::CancelSubscription(Subscription { player, .. })
            | Self::NonRenewalSubscription(Subscription { player, .. })
            | Self::PaymentAccountAdd(PaymentAccount { player, .. })
            | Self::PaymentAccountRemove(PaymentAccount { player, .. })
            | Self::RedeemKey(RedeemKey { player, .. }) => named(None, None, player.as_ref()),
            Self::Payment(payment) => named(
                payment.order,
                Some(payment.transaction.id),
                payment.player.as_ref(),
            ),
            Self::OrderPaid(paid) => {
                named(Some(paid.order.id), paid.transaction(), Some(&paid.player))
            }
            Self::Refund(refund) => {
                named(None, Some(refund.transaction.id), refund.player.as_ref())
            }
            Self::OrderCanceled(canceled) => named(
                Some(canceled.order.id),
                canceled.transaction(),
                canceled.player.as_ref(),
            ),
            Self::PartialRefund(PartialRefund {
                transaction,
                player,
                ..
            })
            | Self::AfsReject(AfsReject {
                transaction,
                player,
                ..
            })
            | Self::Dispute(Dispute {
                transaction,
                player,
                ..
            })
            | Self::UserBalanceOperation(UserBalanceOperation {
                transaction,
                player,
                ..
            }) => named(None, *transaction, player.as_ref()),
            Self::AfsBlackList(AfsBlackList { transaction, .. }) => named(None, *transaction, None),
            Self::PsDeclined(named)
            | Self::UpgradeRefund(named)
            | Self::KeysAvailability(named)
            | Self::WebStoreUserValidation(named)
            | Self::WebStorePaymentValidation(named)
            | Self::Other { named, .. } => named.clone(),
        }
    }
}

fn named(
    order: Option<OrderId>,
    transaction: Option<TransactionId>,
    player: Option<&PlayerId>,
) -> Named {
    Named {
        order,
        transaction,
        player: player.cloned(),
    }
}

/// The player of every type but the order events: `user.id`, or where that is missing, the
/// other places that have been seen.
fn player(root: &Object<'_>) -> Result<Option<PlayerId>, ReadError> {
    let user = root.object("user")?;
    for name in ["id", "external_id", "user_id"] {
        if let Some(player) = user.id(name)? {
            return Ok(Some(player));
        }
    }
    root.id("user_id")
}

#[cfg(test)]
mod tests;
