//! What stands in the logs, and what never does.

use std::io;
use std::sync::{Arc, Mutex};

use hyper::StatusCode;
use testkit::StudioService;
use tracing_subscriber::fmt::MakeWriter;
use xsolla::signature::authorization_header;

use crate::line::{SECRET, Setup, network, secret};

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Captured {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

const QUARANTINE_KEY: &str = "decafbad00112233445566778899aabbccddeeff0123456789abcdeffedcba98";

/// Everything personal or secret that the requests below hold.
const CANARIES: [&str; 8] = [
    "canary-player",
    "canary@example.net",
    "203.0.113.77",
    "Canary Falk",
    "canary-public",
    SECRET,
    "studio-key-9",
    QUARANTINE_KEY,
];

const USER: &str = r#""user":{"id":"canary-player","external_id":"canary-player","email":"canary@example.net","ip":"203.0.113.77","name":"Canary Falk","public_id":"canary-public"}"#;

/// Captures every level of every crate on this test's thread, and walks through every kind
/// of outcome.
#[tokio::test]
async fn nothing_personal_or_secret_is_logged_at_any_level() {
    let captured = Captured::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(captured.clone())
        .finish();
    let _captured = tracing::subscriber::set_default(subscriber);
    let studio = StudioService::start().await;
    let mut setup = Setup::new().asking(&studio);
    setup.config.sources = vec![network("127.0.0.1")];
    setup.project.quarantine.enabled = true;
    setup.project.quarantine.key = Some(secret(QUARANTINE_KEY));
    let line = setup.serve();

    let order = format!(r#"{{"notification_type":"order_paid","order":{{"id":731}},{USER}}}"#);
    let check = format!("{{{USER}}}");
    let mut signatures = Vec::new();
    for status in [
        StatusCode::OK,
        StatusCode::NOT_FOUND,
        StatusCode::BAD_GATEWAY,
    ] {
        studio.answer("/v1/players", status, format!("{{{USER}}}"));
        for kind in ["user_validation", "user_search", "get_pincode"] {
            let body = format!(r#"{{"notification_type":"{kind}",{USER}}}"#);
            line.post(body.as_bytes()).await;
            signatures.push(authorization_header(body.as_bytes(), SECRET.as_bytes()));
        }
    }
    line.post(order.as_bytes()).await;
    signatures.push(authorization_header(order.as_bytes(), SECRET.as_bytes()));
    line.post_with(order.as_bytes(), &["Signature canary-player"])
        .await;
    let wrong = authorization_header(order.as_bytes(), b"wrong secret");
    line.post_with(order.as_bytes(), &[&wrong]).await;
    signatures.push(wrong);
    line.post_with(check.as_bytes(), &[]).await;
    line.post(b"{canary-player").await;

    let log = captured.text();
    for canary in CANARIES {
        assert!(!log.contains(canary), "{canary} in the log:\n{log}");
    }
    for signature in signatures {
        let digits = signature.split_once(' ').unwrap().1;
        assert!(!log.contains(digits), "a signature in the log:\n{log}");
    }
    let lines = |text: &str| log.lines().filter(|line| line.contains(text)).count();
    assert_eq!(lines("Question answered"), 4, "{log}");
    assert_eq!(lines("Signature refused"), 1);
    assert_eq!(lines("No secret fits a webhook from Xsolla"), 1);
    let held_back = lines("Ended like others before");
    assert_eq!(lines("Webhook not served") + held_back, 8, "{log}");
    let refused = log
        .lines()
        .find(|line| line.contains("order.id=731"))
        .unwrap();
    for field in [
        "project=271904",
        "notice.kind=\"order_paid\"",
        "secret.slot=\"webhook_secrets.0\"",
        "verdict=\"not_queued\"",
        "status=503",
        "request.id=",
        "message.id=",
        "ms=",
    ] {
        assert!(refused.contains(field), "{field} not in {refused}");
    }
}
