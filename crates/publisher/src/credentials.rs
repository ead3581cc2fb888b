//! What a client sends with its connect command.

use std::collections::BTreeMap;

use centrifuge::Credentials;
use order::{PlayerId, ProjectId};
use serde::Deserialize;
use time::OffsetDateTime;

use crate::token::{TokenFault, Verified, Verifier};

/// The verifiers of all projects with players.
pub(crate) type Verifiers = BTreeMap<ProjectId, Verifier>;

/// Who a client has proved to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    pub(crate) project: ProjectId,
    pub(crate) player: PlayerId,
    pub(crate) expires_at: OffsetDateTime,
}

/// The `data` of the connect command. Hand-written clients send no `user_external_id`.
#[derive(Default, Deserialize)]
struct Data {
    user_external_id: Option<Id>,
    auth: Option<String>,
    project_id: Option<Id>,
}

/// An id, written as text or as a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Id {
    Text(String),
    Number(serde_json::Number),
}

impl Id {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Number(number) => number.to_string(),
        }
    }
}

/// Who is connecting.
///
/// The token alone says it. The project chooses whose keys count, and the player's id, if
/// sent, has to be the token's: a client that mixes up two players should learn it here.
pub(crate) fn authenticate(
    verifiers: &Verifiers,
    credentials: &Credentials,
    now: OffsetDateTime,
) -> Result<Bearer, TokenFault> {
    let data = match &credentials.data {
        Some(data) => serde_json::from_str::<Option<Data>>(data.get())
            .map_err(|_| TokenFault::Missing)?
            .unwrap_or_default(),
        None => Data::default(),
    };
    let project = data.project_id.map(Id::into_text);
    let project = project.and_then(|project| project.parse::<ProjectId>().ok());
    let (project, verifier) = project
        .and_then(|project| Some((project, verifiers.get(&project)?)))
        .ok_or(TokenFault::UnknownProject)?;
    let token = data
        .auth
        .filter(|auth| !auth.is_empty())
        .unwrap_or_else(|| credentials.token.clone());
    let Verified { player, expires_at } = verifier.verify(&token, now)?;
    let claimed = data.user_external_id.map(Id::into_text);
    if claimed.is_some_and(|claimed| !claimed.is_empty() && claimed != player.as_str()) {
        return Err(TokenFault::OtherPlayer);
    }
    Ok(Bearer {
        project,
        player,
        expires_at,
    })
}
