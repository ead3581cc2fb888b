//! Where a person can look when something did not come as expected.

use hyper::StatusCode;

use super::script::{Expected, Letter};
use crate::game_client::ClientError;
use crate::game_server::ApiError;
use crate::http::{Answer, HttpError};
use crate::purchase::Purchase;

/// The way out when nobody answers.
pub(crate) fn silence(error: &HttpError) -> String {
    let text = match error {
        HttpError::Unreachable { .. } => {
            "whether the receiver runs and listens there; `grantline serve` starts an \
             instance, --webhook-url and --forward-to name another"
        }
        HttpError::Broken { .. } => "the receiver's log: it gave up in the middle of an answer",
        HttpError::TimedOut { .. } => {
            "the receiver's log; Xsolla advises answers within 3 s, --timeout allows more here"
        }
        HttpError::Url { .. } => "the URL: expected http://HOST:PORT/… or https://HOST/…",
        HttpError::Certificates(_) => "the machine's packages: ca-certificates is missing",
    };
    text.to_owned()
}

/// What an unexpected answer to a notice means.
pub(crate) fn answer(answer: &Answer, letter: &Letter, purchase: &Purchase) -> String {
    let Purchase {
        project, player, ..
    } = purchase;
    let is_refusal_expected = matches!(letter.expected, Expected::Refused(_));
    match (answer.status, answer.code().as_deref()) {
        _ if is_refusal_expected && answer.status.is_success() => {
            if letter.forged {
                "the receiver's check of the signature: it took a body that nobody signed".into()
            } else {
                "the receiver's list of players: it vouched for one who does not exist".into()
            }
        }
        (_, Some("INVALID_SIGNATURE")) => format!(
            "the secret: the one given here is not among `projects.{project}.webhook_secrets` of \
             the instance"
        ),
        (_, Some("INVALID_USER")) => format!(
            "the player: register `{player}` over the api (--api-url does so), or name one that \
             exists with --set user.external_id=ID"
        ),
        (StatusCode::SERVICE_UNAVAILABLE, _) => format!(
            "the instance's log and /ready: the broker may be away, or project {project} not \
             configured there; Xsolla would send it again"
        ),
        (status, _) if status.is_client_error() => {
            "the receiver, and whatever stands in front of it: Xsolla takes most 4xx on an order \
             as final"
                .into()
        }
        _ => "the receiver's log".into(),
    }
}

/// Who knows why a status is not there.
pub(crate) fn status(purchase: &Purchase) -> String {
    let Purchase { project, order, .. } = purchase;
    format!(
        "GET /v1/projects/{project}/orders/{order} and /v1/parked?order={order} of the api, and \
         the logs of worker and publisher"
    )
}

/// Who knows why an inventory differs.
pub(crate) fn inventory(purchase: &Purchase) -> String {
    let Purchase { project, order, .. } = purchase;
    format!(
        "the bookings in GET /v1/projects/{project}/orders/{order} of the api, and \
         `projects.{project}.grant` in the configuration; another order of this player at the \
         same time counts as well"
    )
}

pub(crate) fn api(error: &ApiError) -> String {
    match error {
        ApiError::Http(error) => silence(error),
        ApiError::Refused { status, .. } if *status == StatusCode::UNAUTHORIZED => {
            "the api key: it has to be one of the instance's `api.keys`".to_owned()
        }
        ApiError::Refused { status, .. } if *status == StatusCode::FORBIDDEN => {
            "the api key's `rights` (register and read are needed) and `projects`".to_owned()
        }
        ApiError::Refused { .. } => "the api's log, and whether --api-url is an api".to_owned(),
    }
}

pub(crate) fn client(error: &ClientError) -> String {
    let text = match error {
        ClientError::Http(error) => return silence(error),
        ClientError::Token(_) => "the login secret",
        ClientError::Closed { code, .. } if *code >= 3500 => {
            "the login secret, Login project and issuer: they have to be those of \
             `projects.ID.publisher`"
        }
        ClientError::Poll(_) => {
            "the login secret, Login project and issuer, and whether the order is this player's"
        }
        ClientError::Refused(_) | ClientError::Handshake => "whether --client-url is a publisher",
        ClientError::NotSubscribed(_)
        | ClientError::Closed { .. }
        | ClientError::Gone
        | ClientError::WebSocket(_)
        | ClientError::NoJson(_)
        | ClientError::NoRow(_)
        | ClientError::Silent(_) => "the publisher's log",
    };
    text.to_owned()
}
