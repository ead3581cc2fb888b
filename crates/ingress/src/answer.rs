//! Every answer the ingress gives, in one table: [`Answer::to`].
//!
//! Xsolla takes 400, 401, 402, 403, 404, 409, 415 and 422 on a paid order as final, and
//! some accounts then give the money back. So a 4xx says one of two things: the signature
//! does not fit, or a question was about a player who does not exist. Whatever else is
//! wrong is 503, and the notice comes again.

use bytes::Bytes;
use httpd::{BodyError, Reply};
use hyper::StatusCode;
use order::Kind;
use xsolla::answer::{CONTENT_TYPE, ErrorCode, error_body};

use crate::keyring::SignatureFault;
use crate::quarantine::KeepError;
use crate::studio::AskError;

/// What Xsolla asks and waits for. Everything else is a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Question {
    /// `user_validation`
    UserValidation,
    /// `user_search`
    UserSearch,
    /// `partner_side_catalog`
    Catalogue,
    /// `get_pincode`
    Pincode,
    /// The Web Shop's check, which has no type.
    WebShopCheck,
}

impl Question {
    /// The question a notification type asks. `None` for notices: those are accepted,
    /// whatever they say.
    pub(crate) const fn of(kind: &Kind) -> Option<Self> {
        match kind {
            // The second is a publisher's own Web Store on top of Xsolla; it asks the same.
            Kind::UserValidation | Kind::WebStoreUserValidation => Some(Self::UserValidation),
            Kind::UserSearch => Some(Self::UserSearch),
            Kind::PartnerSideCatalog => Some(Self::Catalogue),
            Kind::GetPincode => Some(Self::Pincode),
            Kind::Payment
            | Kind::OrderPaid
            | Kind::Refund
            | Kind::PartialRefund
            | Kind::OrderCanceled
            | Kind::AfsReject
            | Kind::AfsBlackList
            | Kind::PsDeclined
            | Kind::Dispute
            | Kind::CreateSubscription
            | Kind::UpdateSubscription
            | Kind::CancelSubscription
            | Kind::NonRenewalSubscription
            | Kind::PaymentAccountAdd
            | Kind::PaymentAccountRemove
            | Kind::RedeemKey
            | Kind::UserBalanceOperation
            | Kind::UpgradeRefund
            | Kind::KeysAvailability
            | Kind::WebStorePaymentValidation
            | Kind::Other(_)
            | Kind::Unreadable => None,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::UserValidation => "user_validation",
            Self::UserSearch => "user_search",
            Self::Catalogue => "partner_side_catalog",
            Self::Pincode => "get_pincode",
            Self::WebShopCheck => "web_shop_check",
        }
    }
}

/// A request that was served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// The broker has confirmed the notice.
    Queued,
    /// The player exists.
    Found(Question, Evidence),
    /// The studio's service said more than yes.
    Told(Question, Bytes),
}

/// On what a player counts as existing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// Whoever knows the players was asked.
    Asked,
    /// They could not be asked, and had known the player before.
    Remembered,
    /// They could not be asked, and the configuration says to assume the best.
    Assumed,
}

/// A request that was not served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("there is nothing at this path; expected /webhooks/xsolla/ and a project's id")]
    NoSuchPath,
    #[error("more requests come than `ingress.requests_per_second`")]
    TooMany,
    #[error("webhooks are posted")]
    WrongMethod,
    #[error("the project is not in the configuration")]
    NoSuchProject,
    #[error("the body could not be read")]
    Body(#[from] BodyError),
    #[error("the signature does not hold")]
    Signature(#[from] SignatureFault),
    #[error("no secret of the project gives this signature; the body is kept until one does")]
    Quarantined,
    #[error("no secret of the project gives this signature, and the body is not kept")]
    NotQuarantined(#[from] KeepError),
    #[error("the request comes from none of the networks in `sources`")]
    ForeignSource,
    #[error("the player does not exist")]
    NoSuchPlayer(Question),
    #[error("no service is configured that could answer")]
    NobodyToAsk(Question),
    #[error("whoever could answer did not")]
    NobodyAnswers(Question, #[source] AskError),
    #[error("the notice is not queued")]
    NotQueued(#[from] broker::PublishError),
    #[error("the request took longer than `ingress.deadline`")]
    TooLate,
    #[error("a fault of Grantline itself")]
    Panicked,
}

/// Status and error of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) error: Option<(ErrorCode, &'static str)>,
}

impl Answer {
    /// The table. Written without wildcard arms: whatever is new has to choose.
    #[expect(clippy::match_same_arms, reason = "a table is read row by row")]
    pub(crate) const fn to(outcome: &Result<Served, Refusal>) -> Self {
        use Question::{Catalogue, Pincode, UserSearch, UserValidation, WebShopCheck};
        match outcome {
            // Only ever after the broker's confirm: Xsolla does not send it again.
            Ok(Served::Queued) => Self::NO_CONTENT,

            Ok(Served::Found(UserValidation | UserSearch | WebShopCheck, _)) => Self::NO_CONTENT,
            // These ask for content, so an empty yes answers nothing.
            Ok(Served::Found(Catalogue | Pincode, _)) => Self::LATER,

            Ok(Served::Told(UserValidation, _)) => Self::NO_CONTENT,
            Ok(Served::Told(UserSearch | Catalogue | Pincode | WebShopCheck, _)) => Self::CONTENT,

            Err(Refusal::NoSuchPlayer(UserValidation | UserSearch)) => {
                Self::no_player(StatusCode::BAD_REQUEST)
            }
            Err(Refusal::NoSuchPlayer(Catalogue | WebShopCheck)) => {
                Self::no_player(StatusCode::NOT_FOUND)
            }
            // Paid for already, so there is a player.
            Err(Refusal::NoSuchPlayer(Pincode)) => Self::LATER,

            Err(Refusal::Signature(_)) => Self::BAD_SIGNATURE,

            Err(
                Refusal::NoSuchPath
                | Refusal::TooMany
                | Refusal::WrongMethod
                | Refusal::NoSuchProject
                | Refusal::Body(_)
                | Refusal::Quarantined
                | Refusal::NotQuarantined(_)
                | Refusal::ForeignSource
                | Refusal::NobodyToAsk(_)
                | Refusal::NobodyAnswers(..)
                | Refusal::NotQueued(_)
                | Refusal::TooLate
                | Refusal::Panicked,
            ) => Self::LATER,
        }
    }

    const NO_CONTENT: Self = Self {
        status: StatusCode::NO_CONTENT,
        error: None,
    };

    const CONTENT: Self = Self {
        status: StatusCode::OK,
        error: None,
    };

    const BAD_SIGNATURE: Self = Self {
        status: StatusCode::BAD_REQUEST,
        error: Some((
            ErrorCode::InvalidSignature,
            "the signature does not fit the body",
        )),
    };

    const LATER: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        error: Some((ErrorCode::ServerError, "not now, please try again")),
    };

    const fn no_player(status: StatusCode) -> Self {
        Self {
            status,
            error: Some((ErrorCode::InvalidUser, "the player does not exist")),
        }
    }

    /// The answer as it leaves.
    pub(crate) fn reply(self, outcome: Result<Served, Refusal>) -> Reply {
        match (self.error, outcome) {
            (Some((code, message)), _) => {
                httpd::bytes(self.status, CONTENT_TYPE, error_body(code, message))
            }
            (None, Ok(Served::Told(_, body))) if self.status == StatusCode::OK => {
                httpd::bytes(self.status, CONTENT_TYPE, body)
            }
            (None, _) => httpd::empty(self.status),
        }
    }
}

/// What an outcome is called in logs and metrics.
pub(crate) const fn label(outcome: &Result<Served, Refusal>) -> &'static str {
    match outcome {
        Ok(Served::Queued) => "queued",
        Ok(Served::Found(_, Evidence::Asked)) => "player_found",
        Ok(Served::Found(_, Evidence::Remembered)) => "player_remembered",
        Ok(Served::Found(_, Evidence::Assumed)) => "player_assumed",
        Ok(Served::Told(..)) => "told",
        Err(Refusal::NoSuchPath) => "no_such_path",
        Err(Refusal::TooMany) => "too_many",
        Err(Refusal::WrongMethod) => "wrong_method",
        Err(Refusal::NoSuchProject) => "no_such_project",
        Err(Refusal::Body(BodyError::TooLarge { .. })) => "body_too_large",
        Err(Refusal::Body(BodyError::TooSlow { .. })) => "body_too_slow",
        Err(Refusal::Body(BodyError::NoRoom { .. })) => "body_no_room",
        Err(Refusal::Body(BodyError::Broken(_))) => "body_broken",
        Err(Refusal::Signature(_)) => "bad_signature",
        Err(Refusal::Quarantined) => "quarantined",
        Err(Refusal::NotQuarantined(_)) => "not_quarantined",
        Err(Refusal::ForeignSource) => "foreign_source",
        Err(Refusal::NoSuchPlayer(_)) => "no_such_player",
        Err(Refusal::NobodyToAsk(_)) => "nobody_to_ask",
        Err(Refusal::NobodyAnswers(..)) => "nobody_answers",
        Err(Refusal::NotQueued(_)) => "not_queued",
        Err(Refusal::TooLate) => "too_late",
        Err(Refusal::Panicked) => "panicked",
    }
}

#[cfg(test)]
mod tests;
