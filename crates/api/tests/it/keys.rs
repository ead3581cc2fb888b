//! Who may do what.

use hyper::Method;

use crate::bench::Bench;

const ORDER: &str = "/v1/projects/44056/orders/7";
const DESCRIPTION: &str = "/v1/openapi.json";

#[tokio::test]
async fn a_request_without_a_known_key_learns_nothing_but_how_to_send_one() {
    let bench = Bench::new().await;
    let call = async |authorization| bench.call(authorization, Method::GET, ORDER, "").await;
    for authorization in [
        None,
        Some("Bearer"),
        Some("Bearer "),
        Some("Basic Z2FtZS1rZXk="),
        Some("game-key"),
    ] {
        let answer = call(authorization).await;
        assert_eq!(answer.fault(), (401, "no_key"), "{authorization:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
        assert!(answer.message().contains("Authorization: Bearer"));
    }
    for authorization in [
        "Bearer nobody",
        "Bearer game-key2",
        "Bearer game-ke",
        "Bearer game",
    ] {
        let answer = call(Some(authorization)).await;
        assert_eq!(answer.fault(), (401, "unknown_key"), "{authorization}");
    }
    // Before the path is looked at.
    let answer = bench.call(None, Method::GET, "/nowhere", "").await;
    assert_eq!(answer.fault(), (401, "no_key"));
    assert_eq!(call(Some("bearer game-key")).await.fault().0, 404);
}

#[tokio::test]
async fn a_project_says_whether_it_may_be_rehearsed() {
    let bench = Bench::new().await;
    bench.connected().await;
    let real = bench.get("game", "/v1/projects/44056").await;
    assert_eq!(real.status.as_u16(), 200);
    assert_eq!(
        real.json,
        serde_json::json!({"project": 44_056, "rehearsal": false, "backlog": 0})
    );
    let marked = bench.get("game", "/v1/projects/7").await;
    assert_eq!(marked.json["rehearsal"], true);
    let nobodys = bench.get("game", "/v1/projects/99").await;
    assert_eq!(nobodys.fault(), (404, "unknown_project"));
}

#[tokio::test]
async fn the_description_is_for_everybody_and_read_only() {
    let bench = Bench::new().await;
    let told = bench.call(None, Method::GET, DESCRIPTION, "").await;
    assert_eq!(
        (told.status.as_u16(), &told.json["openapi"]),
        (200, &"3.1.0".into())
    );
    assert_eq!(told.headers["content-type"], "application/json");
    let head = bench.call(None, Method::HEAD, DESCRIPTION, "").await;
    assert_eq!(head.status.as_u16(), 200);
    assert_eq!(
        head.headers["content-length"],
        told.headers["content-length"]
    );
    assert_eq!(head.json, serde_json::Value::Null);
    let changed = bench.call(None, Method::PUT, DESCRIPTION, "").await;
    assert_eq!(changed.fault(), (405, "wrong_method"));
    assert_eq!(changed.headers["allow"], "GET, HEAD");
}

#[tokio::test]
async fn a_key_does_only_what_its_rights_say() {
    let bench = Bench::new().await;
    let answer = bench
        .put("desk", "/v1/projects/44056/players/mira", "")
        .await;
    assert_eq!(answer.fault(), (403, "no_right"));
    assert!(answer.message().contains("`api.keys.desk.rights`"));
    assert!(answer.message().contains("`register`"));
    let answer = bench.post("game", "/v1/parked/1/replay").await;
    assert_eq!(answer.fault(), (403, "no_right"));
}

#[tokio::test]
async fn a_key_sees_only_its_projects() {
    let bench = Bench::new().await;
    let answer = bench.get("shop", ORDER).await;
    assert_eq!(answer.fault(), (403, "foreign_project"));
    assert!(answer.message().contains("`api.keys.shop.projects`"));
    let own = bench.get("shop", "/v1/projects/7/orders/7").await;
    assert_eq!(own.fault(), (404, "not_found"));
}

#[tokio::test]
async fn a_project_that_is_not_configured_is_named() {
    let bench = Bench::new().await;
    let answer = bench.put("game", "/v1/projects/9/players/mira", "").await;
    assert_eq!(answer.fault(), (404, "unknown_project"));
    assert!(answer.message().contains("[projects.9]"));
}

#[tokio::test]
async fn a_key_of_several_projects_says_which_one_it_searches() {
    let bench = Bench::new().await;
    let answer = bench.get("twin", "/v1/parked").await;
    assert_eq!(answer.fault(), (400, "invalid"));
    assert!(answer.message().contains("`project=ID`"));
    let answer = bench.get("twin", "/v1/parked?project=7").await;
    assert_eq!(answer.status.as_u16(), 200);
}
