//! A webhook secret that was exchanged at Xsolla before it was here.

use std::fs;
use std::path::PathBuf;

use hyper::{Method, StatusCode};
use secret::Secret;
use xsolla::signature::authorization_header;

use crate::harness::{Line, PROJECT, Setup, Stack, eventually, on_both_stacks, project};
use crate::notices;

on_both_stacks!(a_secret_exchanged_too_late_delays_every_order_and_grants_each_once_by_itself,);

const NEW: &str = "webhook-secret-after-the-exchange";
const ORDERS: i64 = 20;

/// Removed at the test's end.
struct File(PathBuf);

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Two copies of the ingress keep the same notices, and each replays all of them when the
/// secret's file is put right.
async fn a_secret_exchanged_too_late_delays_every_order_and_grants_each_once_by_itself(
    stack: Stack,
) {
    let name = format!("secret-exchange-{}-{stack:?}", std::process::id());
    let file = File(std::env::temp_dir().join(name));
    fs::write(&file.0, "webhook-secret-before-it").unwrap();
    let line = Line::start_with(Setup {
        stack,
        sources: vec!["127.0.0.1".parse().unwrap()],
        more_ingresses: 1,
        webhook_secret_file: Some(file.0.clone()),
        quarantine: ingress::Quarantine {
            enabled: true,
            key: Some(Secret::inline("c0ffee00".repeat(8)).unwrap()),
            ..ingress::Quarantine::default()
        },
        ..Setup::default()
    })
    .await;
    let path = format!("/webhooks/xsolla/{PROJECT}");
    for order in 1..=ORDERS {
        let body = notices::order_paid(order, 100 + order, "mira").to_string();
        let signed = authorization_header(body.as_bytes(), NEW.as_bytes());
        for ingress in [line.ingress, line.more_ingresses[0]] {
            let headers = [("authorization", signed.as_str())];
            let answer = line
                .send(Method::POST, ingress, &path, &headers, body.clone())
                .await;
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        }
    }
    let kept = async || line.ledger().quarantine_size(project()).await.unwrap();
    assert_eq!(kept().await, u64::try_from(ORDERS).unwrap());
    assert!(line.inventory("mira").await.is_empty());

    fs::write(&file.0, NEW).unwrap();
    let all = [format!("blade×{}", 2 * ORDERS)];
    eventually("all granted", async || line.inventory("mira").await == all).await;
    eventually("nothing kept", async || kept().await == 0).await;
    line.queues_are_empty().await;
    assert_eq!(line.inventory("mira").await, all);
    assert!(line.parked().await.is_empty());
    line.stop().await;
}
