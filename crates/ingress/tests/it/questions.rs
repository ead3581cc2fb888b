//! What Xsolla asks and waits for. Nothing here needs the broker, and there is none.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::StatusCode;
use ingress::{Players, WebShop, WhenDown};
use ledger::Ledger;
use testkit::{CuttingProxy, Postgres, StudioService};
use xsolla::fixtures;

use crate::line::{Setup, ledger_at, network, player, project_id, studio_at, validation};

fn known() -> (u16, String) {
    (204, String::new())
}

fn unknown() -> (u16, String) {
    (400, "INVALID_USER".to_owned())
}

fn not_now() -> (u16, String) {
    (503, "SERVER_ERROR".to_owned())
}

#[tokio::test]
async fn the_ledgers_players_are_known_and_nobody_else() {
    let database = Postgres::database().await;
    let ledger = database.ledger();
    let number = "8001".parse().unwrap();
    for player in [&player(), &number] {
        ledger
            .register_player(project_id(), player, task::now())
            .await
            .unwrap();
    }
    let mut setup = Setup::new();
    setup.ledger = ledger;
    setup.project.players.deadline = Duration::from_secs(2);
    let line = setup.serve();

    assert_eq!(line.post(fixtures::USER_VALIDATION).await.brief(), known());
    assert_eq!(line.post(fixtures::USER_SEARCH).await.brief(), known());
    assert_eq!(line.post(&validation("8001")).await.brief(), known());
    let long = format!("\"{}\"", "x".repeat(300));
    for id in [
        "\"test_xsolla\"",
        "\"\"",
        "null",
        "{}",
        "\"a\\u0000b\"",
        &long,
    ] {
        assert_eq!(line.post(&validation(id)).await.brief(), unknown(), "{id}");
    }
    let without = br#"{"notification_type":"user_validation"}"#;
    assert_eq!(line.post(without).await.brief(), unknown());
    // The ledger knows no public ids.
    let search = line.post(fixtures::USER_SEARCH_PUBLIC_ONLY).await;
    assert_eq!(search.brief(), unknown());
    let found = [r#"type="user_validation""#, "player_found"];
    assert!(line.counts("grantline_ingress_questions", &found, 2));
}

/// The ledger is reached through a proxy that is cut. Who was found before is still known;
/// nobody else is, and nobody is told that they do not exist.
#[tokio::test]
async fn a_player_who_was_found_outlasts_an_outage_of_the_ledger() {
    let database = Postgres::database().await;
    let registrar = database.ledger();
    registrar
        .register_player(project_id(), &player(), task::now())
        .await
        .unwrap();
    let proxy = CuttingProxy::before(database.url()).await;
    let mut setup = Setup::new();
    setup.ledger = Ledger::open(&ledger_at(&proxy.url(database.url()))).unwrap();
    let line = setup.serve();

    assert_eq!(line.post(fixtures::USER_VALIDATION).await.brief(), known());
    proxy.cut();
    assert_eq!(line.post(fixtures::USER_VALIDATION).await.brief(), known());
    assert_eq!(
        line.post(&validation("\"somebody\"")).await.brief(),
        not_now()
    );
    assert!(line.counts("grantline_ingress_questions", &["player_remembered"], 1));
    let report = line.readiness.report();
    assert!(
        report.ready,
        "questions are answered as well as they can be"
    );
    let players = report.check("ingress.players").unwrap();
    assert!(!players.ok);

    proxy.heal();
    assert_eq!(
        line.post(&validation("\"somebody\"")).await.brief(),
        unknown()
    );
    assert!(line.readiness.report().check("ingress.players").unwrap().ok);
}

#[tokio::test]
async fn the_studio_is_sent_the_question_and_its_word_counts() {
    let studio = StudioService::start().await;
    let line = Setup::new().asking(&studio).serve();
    let body = fixtures::USER_VALIDATION_WITH_CUSTOM_PARAMETERS;
    for (status, answer, expected) in [
        (StatusCode::NO_CONTENT, "", known()),
        (StatusCode::OK, "", known()),
        (StatusCode::OK, r#"{"user":{"id":"p"}}"#, known()),
        (StatusCode::NOT_FOUND, "", unknown()),
        (StatusCode::BAD_REQUEST, "{}", unknown()),
        (StatusCode::INTERNAL_SERVER_ERROR, "", not_now()),
        (StatusCode::UNAUTHORIZED, "", not_now()),
        (StatusCode::FOUND, "", not_now()),
        (StatusCode::OK, "<html>welcome</html>", not_now()),
    ] {
        studio.answer("/v1/players", status, answer);
        assert_eq!(line.post(body).await.brief(), expected, "{status} {answer}");
    }
    let asked = studio.asked();
    assert_eq!(asked.len(), 9);
    for question in asked {
        assert_eq!(question.path, "/v1/players");
        assert_eq!(
            question.authorization.as_deref(),
            Some("Bearer studio-key-9")
        );
        assert_eq!(question.body, body);
    }
    // No player, so nobody to ask about.
    assert_eq!(line.post(&validation("null")).await.brief(), unknown());
    assert_eq!(studio.asked().len(), 9);
}

#[tokio::test]
async fn a_search_passes_on_what_the_studio_found() {
    let studio = StudioService::start().await;
    let found = r#"{"user": {"id": "player-7f31c9",  "name": "Mira"}}"#;
    studio.answer("/v1/players", StatusCode::OK, found);
    let line = Setup::new().asking(&studio).serve();
    for body in [fixtures::USER_SEARCH, fixtures::USER_SEARCH_PUBLIC_ONLY] {
        let answer = line.post(body).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body[..]),
            (200, found.as_bytes())
        );
    }
    studio.answer(
        "/v1/players",
        StatusCode::OK,
        format!("\"{}\"", "x".repeat(5_000)),
    );
    let answer = line.post(fixtures::USER_SEARCH_PUBLIC_ONLY).await;
    assert_eq!(answer.brief(), not_now(), "larger than max_answer_bytes");
}

#[tokio::test]
async fn a_silent_or_absent_studio_is_bridged_for_players_it_knew() {
    let studio = StudioService::start().await;
    studio.answer("/v1/players", StatusCode::NO_CONTENT, "");
    let line = Setup::new().asking(&studio).serve();
    assert_eq!(line.post(&validation("\"mira\"")).await.brief(), known());
    studio.hold();
    assert_eq!(line.post(&validation("\"mira\"")).await.brief(), known());
    assert_eq!(line.post(&validation("\"noor\"")).await.brief(), not_now());
    studio.release();
    // Its word ends the memory at once.
    studio.answer("/v1/players", StatusCode::NOT_FOUND, "");
    assert_eq!(line.post(&validation("\"mira\"")).await.brief(), unknown());
    drop(studio);
    assert_eq!(line.post(&validation("\"mira\"")).await.brief(), not_now());
}

#[tokio::test]
async fn what_is_forgotten_is_not_vouched_for() {
    let studio = StudioService::start().await;
    studio.answer("/v1/players", StatusCode::NO_CONTENT, "");
    let mut setup = Setup::new().asking(&studio);
    setup.project.players = Players {
        remember_max: 0,
        ..setup.project.players
    };
    let line = setup.serve();
    assert_eq!(line.post(&validation("\"mira\"")).await.brief(), known());
    studio.answer("/v1/players", StatusCode::BAD_GATEWAY, "");
    assert_eq!(line.post(&validation("\"mira\"")).await.brief(), not_now());
}

#[tokio::test]
async fn assuming_the_best_is_asked_for_and_counted() {
    let mut setup = Setup::new();
    setup.project.players.when_down = WhenDown::Allow;
    let line = setup.serve();
    assert_eq!(line.post(&validation("\"noor\"")).await.brief(), known());
    // Nobody is named, so nobody can be assumed.
    assert_eq!(line.post(&validation("null")).await.brief(), unknown());
    assert!(line.counts("grantline_ingress_questions", &["player_assumed"], 1));
}

#[tokio::test]
async fn catalogue_and_pincode_are_the_studios_business() {
    let studio = StudioService::start().await;
    let list = r#"[{"sku": "blade",  "quantity": null}]"#;
    let mut setup = Setup::new();
    setup.project.studio = Some(studio_at(&studio));
    let line = setup.serve();
    let catalogue = fixtures::PARTNER_SIDE_CATALOG;

    studio.answer("/v1/catalogue", StatusCode::OK, list);
    studio.answer("/v1/pincode", StatusCode::OK, r#"{"pin_code":"A-B"}"#);
    let answer = line.post(catalogue).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body[..]),
        (200, list.as_bytes())
    );
    let answer = line.post(fixtures::GET_PINCODE).await;
    assert_eq!(&answer.body[..], br#"{"pin_code":"A-B"}"#);
    assert_eq!(studio.asked()[0].body, catalogue);

    for (status, body, for_catalogue) in [
        (StatusCode::NOT_FOUND, "", (404, "INVALID_USER".to_owned())),
        (StatusCode::NO_CONTENT, "", not_now()),
        (StatusCode::OK, "", not_now()),
        (StatusCode::OK, "oops", not_now()),
        (StatusCode::SERVICE_UNAVAILABLE, "", not_now()),
    ] {
        studio.answer("/v1/catalogue", status, body);
        studio.answer("/v1/pincode", status, body);
        assert_eq!(
            line.post(catalogue).await.brief(),
            for_catalogue,
            "{status} {body}"
        );
        assert_eq!(
            line.post(fixtures::GET_PINCODE).await.brief(),
            not_now(),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn without_a_studio_its_questions_are_503() {
    let line = Setup::new().serve();
    for body in [fixtures::PARTNER_SIDE_CATALOG, fixtures::GET_PINCODE] {
        assert_eq!(line.post(body).await.brief(), not_now());
    }
    assert!(line.counts(
        "grantline_ingress_questions",
        &["nobody_to_ask", "get_pincode"],
        1
    ));
}

#[tokio::test]
async fn the_studio_is_asked_by_no_more_than_in_flight_at_once() {
    let studio = StudioService::start().await;
    studio.answer("/v1/players", StatusCode::NO_CONTENT, "");
    studio.hold();
    let mut setup = Setup::new().asking(&studio);
    let service = setup.project.studio.as_mut().unwrap();
    service.in_flight = 2;
    let line = setup.serve();
    let ids: Vec<String> = (0..8).map(|number| format!("\"p{number}\"")).collect();
    let answers = join_all(
        ids.iter()
            .map(|id| async { line.post(&validation(id)).await }),
    )
    .await;
    assert!(answers.iter().all(|answer| answer.brief() == not_now()));
    studio.release();
    let answers = join_all(
        ids.iter()
            .map(|id| async { line.post(&validation(id)).await }),
    )
    .await;
    assert!(answers.iter().all(|answer| answer.brief() == known()));
    assert_eq!(studio.busiest(), 2);
}

#[tokio::test]
async fn the_web_shops_check_is_answered_unsigned_only_where_it_is_let_in() {
    let check = fixtures::WEB_SHOP_USER_VALIDATION;
    let bad_signature = || (400, "INVALID_SIGNATURE".to_owned());
    let studio = StudioService::start().await;
    studio.answer("/v1/players", StatusCode::NO_CONTENT, "");

    let off = Setup::new().asking(&studio).serve();
    assert_eq!(off.post_with(check, &[]).await.brief(), bad_signature());

    let mut setup = Setup::new().asking(&studio);
    setup.project.web_shop = WebShop {
        enabled: true,
        sources: vec![network("34.102.38.178")],
    };
    let elsewhere = setup.serve();
    assert_eq!(elsewhere.post_with(check, &[]).await.brief(), not_now());
    assert!(studio.asked().is_empty(), "nobody was asked for strangers");

    let mut setup = Setup::new().asking(&studio);
    setup.project.web_shop = WebShop {
        enabled: true,
        sources: vec![network("127.0.0.1")],
    };
    let line = setup.serve();
    assert_eq!(line.post_with(check, &[]).await.brief(), known());
    for typed in [
        fixtures::USER_VALIDATION,
        fixtures::ORDER_PAID_FREE,
        b"{broken",
    ] {
        assert_eq!(line.post_with(typed, &[]).await.brief(), bad_signature());
    }
    studio.answer("/v1/players", StatusCode::OK, r#"{"user":{"id":"p"}}"#);
    assert_eq!(line.post_with(check, &[]).await.status, 200);
    studio.answer("/v1/players", StatusCode::NOT_FOUND, "");
    let not_found = (404, "INVALID_USER".to_owned());
    assert_eq!(line.post_with(check, &[]).await.brief(), not_found);
    // Signed it is the same question, wherever it comes from.
    assert_eq!(off.post(check).await.brief(), not_found);
}
