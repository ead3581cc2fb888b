use std::time::Duration;

use broker::PublishError;
use xsolla::signature::Digest;

use super::*;

const QUESTIONS: [Question; 5] = [
    Question::UserValidation,
    Question::UserSearch,
    Question::Catalogue,
    Question::Pincode,
    Question::WebShopCheck,
];

fn statuses(outcome: impl Fn(Question) -> Result<Served, Refusal>) -> [u16; 5] {
    QUESTIONS.map(|question| Answer::to(&outcome(question)).status.as_u16())
}

fn signature_faults() -> Vec<SignatureFault> {
    let malformed = Digest::from_header("x").unwrap_err();
    vec![
        SignatureFault::Missing,
        SignatureFault::NotText,
        SignatureFault::Malformed(malformed),
        SignatureFault::Mismatch,
    ]
}

/// Every refusal that is neither about the signature nor about a player.
fn troubles() -> Vec<Refusal> {
    let limit = Duration::from_secs(2);
    let mut troubles = vec![
        Refusal::NoSuchPath,
        Refusal::TooMany,
        Refusal::WrongMethod,
        Refusal::NoSuchProject,
        Refusal::Body(BodyError::TooLarge { limit: 9 }),
        Refusal::Body(BodyError::TooSlow { limit }),
        Refusal::Body(BodyError::NoRoom { limit: 9 }),
        Refusal::Body(BodyError::Broken("gone".into())),
        Refusal::ForeignSource,
        Refusal::Quarantined,
        Refusal::NotQuarantined(KeepError::Full),
        Refusal::NotQuarantined(KeepError::Question),
        Refusal::NotQuarantined(KeepError::NoRandomness),
        Refusal::TooLate,
        Refusal::Panicked,
    ];
    let reason = String::new;
    troubles.extend(
        [
            PublishError::Blocked { reason: reason() },
            PublishError::Unavailable { reason: reason() },
            PublishError::Full,
            PublishError::Refused,
            PublishError::TimedOut,
            PublishError::Returned,
        ]
        .map(Refusal::NotQueued),
    );
    for question in QUESTIONS {
        troubles.push(Refusal::NobodyToAsk(question));
        troubles.push(Refusal::NobodyAnswers(
            question,
            AskError::TimedOut { limit },
        ));
    }
    troubles
}

#[test]
fn questions_are_answered_as_each_type_expects() {
    let asked = statuses(|question| Ok(Served::Found(question, Evidence::Asked)));
    assert_eq!(asked, [204, 204, 503, 503, 204]);
    let told = statuses(|question| Ok(Served::Told(question, Bytes::from_static(b"{}"))));
    assert_eq!(told, [204, 200, 200, 200, 200]);
    let unknown = statuses(|question| Err(Refusal::NoSuchPlayer(question)));
    assert_eq!(unknown, [400, 400, 404, 503, 404]);
}

#[test]
fn every_trouble_of_ours_is_503_with_an_error_body() {
    for trouble in troubles() {
        let name = trouble.to_string();
        let outcome = Err(trouble);
        let answer = Answer::to(&outcome);
        assert_eq!(answer.status, 503, "{name}");
        let (code, _) = answer.error.unwrap();
        assert_eq!(code, ErrorCode::ServerError, "{name}");
    }
}

#[test]
fn a_4xx_names_a_bad_signature_or_an_unknown_player_alone() {
    for fault in signature_faults() {
        let answer = Answer::to(&Err(Refusal::Signature(fault)));
        assert_eq!(answer.status, 400);
        assert_eq!(answer.error.unwrap().0, ErrorCode::InvalidSignature);
    }
    for question in QUESTIONS {
        let answer = Answer::to(&Err(Refusal::NoSuchPlayer(question)));
        if answer.status.is_client_error() {
            assert_eq!(answer.error.unwrap().0, ErrorCode::InvalidUser);
        }
    }
}

#[test]
fn questions_alone_are_not_queued() {
    let asked: Vec<&str> = Kind::KNOWN
        .iter()
        .filter(|kind| Question::of(kind).is_some())
        .map(Kind::as_str)
        .collect();
    assert_eq!(
        asked,
        [
            "user_validation",
            "user_search",
            "partner_side_catalog",
            "get_pincode",
            "web_store_user_validation"
        ]
    );
    assert_eq!(Question::of(&Kind::Unreadable), None);
    assert_eq!(Question::of(&Kind::from("brand_new")), None);
}

#[test]
fn every_outcome_has_a_label_of_its_own() {
    let mut labels: Vec<&str> = troubles()
        .into_iter()
        .map(|trouble| label(&Err(trouble)))
        .collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), 16, "{labels:?}");
}
