//! Players' tokens, as Xsolla Login makes them and as it never would.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};

/// A key pair made for the tests. It has never guarded anything.
const RSA_PRIVATE: &str = include_str!("jwt/rsa.pem");
const EC_PRIVATE: &str = include_str!("jwt/ec.pem");

/// The public half of the key that [`Jwt::rs256`] signs with.
pub const RSA_PUBLIC: &str = include_str!("jwt/rsa.pub.pem");
/// The public half of the key that [`Jwt::es256`] signs with.
pub const EC_PUBLIC: &str = include_str!("jwt/ec.pub.pem");

/// Xsolla Login's issuer.
const ISSUER: &str = "https://login.xsolla.com";

/// The claims of a token; by default those that a player of the tests has.
#[derive(Clone, Debug)]
pub struct Jwt {
    claims: Map<String, Value>,
    key_id: Option<String>,
}

impl Jwt {
    /// The Login project that tokens name unless told otherwise.
    pub const LOGIN_PROJECT: &str = "17a1c0de-0000-4000-8000-000000000001";

    /// A token of this player that expires at `expires_at`, in seconds since 1970.
    #[must_use]
    pub fn new(player: &str, expires_at: i64) -> Self {
        let claims = json!({
            "iss": ISSUER,
            "sub": player,
            "iat": expires_at - 3_600,
            "exp": expires_at,
            "xsolla_login_project_id": Self::LOGIN_PROJECT,
            "type": "xsolla_login",
            "groups": [],
        });
        let claims = claims.as_object().cloned().unwrap_or_default();
        Self {
            claims,
            key_id: None,
        }
    }

    /// Sets one claim; `null` takes it away.
    #[must_use]
    pub fn with(mut self, claim: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if value.is_null() {
            self.claims.remove(claim);
        } else {
            self.claims.insert(claim.to_owned(), value);
        }
        self
    }

    /// Names the key in the token's header.
    #[must_use]
    pub fn key_id(mut self, key_id: &str) -> Self {
        self.key_id = Some(key_id.to_owned());
        self
    }

    /// Signed with a shared secret.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn hs256(&self, secret: &str) -> String {
        self.sign(
            Algorithm::HS256,
            &EncodingKey::from_secret(secret.as_bytes()),
        )
    }

    /// Signed with the private half of [`RSA_PUBLIC`].
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn rs256(&self) -> String {
        let key = EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).expect("the key is one");
        self.sign(Algorithm::RS256, &key)
    }

    /// Signed with the private half of [`EC_PUBLIC`].
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn es256(&self) -> String {
        let key = EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).expect("the key is one");
        self.sign(Algorithm::ES256, &key)
    }

    /// Not signed, and says so: the oldest trick.
    #[must_use]
    pub fn unsigned(&self) -> String {
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"alg": "none", "typ": "JWT"}));
        format!("{header}.{}.", part(Value::Object(self.claims.clone())))
    }

    fn sign(&self, algorithm: Algorithm, key: &EncodingKey) -> String {
        let mut header = Header::new(algorithm);
        header.kid.clone_from(&self.key_id);
        encode(&header, &self.claims, key).expect("claims can be signed")
    }
}
