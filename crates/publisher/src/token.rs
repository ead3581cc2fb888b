//! Who a player's token says is asking.
//!
//! Algorithm, issuer and Login project are the configuration's; the token's header and
//! claims only have to agree. Nothing of a token is ever part of a fault, a log line or an
//! answer.

mod keys;

use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{DecodingKey, TokenData, Validation, decode, decode_header};
use order::PlayerId;
use serde_json::{Map, Value};
use time::OffsetDateTime;

pub use self::keys::KeyFault;
use self::keys::Keys;
use crate::config::{Algorithm, Project};

/// The longest token that is looked at. Xsolla's are well below 2 KiB.
const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Names the Login project in a token.
const LOGIN_PROJECT_CLAIM: &str = "xsolla_login_project_id";

/// Checks the tokens of one project.
#[derive(Debug)]
pub(crate) struct Verifier {
    keys: Keys,
    validation: Validation,
    issuer: String,
    login_project_id: String,
    player_claim: String,
    leeway: Duration,
}

/// What a good token proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verified {
    pub(crate) player: PlayerId,
    /// When it ceases to, the leeway included.
    pub(crate) expires_at: OffsetDateTime,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenFault {
    #[error("there is no token, or not where it should be")]
    Missing,
    #[error("the request names no project with players")]
    UnknownProject,
    #[error("the token is longer than {TOKEN_BYTES_MAX} bytes")]
    TooLong,
    #[error("the token is none")]
    Malformed,
    #[error("the token is signed by another algorithm than the project's")]
    Algorithm,
    #[error("no key of the project made this signature")]
    Signature,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is of another Login project")]
    LoginProject,
    #[error("the token has expired, or never says when it does")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token names no player")]
    NoPlayer,
    #[error("the token is of another player than the request says")]
    OtherPlayer,
}

impl TokenFault {
    /// Every label there is.
    pub(crate) const LABELS: [&'static str; 12] = [
        "missing",
        "unknown_project",
        "too_long",
        "malformed",
        "algorithm",
        "signature",
        "issuer",
        "login_project",
        "expired",
        "not_yet",
        "no_player",
        "other_player",
    ];

    /// The value of the metric label and log field `fault`.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::UnknownProject => "unknown_project",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::LoginProject => "login_project",
            Self::Expired => "expired",
            Self::NotYet => "not_yet",
            Self::NoPlayer => "no_player",
            Self::OtherPlayer => "other_player",
        }
    }
}

impl Verifier {
    /// Reads the keys once, so that a key that is none is found at start.
    pub(crate) fn new(config: Project) -> Result<Self, KeyFault> {
        let algorithm = match config.algorithm {
            Algorithm::HS256 => jsonwebtoken::Algorithm::HS256,
            Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        };
        let mut validation = Validation::new(algorithm);
        // All claims are checked here: the crate's clock is not ours, an `iss` or `nbf` it
        // does not understand passes, and any `aud` would fail although nothing is asked
        // of it (OAuth tokens of Xsolla carry one).
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Ok(Self {
            keys: Keys::of(&config)?,
            validation,
            issuer: config.issuer,
            login_project_id: config.login_project_id,
            player_claim: config.player_claim,
            leeway: config.leeway,
        })
    }

    /// Who `token` proves its bearer to be at `now`.
    pub(crate) fn verify(&self, token: &str, now: OffsetDateTime) -> Result<Verified, TokenFault> {
        if token.is_empty() {
            return Err(TokenFault::Missing);
        }
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenFault::TooLong);
        }
        let claims = self.signed_claims(token)?;
        let text = |claim: &str| claims.get(claim).and_then(Value::as_str);
        if text("iss") != Some(self.issuer.as_str()) {
            return Err(TokenFault::Issuer);
        }
        if text(LOGIN_PROJECT_CLAIM) != Some(self.login_project_id.as_str()) {
            return Err(TokenFault::LoginProject);
        }
        let expires_at = instant(claims.get("exp")).ok_or(TokenFault::Expired)?;
        let expires_at = expires_at.saturating_add(self.leeway());
        if expires_at <= now {
            return Err(TokenFault::Expired);
        }
        if let Some(not_before) = claims.get("nbf").filter(|claim| !claim.is_null()) {
            let not_before = instant(Some(not_before)).ok_or(TokenFault::NotYet)?;
            if not_before.saturating_sub(self.leeway()) > now {
                return Err(TokenFault::NotYet);
            }
        }
        let player = claims.get(&self.player_claim).and_then(player);
        Ok(Verified {
            player: player.ok_or(TokenFault::NoPlayer)?,
            expires_at,
        })
    }

    fn leeway(&self) -> time::Duration {
        time::Duration::try_from(self.leeway).unwrap_or(time::Duration::ZERO)
    }

    /// The claims, once some key of the project fits the signature.
    fn signed_claims(&self, token: &str) -> Result<Map<String, Value>, TokenFault> {
        let header = decode_header(token).map_err(|error| fault(error.kind()))?;
        // RFC 7515 §4.1.11: what must be understood and is not makes the token invalid.
        if header.crit.is_some() {
            return Err(TokenFault::Malformed);
        }
        let mut found = TokenFault::Signature;
        for key in self.keys.candidates(header.kid.as_deref()) {
            match self.decode(token, &key) {
                Ok(data) => return Ok(data.claims),
                Err(TokenFault::Signature) => {}
                Err(fault) => found = fault,
            }
        }
        Err(found)
    }

    fn decode(
        &self,
        token: &str,
        key: &DecodingKey,
    ) -> Result<TokenData<Map<String, Value>>, TokenFault> {
        decode(token, key, &self.validation).map_err(|error| fault(error.kind()))
    }
}

/// The crate's errors quote parts of the token, so only their kind goes on.
fn fault(kind: &ErrorKind) -> TokenFault {
    if matches!(kind, ErrorKind::InvalidSignature) {
        TokenFault::Signature
    } else if matches!(
        kind,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName | ErrorKind::MissingAlgorithm
    ) {
        TokenFault::Algorithm
    } else {
        TokenFault::Malformed
    }
}

/// A `NumericDate`: seconds, perhaps with a fraction.
fn instant(claim: Option<&Value>) -> Option<OffsetDateTime> {
    let claim = claim?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a fraction of a second is meant to go; what is out of range saturates and is refused below"
    )]
    let seconds = claim
        .as_i64()
        .or_else(|| claim.as_f64().map(|seconds| seconds as i64))?;
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// An id as the game has it, written as text or as a number.
fn player(claim: &Value) -> Option<PlayerId> {
    match claim {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
