//! Who is let in.

use std::time::Duration;

use publisher::{Algorithm, Project};
use serde_json::{Value, json};
use testkit::{EC_PUBLIC, Heard, Jwt, RSA_PUBLIC};

use crate::entries::PROJECT;
use crate::line::{Line, SECRET, Setup, channel, connect_command, jwt, secret, token};

fn invalid() -> Heard {
    Heard::Close(3500, "invalid token".to_owned())
}

async fn ends(line: &Line, command: &Value) -> Heard {
    let mut client = line.open().await;
    client.send(command).await;
    let (messages, end) = client.end().await;
    assert!(messages.is_empty(), "{messages:?}");
    end
}

/// Tokens that a player of the tests would be let in with, but for one thing.
fn bad_tokens() -> Vec<(&'static str, String)> {
    let now = task::now().unix_timestamp();
    let good = jwt("mira");
    let with = |claim, value: Value| good.clone().with(claim, value).hs256(SECRET);
    let issuer = "https://login.xsolla.com";
    let login_project = "xsolla_login_project_id";
    let cut_off = good.hs256(SECRET);
    vec![
        ("expired", Jwt::new("mira", now - 31).hs256(SECRET)),
        ("never expires", with("exp", Value::Null)),
        ("not valid yet", with("nbf", json!(now + 60))),
        ("nbf is no date", with("nbf", json!("later"))),
        ("other issuer", with("iss", json!("https://evil.example"))),
        ("list of issuers", with("iss", json!([issuer, "x"]))),
        ("no issuer", with("iss", Value::Null)),
        ("other login project", with(login_project, json!("other"))),
        ("no login project", with(login_project, Value::Null)),
        ("no player", with("sub", Value::Null)),
        ("empty player", with("sub", json!(""))),
        ("nested player", with("sub", json!({"id": "mira"}))),
        ("other secret", good.hs256("another")),
        ("other algorithm", good.rs256()),
        ("the public key as a secret", good.hs256(RSA_PUBLIC)),
        ("not signed", good.unsigned()),
        ("cut off", cut_off[..cut_off.len() - 9].to_owned()),
        ("too long", with("x", json!("x".repeat(9_000)))),
        ("none", String::new()),
        ("junk", "a.b.c".to_owned()),
    ]
}

/// The libraries stop at 3500, so one close serves them all; and it tells nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn bad_tokens_are_closed_for_good_and_all_alike() {
    let line = Setup::new().start().await;
    for (what, token) in bad_tokens() {
        let end = ends(&line, &connect_command(&token)).await;
        assert_eq!(end, invalid(), "{what}");
    }
    let faults = "grantline_publisher_bad_tokens_total";
    assert!(line.metric(faults, "fault=\"expired\"") >= 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_the_connect_data_says_is_compared_and_never_trusted() {
    let line = Setup::new().start().await;
    let token = token("mira");
    for data in [
        json!({"auth": token}),
        json!({"auth": token, "project_id": 1}),
        json!({"auth": token, "project_id": "x"}),
        json!({"auth": token, "project_id": [PROJECT]}),
        json!({"auth": token, "project_id": PROJECT, "user_external_id": "oleg"}),
        json!({"auth": [token], "project_id": PROJECT}),
        json!({"project_id": PROJECT}),
        json!("data"),
        Value::Null,
    ] {
        let command = json!({"id": 1, "connect": {"data": data}});
        assert_eq!(ends(&line, &command).await, invalid(), "{data}");
    }
    for connect in [
        json!({"data": {"auth": token, "project_id": PROJECT}}),
        json!({"data": {"auth": token, "project_id": PROJECT.to_string()}}),
        json!({"data": {"auth": token, "project_id": PROJECT, "user_external_id": "mira"}}),
        json!({"data": {"auth": token, "project_id": PROJECT, "user_external_id": null, "more": {}}}),
        json!({"data": {"project_id": PROJECT}, "token": token}),
    ] {
        let command = json!({"id": 1, "connect": connect});
        line.connect_with(&command, "mira").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_players_id_may_be_a_number_in_another_claim() {
    let setup = Setup::new().login(|login| login.player_claim = "external_account_id".to_owned());
    let line = setup.start().await;
    let token = jwt("ignored").with("external_account_id", 77).hs256(SECRET);
    let data = json!({"auth": token, "project_id": PROJECT, "user_external_id": 77});
    let command = json!({"id": 1, "connect": {"data": data}});
    line.connect_with(&command, "77").await;
}

fn keys(algorithm: Algorithm, keys: &[String]) -> impl FnOnce(&mut Project) + Clone {
    let keys: Vec<_> = keys.iter().map(|key| secret(key)).collect();
    move |login| {
        login.algorithm = algorithm;
        login.secret = None;
        login.keys = keys;
    }
}

/// The modulus of the tests' key, in both spellings.
fn modulus() -> (String, String) {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

    let body: String = RSA_PUBLIC
        .lines()
        .filter(|line| !line.starts_with('-'))
        .collect();
    let der = STANDARD.decode(body).unwrap();
    // SubjectPublicKeyInfo of a 2048-bit key: the modulus is before `02 03 01 00 01`.
    let modulus = &der[der.len() - 5 - 256..der.len() - 5];
    let hex = hex::encode(modulus);
    (hex, URL_SAFE_NO_PAD.encode(modulus))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn rsa_keys_are_read_as_pem_as_xsollas_hexadecimal_and_as_standard_json() {
    let (hex, base64url) = modulus();
    let key = |kid: &str, n: &str, e: &str| json!({"alg": "RS256", "kty": "RSA", "use": "sig", "kid": kid, "n": n, "e": e});
    let other = hex.replace('a', "b");
    for text in [
        RSA_PUBLIC.to_owned(),
        json!([key("old", &other, "10001"), key("k1", &hex, "10001")]).to_string(),
        json!({"keys": [key("k1", &base64url, "AQAB")]}).to_string(),
    ] {
        let setup = Setup::new().login(keys(Algorithm::RS256, &[text]));
        let line = setup.start().await;
        let token = jwt("mira").key_id("k1").rs256();
        line.connect_with(&connect_command(&token), "mira").await;
        let confused = jwt("mira").hs256(RSA_PUBLIC);
        assert_eq!(ends(&line, &connect_command(&confused)).await, invalid());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_named_key_verifies_only_tokens_that_name_it() {
    let (hex, _) = modulus();
    let key = json!([{"kty": "RSA", "kid": "k1", "n": hex, "e": "10001"}]).to_string();
    let line = Setup::new()
        .login(keys(Algorithm::RS256, &[key]))
        .start()
        .await;
    let other = connect_command(&jwt("mira").key_id("k2").rs256());
    assert_eq!(ends(&line, &other).await, invalid());
    let nameless = connect_command(&jwt("mira").rs256());
    line.connect_with(&nameless, "mira").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn elliptic_curve_keys_are_read_as_pem() {
    let setup = Setup::new().login(keys(Algorithm::ES256, &[EC_PUBLIC.to_owned()]));
    let line = setup.start().await;
    line.connect_with(&connect_command(&jwt("mira").es256()), "mira")
        .await;
    let other_family = jwt("mira").rs256();
    assert_eq!(
        ends(&line, &connect_command(&other_family)).await,
        invalid()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_connection_ends_with_its_token() {
    let setup = Setup::new().login(|login| login.leeway = Duration::ZERO);
    let line = setup.start().await;
    let soon = task::now().unix_timestamp() + 3;
    let token = Jwt::new("mira", soon).hs256(SECRET);
    let (mut client, _) = line.connect_with(&connect_command(&token), "mira").await;
    let (_, end) = client.end().await;
    assert_eq!(end, Heard::Close(3005, "connection expired".to_owned()));
    // Coming back with the same token is the end of it.
    assert_eq!(ends(&line, &connect_command(&token)).await, invalid());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_player_has_a_bounded_number_of_connections() {
    let setup = Setup::new().with(|config| config.max_sockets_per_player = 2);
    let line = setup.start().await;
    let (mut oldest, _) = line.connect("mira").await;
    let (mut older, _) = line.connect("mira").await;
    let (mut newest, _) = line.connect("mira").await;
    let (_, end) = oldest.end().await;
    assert_eq!(end, Heard::Close(3504, "connection limit".to_owned()));
    for client in [&mut older, &mut newest] {
        client.send(json!({"id": 9, "ping": {}})).await;
        assert_eq!(client.message().await["id"], 9);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_channel_is_named_after_project_and_player() {
    let line = Setup::new().start().await;
    line.connect("игрок \"1\"").await;
    assert_eq!(channel("mira"), "orders:44056#mira");
}
