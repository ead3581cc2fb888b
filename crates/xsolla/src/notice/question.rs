//! What Xsolla asks and waits for: `user_validation`, `user_search`,
//! `partner_side_catalog`, `get_pincode` and the Web Shop's check.
//!
//! A player that is missing or unreadable is no error here: it is one that does not exist.

use std::fmt;

use order::PlayerId;

use super::player;
use crate::ReadError;
use crate::document::Object;

/// `user_validation`: does this player exist?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserValidation {
    /// `user.id`.
    pub player: Option<PlayerId>,
}

/// `user_search`: which player is this?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSearch {
    /// `user.id`, where Xsolla knows it.
    pub player: Option<PlayerId>,
    /// `user.public_id`: what the buyer typed.
    pub public_id: Option<PublicId>,
}

/// What a buyer types to be found: a name, an email, a number.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicId(Box<str>);

impl PublicId {
    /// The text as it came. Personal: never log it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PublicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicId(..)")
    }
}

/// `partner_side_catalog`: what may this player buy?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartnerSideCatalog {
    /// `user.user_id`, or `user.id` of older notices. Guests have none.
    pub player: Option<PlayerId>,
}

/// `get_pincode`: a key, please.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetPincode {
    /// `user.id`.
    pub player: Option<PlayerId>,
    /// `pin_code.digital_content`: the game's SKU.
    pub content: Option<Box<str>>,
    /// `pin_code.DRM`: the platform.
    pub drm: Option<Box<str>>,
}

/// The Web Shop's check of an entered id. It has no `notification_type` and comes
/// unsigned, so it is told by where it comes to, not by what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebShopCheck {
    /// `user.id`.
    pub player: Option<PlayerId>,
}

impl UserValidation {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            player: player(root)?,
        })
    }
}

impl UserSearch {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let public_id = root.object("user")?.text("public_id")?.map(PublicId);
        Ok(Self {
            player: player(root)?,
            public_id,
        })
    }
}

impl PartnerSideCatalog {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        Ok(Self {
            player: player(root)?,
        })
    }
}

impl GetPincode {
    pub(super) fn read(root: &Object<'_>) -> Result<Self, ReadError> {
        let pin_code = root.object("pin_code")?;
        Ok(Self {
            player: player(root)?,
            content: pin_code.text("digital_content")?,
            drm: pin_code.text("DRM")?,
        })
    }
}

impl WebShopCheck {
    /// Reads the body of a check.
    ///
    /// # Errors
    /// When it is no JSON object, or a member that is read stands there twice.
    pub fn read(body: &[u8]) -> Result<Self, ReadError> {
        Ok(Self {
            player: player(&Object::parse(body)?)?,
        })
    }
}
