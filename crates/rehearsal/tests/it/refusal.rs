//! Whom a rehearsal is refused against.

use rehearsal::{RehearsalError, prepare};

use crate::receiver::{AT_ONCE, Receiver, plan};

async fn refused(project: (u16, &'static str)) -> String {
    let receiver = Receiver::start_with(|_| panic!("nothing is sent"), project).await;
    let refused = prepare(plan(10.0, &[]), receiver.target(), 0).await;
    refused.unwrap_err().to_string()
}

#[tokio::test]
async fn a_project_that_is_not_marked_is_refused_with_the_key_to_set() {
    let said = refused((200, r#"{"project": 44056, "rehearsal": false}"#)).await;
    assert!(
        said.contains("`rehearsal = true` in `[projects.44056]`"),
        "{said}"
    );
}

#[tokio::test]
async fn an_api_that_says_nothing_of_it_is_no_yes() {
    for (code, body) in [
        (200, "{}"),
        (200, "true"),
        (200, r#"{"rehearsal": "true"}"#),
        (401, r#"{"rehearsal": true}"#),
        (404, r#"{"error": {"code": "no_route"}}"#),
        (503, ""),
    ] {
        let said = refused((code, body)).await;
        assert!(
            said.contains(&format!(
                "does not say whether project 44056 is marked for rehearsals: {code}"
            )),
            "{said}"
        );
    }
}

#[tokio::test]
async fn without_an_api_nothing_is_played() {
    let receiver = Receiver::start(|_| (AT_ONCE, 204)).await;
    let mut target = receiver.target();
    target.server.as_mut().unwrap().url = "http://127.0.0.1:1".to_owned();
    let silent = prepare(plan(10.0, &[]), target.clone(), 0).await;
    assert!(matches!(
        silent,
        Err(RehearsalError::Silent {
            project: 44_056,
            ..
        })
    ));
    target.server = None;
    let unknown = prepare(plan(10.0, &[]), target, 0).await;
    assert!(matches!(unknown, Err(RehearsalError::NoApi)));
}
