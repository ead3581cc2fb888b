//! The order-status endpoint.

use http_body_util::{BodyExt as _, Empty};
use hyper::{HeaderMap, Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::entries::{created, paid};
use crate::line::{Line, SECRET, Setup, jwt, token};

pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) async fn get(line: &Line, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    ask(line, Method::GET, path, &[("authorization", &bearer)]).await
}

async fn ask(line: &Line, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", line.at));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<bytes::Bytes>::new()).unwrap();
    let answer = client.request(request).await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        headers: answer.headers().clone(),
        body: answer
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .to_vec(),
    }
}

const ORDER_7: &str = "/api/v2/project/44056/order/7";

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_order_is_answered_as_xsolla_does() {
    let line = Setup::new().start().await;
    line.book([paid(7, "mira")]).await;
    let answer = get(&line, ORDER_7, &token("mira")).await;
    assert_eq!(answer.status, 200);
    let price = json!({"amount": "14.97", "amount_without_discount": "14.97", "currency": "EUR"});
    let expected = json!({
        "order_id": 7,
        "status": "done",
        "content": {
            "price": price,
            "virtual_price": null,
            "is_free": false,
            "items": [{"sku": "sword", "quantity": 3, "is_free": false, "price": price}],
        },
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("cache-control"), Some("private, no-cache"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_got_can_be_asked_for_without_its_body() {
    let line = Setup::new().start().await;
    line.book([paid(7, "mira")]).await;
    let bearer = format!("Bearer {}", token("mira"));
    let headers = [("authorization", bearer.as_str())];
    let whole = ask(&line, Method::GET, ORDER_7, &headers).await;
    let head = ask(&line, Method::HEAD, ORDER_7, &headers).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("etag"), whole.header("etag"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_poller_is_sent_an_order_once_per_change() {
    let line = Setup::new().start().await;
    line.book([created(7, "mira")]).await;
    let first = get(&line, ORDER_7, &token("mira")).await;
    let tag = first.header("etag").unwrap();
    let bearer = format!("Bearer {}", token("mira"));
    let headers = [("authorization", bearer.as_str()), ("if-none-match", tag)];
    let again = ask(&line, Method::GET, ORDER_7, &headers).await;
    assert_eq!((again.status, again.body.len()), (304, 0));
    assert_eq!(again.header("etag"), Some(tag));

    line.book([paid(7, "mira")]).await;
    let changed = ask(&line, Method::GET, ORDER_7, &headers).await;
    assert_eq!(changed.status, 200);
    assert_eq!(changed.json()["status"], "done");
    assert!(line.metric("grantline_publisher_polls_total", "status=\"304\"") >= 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_order_of_another_looks_like_none() {
    let line = Setup::new().start().await;
    line.book([created(7, "mira")]).await;
    let foreign = get(&line, ORDER_7, &token("oleg")).await;
    let unknown = get(&line, "/api/v2/project/44056/order/8", &token("oleg")).await;
    let impossible = get(&line, "/api/v2/project/44056/order/x", &token("oleg")).await;
    for answer in [&foreign, &unknown, &impossible] {
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body, unknown.body);
    }
    assert_eq!(unknown.json()["statusCode"], 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_is_answered_without_a_good_token() {
    let line = Setup::new().start().await;
    line.book([created(7, "mira")]).await;
    let good = token("mira");
    let basic = format!("Basic {good}");
    let expired = testkit::Jwt::new("mira", task::now().unix_timestamp() - 60).hs256(SECRET);
    let expired = format!("Bearer {expired}");
    let unsigned = format!("Bearer {}", jwt("mira").unsigned());
    let bearer = format!("Bearer {good}");
    let body = json!({
        "statusCode": 401,
        "errorCode": 1020,
        "errorMessage": "[0401-1020]: Error in Authentication method occurred",
    });
    for (path, header) in [
        (ORDER_7, basic.as_str()),
        (ORDER_7, &expired),
        (ORDER_7, &unsigned),
        (ORDER_7, "Bearer "),
        ("/api/v2/project/1/order/7", &bearer),
        ("/api/v2/project/x/order/7", &bearer),
    ] {
        let answer = ask(&line, Method::GET, path, &[("authorization", header)]).await;
        assert_eq!(
            (answer.status, answer.json()),
            (401, body.clone()),
            "{path}"
        );
    }
    let answer = ask(&line, Method::GET, ORDER_7, &[]).await;
    assert_eq!(answer.status, 401);
    let lower = bearer.replace("Bearer", "bearer");
    let answer = ask(&line, Method::GET, ORDER_7, &[("authorization", &lower)]).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_games_web_page_may_poll_and_another_may_not() {
    let origins = || vec!["https://game.example".to_owned()];
    let setup = Setup::new().with(|config| config.allowed_origins = origins());
    let line = setup.start().await;
    line.book([created(7, "mira")]).await;
    let preflight = [
        ("origin", "https://game.example"),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let answer = ask(&line, Method::OPTIONS, ORDER_7, &preflight).await;
    assert_eq!(answer.status, 204);
    let allowed = "access-control-allow-origin";
    assert_eq!(answer.header(allowed), Some("https://game.example"));
    let headers = answer.header("access-control-allow-headers").unwrap();
    assert!(headers.contains("Authorization"), "{headers}");

    let bearer = format!("Bearer {}", token("mira"));
    for (origin, expected) in [
        ("https://game.example", Some("https://game.example")),
        ("https://evil.example", None),
    ] {
        let headers = [("authorization", bearer.as_str()), ("origin", origin)];
        let answer = ask(&line, Method::GET, ORDER_7, &headers).await;
        assert_eq!(answer.header(allowed), expected, "{origin}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn other_addresses_and_methods_are_refused_in_the_same_style() {
    let line = Setup::new().start().await;
    for (method, path, status) in [
        (Method::GET, "/", 404),
        (Method::GET, "/api/v2/project/44056/order", 404),
        (Method::GET, "/api/v2/project/44056/order/7/8", 404),
        (Method::POST, ORDER_7, 405),
    ] {
        let answer = ask(&line, method, path, &[]).await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.json()["statusCode"], status);
    }
    let answer = ask(&line, Method::GET, crate::line::SOCKET, &[]).await;
    assert_eq!(answer.status, 426);
}
