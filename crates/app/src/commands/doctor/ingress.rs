//! The running ingress, asked as Xsolla's own test asks it: about a player whom nobody knows,
//! once signed and once forged. Neither leaves anything behind but a log line and a count of a
//! signature that does not hold: asked every minute, it would look like an attack.

use hyper::StatusCode;
use ingress::WhenDown;
use rehearsal::{Answer, Http, HttpError, Purchase, Webhook};
use secret::Secret;

use super::Patient;
use super::finding::{Finding, chain};
use crate::configuration::Project;

const QUESTION: &str = "ingress.question";
const FORGERY: &str = "ingress.forgery";

/// Where the ingress may be.
#[derive(Clone, Debug)]
pub(super) enum Ingress {
    /// Somebody said so, and it has to be there.
    Named(String),
    /// It would be there if it ran on this machine.
    Assumed(String),
    /// Its port is not known.
    Unknown,
}

pub(super) async fn check(patient: &Patient) -> Vec<Finding> {
    let base = match &patient.ingress {
        Ingress::Named(url) | Ingress::Assumed(url) => url.trim_end_matches('/'),
        Ingress::Unknown => {
            let text = "no ingress was asked: `ingress.listen` leaves its port to chance; name it \
                        with --ingress-url";
            return vec![Finding::warn(QUESTION, text)];
        }
    };
    let http = match Http::new(std::iter::once(base), patient.limit) {
        Ok(http) => http,
        Err(error) => return vec![Finding::fail(QUESTION, chain(error))],
    };
    let mut found = Vec::new();
    for (id, project) in &patient.config.projects {
        let url = format!("{base}/webhooks/xsolla/{}", id.0);
        match ask(&http, &url, id.0.get(), project).await {
            Ok(answers) => found.extend(answers),
            Err(error) => {
                // The next project would be told the same.
                found.push(absent(patient, &error));
                break;
            }
        }
    }
    found
}

/// A process that does not run may be meant not to.
fn absent(patient: &Patient, error: &HttpError) -> Finding {
    let text = format!(
        "no ingress was asked: {error}; start it, or name another address with --ingress-url"
    );
    match patient.ingress {
        Ingress::Named(_) => Finding::fail(QUESTION, text),
        Ingress::Assumed(_) | Ingress::Unknown => Finding::warn(QUESTION, text),
    }
}

async fn ask(
    http: &Http,
    url: &str,
    id: i64,
    project: &Project,
) -> Result<Vec<Finding>, HttpError> {
    let nobody = format!("test_xsolla_doctor_{:016x}", rand::random::<u64>());
    let question = Purchase::draw(id, &nobody).user_validation().to_string();
    let with = |secret: Secret| Webhook {
        url: url.to_owned(),
        secret,
    };
    let mut found = Vec::new();
    for (place, secret) in project.webhook_secrets.iter().enumerate() {
        let key = format!("projects.{id}.webhook_secrets[{place}]");
        let answer = with(secret.clone())
            .send(http, question.clone().into())
            .await?;
        found.push(signed(url, &key, project.players.when_down, &answer));
    }
    let drawn = format!("{:032x}", rand::random::<u128>());
    if let Ok(nobodys) = Secret::inline(drawn) {
        let answer = with(nobodys).send(http, question.into()).await?;
        found.push(forged(url, &answer));
    }
    Ok(found)
}

/// What the answer to a signed question says.
fn signed(url: &str, key: &str, when_down: WhenDown, answer: &Answer) -> Finding {
    match (answer.status, code(answer).as_deref()) {
        (StatusCode::BAD_REQUEST, Some("INVALID_USER")) => Finding::ok(
            QUESTION,
            format!("{url} knows `{key}`, and that nobody is nobody: 400 INVALID_USER"),
        ),
        (StatusCode::BAD_REQUEST, Some("INVALID_SIGNATURE")) => Finding::fail(
            QUESTION,
            format!(
                "{url} refuses what `{key}` signs: 400 INVALID_SIGNATURE; expected the running \
                 ingress to have this configuration: give it this secret, or correct it here, and \
                 take Publisher Account → Project settings → Webhooks for the truth"
            ),
        ),
        (status, _) if status.is_success() && when_down == WhenDown::Allow => Finding::warn(
            QUESTION,
            format!(
                "{url} says yes to a player whom nobody knows, as `players.when_down` allows while \
                 whoever knows the players is away; look at its /ready"
            ),
        ),
        (status, _) if status.is_success() => Finding::fail(
            QUESTION,
            format!(
                "{url} says yes to a player whom nobody knows ({}): they could pay, and Xsolla's \
                 own test fails; expected 400 INVALID_USER: have the studio's service answer 404 \
                 where it does not know a player",
                status.as_u16()
            ),
        ),
        (StatusCode::SERVICE_UNAVAILABLE, _) => Finding::fail(QUESTION, later(url)),
        (status, _) => Finding::fail(QUESTION, stranger(url, status)),
    }
}

/// What the answer to a forged question says.
fn forged(url: &str, answer: &Answer) -> Finding {
    match (answer.status, code(answer).as_deref()) {
        (StatusCode::BAD_REQUEST, Some("INVALID_SIGNATURE")) => Finding::ok(
            FORGERY,
            format!("{url} refuses a forged question: 400 INVALID_SIGNATURE"),
        ),
        (StatusCode::SERVICE_UNAVAILABLE, _) => Finding::fail(FORGERY, later(url)),
        (status, Some("INVALID_USER") | None) if is_believed(status) => Finding::fail(
            FORGERY,
            format!(
                "{url} believes a forged question ({}): anybody can have items granted; expected \
                 400 INVALID_SIGNATURE: whatever answers there must not serve",
                status.as_u16()
            ),
        ),
        (status, _) => Finding::fail(FORGERY, stranger(url, status)),
    }
}

fn is_believed(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::BAD_REQUEST
}

fn later(url: &str) -> String {
    format!(
        "{url} cannot answer now: 503; its log says why: whoever knows the players is away, the \
         project is not in its configuration, or `ingress.sources` leaves out this machine"
    )
}

fn stranger(url: &str, status: StatusCode) -> String {
    format!(
        "{url} answered {}, which no ingress does: something else listens there; name the right \
         address with --ingress-url",
        status.as_u16()
    )
}

/// The code of a refusal, in Xsolla's form.
fn code(answer: &Answer) -> Option<String> {
    Some(answer.json()["error"]["code"].as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    fn answer(status: u16, code: Option<&str>) -> Answer {
        let body = code.map(|code| format!(r#"{{"error": {{"code": "{code}"}}}}"#));
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: body.unwrap_or_default().into(),
        }
    }

    #[test]
    fn only_an_unknown_player_is_the_right_answer_to_a_signed_question() {
        let ask = |answer, when_down| signed("u", "k", when_down, &answer).grade;
        let closed = |status, code| ask(answer(status, code), WhenDown::Unavailable);
        assert_eq!(closed(400, Some("INVALID_USER")), Grade::Ok);
        assert_eq!(closed(400, Some("INVALID_SIGNATURE")), Grade::Fail);
        for status in [200, 204, 404, 502, 503] {
            assert_eq!(closed(status, None), Grade::Fail, "{status}");
        }
        assert_eq!(ask(answer(204, None), WhenDown::Allow), Grade::Warn);
    }

    #[test]
    fn only_a_bad_signature_is_the_right_answer_to_a_forged_one() {
        let forged = |status, code| forged("u", &answer(status, code));
        assert_eq!(forged(400, Some("INVALID_SIGNATURE")).grade, Grade::Ok);
        for (status, code) in [(204, None), (400, Some("INVALID_USER"))] {
            let found = forged(status, code);
            assert_eq!(found.grade, Grade::Fail);
            assert!(found.text.contains("believes a forged"), "{}", found.text);
        }
        assert_eq!(forged(404, None).grade, Grade::Fail);
    }
}
