//! Requests that are not served.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::AUTHORIZATION;
use hyper::{Method, Request};
use testkit::StudioService;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use xsolla::fixtures;
use xsolla::signature::authorization_header;

use crate::line::{Answer, OTHER_SECRET, PROJECT, SECRET, Setup, network, secret, validation};

fn signature(body: &[u8], secret: &str) -> String {
    authorization_header(body, secret.as_bytes())
}

fn not_now() -> (u16, String) {
    (503, "SERVER_ERROR".to_owned())
}

/// What is above the rate is put off, never refused for good.
#[tokio::test]
async fn more_requests_a_second_than_configured_are_503_and_later_ones_are_looked_at() {
    let mut setup = Setup::new();
    setup.config.requests_per_second = Some(1.try_into().unwrap());
    let line = setup.serve();
    let body = fixtures::ORDER_PAID_COMBINED;
    let looked_at = (400, "INVALID_SIGNATURE".to_owned());
    let at_once = (0..20).map(|_| line.post_with(body, &[]));
    let answers: Vec<_> = futures_util::future::join_all(at_once).await;
    let briefs: Vec<_> = answers.iter().map(Answer::brief).collect();
    assert!(briefs.contains(&looked_at), "{briefs:?}");
    assert!(briefs.contains(&not_now()), "{briefs:?}");
    let one_more = async { while line.post_with(body, &[]).await.brief() != looked_at {} };
    let deadline = Duration::from_secs(20);
    tokio::time::timeout(deadline, one_more)
        .await
        .expect("looked at again");
}

#[tokio::test]
async fn a_signature_that_does_not_hold_is_400_invalid_signature() {
    let line = Setup::new().serve();
    let body = fixtures::ORDER_PAID_COMBINED;
    let good = signature(body, SECRET);
    let flipped = good.replace(&good[good.len() - 1..], "x");
    let digits = good.split_once(' ').unwrap().1;
    let other_digit = if good.ends_with('0') { "1" } else { "0" };
    let one_bit_off = format!("{}{other_digit}", &good[..good.len() - 1]);
    let cases: Vec<Vec<String>> = vec![
        vec![],
        vec![String::new()],
        vec![flipped],
        vec![one_bit_off],
        vec![digits.to_owned()],
        vec![format!("Bearer {digits}")],
        vec![good[..good.len() - 2].to_owned()],
        vec![signature(body, "x"), signature(body, OTHER_SECRET)],
        vec![signature(body, OTHER_SECRET)],
        vec![signature(body, "")],
    ];
    for headers in cases {
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let answer = line.post_with(body, &headers).await;
        assert_eq!(
            answer.brief(),
            (400, "INVALID_SIGNATURE".to_owned()),
            "{headers:?}"
        );
    }

    // The same JSON, written anew.
    let value: serde_json::Value = serde_json::from_slice(body).unwrap();
    let mut rewritten = vec![value.to_string().into_bytes()];
    let mut one_bit = body.to_vec();
    one_bit[40] ^= 1;
    rewritten.push(one_bit);
    rewritten.push([body, b"\n"].concat());
    for other in rewritten {
        let answer = line.post_with(&other, &[&good]).await;
        assert_eq!(answer.brief(), (400, "INVALID_SIGNATURE".to_owned()));
    }
    let mismatches = [r#"fault="mismatch""#, r#"project="271904""#];
    assert!(line.counts("grantline_ingress_signature_failures", &mismatches, 7));
}

#[tokio::test]
async fn whatever_else_is_wrong_below_webhooks_is_503() {
    let line = Setup::new().serve();
    let body = fixtures::USER_VALIDATION;
    let signed = signature(body, SECRET);
    let request = |method: Method, path: &str| {
        Request::builder()
            .method(method)
            .uri(line.uri(path))
            .header(AUTHORIZATION, &signed)
            .body(Full::new(Bytes::from_static(body)))
            .unwrap()
    };
    let own = format!("/webhooks/xsolla/{PROJECT}");
    let cases = [
        (Method::GET, own.clone()),
        (Method::PUT, own.clone()),
        (Method::DELETE, own.clone()),
        (Method::POST, "/webhooks".to_owned()),
        (Method::POST, "/webhooks/".to_owned()),
        (Method::POST, "/webhooks/xsolla".to_owned()),
        (Method::POST, "/webhooks/xsolla/".to_owned()),
        (Method::POST, "/webhooks/xsolla/x".to_owned()),
        (Method::POST, "/webhooks/xsolla/0".to_owned()),
        (Method::POST, "/webhooks/xsolla/99".to_owned()),
        (Method::POST, format!("{own}/")),
        (Method::POST, format!("{own}/more")),
        (Method::POST, "/webhooks/paypal/271904".to_owned()),
    ];
    for (method, path) in cases {
        let answer = line.send(request(method.clone(), &path)).await;
        assert_eq!(answer.brief(), not_now(), "{method} {path}");
    }
    for path in ["/", "/webhook/xsolla/271904", "/live"] {
        let answer = line.send(request(Method::POST, path)).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    // Signed for one project and posted to the other.
    let answer = line
        .send(request(Method::POST, "/webhooks/xsolla/44056"))
        .await;
    assert_eq!(answer.brief(), (400, "INVALID_SIGNATURE".to_owned()));
}

#[tokio::test]
async fn a_body_too_large_or_too_slow_is_503() {
    let line = Setup::new().serve();
    let large = vec![b' '; 300 * 1024];
    assert_eq!(line.post(&large).await.brief(), not_now());

    let mut slow = TcpStream::connect(line.address).await.unwrap();
    let head = format!(
        "POST /webhooks/xsolla/{PROJECT} HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\n{{"
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = slow.read_to_end(&mut answer);
    tokio::time::timeout(Duration::from_secs(5), reading)
        .await
        .unwrap()
        .unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("SERVER_ERROR"), "{answer}");
    assert!(line.counts(
        "grantline_ingress_requests",
        &["body_too_slow", "unverified"],
        1
    ));
}

#[tokio::test]
async fn a_notice_is_503_while_there_is_no_broker() {
    let line = Setup::new().serve();
    for body in [fixtures::ORDER_PAID_COMBINED, fixtures::REFUND, b"{broken"] {
        assert_eq!(line.post(body).await.brief(), not_now());
    }
    assert!(line.counts(
        "grantline_ingress_requests",
        &["not_queued", "order_paid", "503"],
        1
    ));
}

#[tokio::test]
async fn every_secret_of_both_lists_signs_every_notice() {
    let studio = StudioService::start().await;
    studio.answer("/v1/players", hyper::StatusCode::NO_CONTENT, "");
    let mut setup = Setup::new().asking(&studio);
    setup.project.webhook_secrets = vec![secret("new"), secret("old")];
    setup.project.order_webhook_secrets = vec![secret("order")];
    let line = setup.serve();
    let body = fixtures::USER_VALIDATION;
    for used in ["new", "old", "order", "old"] {
        let answer = line.post_with(body, &[&signature(body, used)]).await;
        assert_eq!(answer.status, 204, "{used}");
    }
    for (slot, count) in [
        ("webhook_secrets.0", 1),
        ("webhook_secrets.1", 2),
        ("order_webhook_secrets.0", 1),
    ] {
        let slot = format!(r#"slot="{slot}""#);
        assert!(
            line.counts("grantline_ingress_signatures", &[&slot], count),
            "{slot}"
        );
    }
}

#[tokio::test]
async fn a_foreign_source_is_503_and_the_header_counts_only_behind_a_proxy() {
    for (sources, proxies, forwarded, status) in [
        ("127.0.0.0/8", 0, "6.6.6.6", 204),
        ("185.30.20.0/24", 0, "185.30.20.9", 503),
        ("185.30.20.0/24", 1, "6.6.6.6, 185.30.20.9", 204),
        ("185.30.20.0/24", 1, "185.30.20.9, 6.6.6.6", 503),
    ] {
        let studio = StudioService::start().await;
        studio.answer("/v1/players", hyper::StatusCode::NO_CONTENT, "");
        let mut setup = Setup::new().asking(&studio);
        setup.config.sources = vec![network(sources)];
        setup.config.proxies = proxies;
        let line = setup.serve();
        let body = fixtures::USER_VALIDATION;
        let mut request = line.notice(body, &[&signature(body, SECRET)]);
        let forwarded = forwarded.parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", forwarded);
        assert_eq!(
            line.send(request).await.status,
            status,
            "{sources} {proxies}"
        );
    }
}

#[tokio::test]
async fn the_deadline_bounds_the_whole_request() {
    let studio = StudioService::start().await;
    studio.hold();
    let mut setup = Setup::new().asking(&studio);
    setup.config.deadline = Duration::from_millis(300);
    setup.project.players.deadline = Duration::from_mins(1);
    let line = setup.serve();
    let asked = Instant::now();
    assert_eq!(line.post(&validation("\"p\"")).await.brief(), not_now());
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
    assert!(line.counts("grantline_ingress_requests", &["too_late"], 1));
}
