//! The instance that is played against, and the keys to it.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use secret::Secret;
use serde_json::json;

use crate::play::Views;

/// A running instance, or any other receiver of Xsolla's webhooks.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where notices go.
    pub webhook: Webhook,
    /// Where game clients connect, if we may be one.
    pub client: Option<GameClient>,
    /// Where game servers ask, if we may be one.
    pub server: Option<GameServer>,
}

/// Where notices go.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// The whole URL.
    pub url: String,
    /// The secret that signs the notices.
    pub secret: Secret,
}

/// Where game clients connect.
#[derive(Clone, Debug)]
pub struct GameClient {
    /// `http://…` or `https://…`, without a path.
    pub url: String,
    /// The shared secret of the project's tokens (`HS256`).
    pub login_secret: Secret,
    /// The Login project the tokens name.
    pub login_project: String,
    /// The issuer the tokens name.
    pub issuer: String,
}

/// Where game servers ask.
#[derive(Clone, Debug)]
pub struct GameServer {
    /// `http://…` or `https://…`, without a path.
    pub url: String,
    /// A key with the rights `register` and `read`.
    pub key: Secret,
}

impl Target {
    /// What it lets us see.
    #[must_use]
    pub fn views(&self) -> Views {
        Views {
            client: self.client.is_some(),
            api: self.server.is_some(),
        }
    }
}

impl GameClient {
    /// A player's token as Xsolla Login makes them, good until this second since 1970.
    ///
    /// # Errors
    /// When the signing fails.
    pub fn token(
        &self,
        player: &str,
        expires_at: i64,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = json!({
            "sub": player, "iss": self.issuer, "exp": expires_at,
            "xsolla_login_project_id": self.login_project
        });
        let key = EncodingKey::from_secret(self.login_secret.reveal().as_bytes());
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
    }
}
