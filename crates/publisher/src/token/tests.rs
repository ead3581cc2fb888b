use secret::Secret;
use serde_json::json;
use testkit::{EC_PUBLIC, Jwt, RSA_PUBLIC};

use super::*;

const SECRET: &str = "login secret";
const EXPIRES: i64 = 1_800_000_000;

fn project(algorithm: Algorithm, secret: Option<&str>, keys: &[&str]) -> Project {
    let hide = |text: &&str| Secret::inline(*text).unwrap();
    Project {
        algorithm,
        secret: secret.as_ref().map(hide),
        previous_secret: None,
        keys: keys.iter().map(hide).collect(),
        issuer: "https://login.xsolla.com".to_owned(),
        login_project_id: Jwt::LOGIN_PROJECT.to_owned(),
        player_claim: "sub".to_owned(),
        leeway: Duration::from_secs(30),
    }
}

fn at(seconds: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(seconds).unwrap()
}

fn verify(jwt: &Jwt, now: i64) -> Result<Verified, TokenFault> {
    let verifier = Verifier::new(project(Algorithm::HS256, Some(SECRET), &[])).unwrap();
    verifier.verify(&jwt.hs256(SECRET), at(now))
}

#[test]
fn a_token_is_good_until_its_end_and_the_leeway_is_over() {
    let jwt = Jwt::new("mira", EXPIRES);
    let verified = verify(&jwt, EXPIRES + 29).unwrap();
    assert_eq!(verified.player.as_str(), "mira");
    assert_eq!(verified.expires_at, at(EXPIRES + 30));
    assert_eq!(verify(&jwt, EXPIRES + 30), Err(TokenFault::Expired));
}

#[test]
fn a_token_is_good_from_its_beginning_less_the_leeway() {
    let jwt = Jwt::new("mira", EXPIRES).with("nbf", EXPIRES - 100);
    assert!(verify(&jwt, EXPIRES - 130).is_ok());
    assert_eq!(verify(&jwt, EXPIRES - 131), Err(TokenFault::NotYet));
}

#[test]
fn dates_may_have_a_fraction_and_must_be_possible() {
    let jwt = Jwt::new("mira", EXPIRES);
    let fraction = jwt.clone().with("exp", json!(1_800_000_000.75));
    assert_eq!(
        verify(&fraction, EXPIRES).unwrap().expires_at,
        at(EXPIRES + 30)
    );
    for impossible in [
        json!("1800000000"),
        json!(1e300),
        json!(u64::MAX),
        json!(true),
    ] {
        let jwt = jwt.clone().with("exp", impossible.clone());
        assert_eq!(
            verify(&jwt, EXPIRES),
            Err(TokenFault::Expired),
            "{impossible}"
        );
    }
}

#[test]
fn tokens_of_the_secret_before_are_good_as_long_as_it_is_named() {
    let jwt = Jwt::new("mira", EXPIRES);
    let mut config = project(Algorithm::HS256, Some(SECRET), &[]);
    let is_good = |config: &Project, secret: &str| {
        let verifier = Verifier::new(config.clone()).unwrap();
        verifier.verify(&jwt.hs256(secret), at(EXPIRES)).is_ok()
    };
    assert!(!is_good(&config, "the secret before"));
    config.previous_secret = Some(Secret::inline("the secret before").unwrap());
    for (secret, good) in [
        (SECRET, true),
        ("the secret before", true),
        ("another", false),
    ] {
        assert_eq!(is_good(&config, secret), good, "{secret}");
    }
}

#[test]
fn an_audience_is_not_asked_for() {
    let jwt = Jwt::new("mira", EXPIRES).with("aud", json!(["some client"]));
    assert!(verify(&jwt, EXPIRES).is_ok());
}

#[test]
fn a_secret_or_key_that_is_missing_or_none_is_found_at_start() {
    for (algorithm, keys, expected) in [
        (Algorithm::HS256, vec![], KeyFault::NoSecret),
        (Algorithm::RS256, vec![], KeyFault::NoKey),
        (
            Algorithm::RS256,
            vec![RSA_PUBLIC, EC_PUBLIC],
            KeyFault::Unreadable { index: 1 },
        ),
        (
            Algorithm::ES256,
            vec![RSA_PUBLIC],
            KeyFault::Unreadable { index: 0 },
        ),
        (
            Algorithm::RS256,
            vec!["[]"],
            KeyFault::Unreadable { index: 0 },
        ),
        (
            Algorithm::RS256,
            vec!["{"],
            KeyFault::Unreadable { index: 0 },
        ),
    ] {
        let fault = Verifier::new(project(algorithm, None, &keys)).unwrap_err();
        assert_eq!(fault, expected);
    }
}

#[test]
fn a_header_that_demands_to_be_understood_is_refused() {
    let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    header.crit = Some(vec!["b64".to_owned()]);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims = json!({"sub": "mira", "exp": EXPIRES});
    let verifier = Verifier::new(project(Algorithm::HS256, Some(SECRET), &[])).unwrap();
    if let Ok(token) = jsonwebtoken::encode(&header, &claims, &key) {
        let fault = verifier.verify(&token, at(EXPIRES));
        assert_eq!(fault, Err(TokenFault::Malformed));
    }
}
