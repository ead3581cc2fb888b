use broker::{Config, Link, State, Topology, TopologyError};
use hyper::Method;
use secret::Secret;
use serde_json::json;
use testkit::{RabbitMq, Vhost};

use crate::{start, wait_for};

async fn faults(vhost: &Vhost) -> Vec<String> {
    let faults = Topology::check(&vhost.config()).await.expect("an answer");
    faults.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn declaring_twice_is_quiet_and_leaves_nothing_to_find() {
    let vhost = RabbitMq::empty_vhost().await;
    let config = vhost.config();
    let new = Topology::declare(&config).await.unwrap();
    assert!(
        new.contains(&"queue grantline.retry.10m.v1".to_owned()),
        "{new:?}"
    );
    assert_eq!(
        Topology::declare(&config).await.unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(faults(&vhost).await, Vec::<String>::new());
}

#[tokio::test]
async fn check_names_whatever_is_missing() {
    let vhost = RabbitMq::vhost().await;
    for (what, rest) in [
        ("queues", "grantline.retry.1h.v1"),
        ("exchanges", "grantline.hints.v1"),
        ("policies", "grantline.parked.v1"),
        (
            "bindings",
            "e/grantline.tasks.v1/q/grantline.record.v1/record",
        ),
    ] {
        assert!(
            vhost
                .call_api(Method::DELETE, what, rest, None)
                .await
                .is_some()
        );
    }
    let found = faults(&vhost).await;
    let missing = |fault: &String| {
        let (object, rest) = fault.split_once(": missing, expected ").unwrap();
        assert!(rest.ends_with(": run `grantline migrate`"), "{fault}");
        object.to_owned()
    };
    assert_eq!(
        found.iter().map(missing).collect::<Vec<_>>(),
        [
            "policy grantline.parked.v1",
            "exchange grantline.hints.v1",
            "queue grantline.retry.1h.v1",
            "binding grantline.tasks.v1 → grantline.record.v1",
            "binding grantline.retry.1h.v1 → grantline.retry.1h.v1",
        ]
    );
    assert!(found[3].contains("expected routing key `record`"));
    Topology::declare(&vhost.config()).await.unwrap();
    assert_eq!(faults(&vhost).await, Vec::<String>::new());
}

#[tokio::test]
async fn check_names_a_policy_that_was_changed_and_declaring_mends_it() {
    let vhost = RabbitMq::vhost().await;
    let mut config = vhost.config();
    config.delivery_limit = 7.try_into().unwrap();
    let found = Topology::check(&config).await.unwrap();
    assert_eq!(found.len(), 3, "{found:?}");
    assert_eq!(found[0].object, "policy grantline.grant.v1");
    assert!(
        found[0].found.contains("\"delivery-limit\":7"),
        "{}",
        found[0]
    );
    Topology::declare(&config).await.unwrap();
    assert_eq!(Topology::check(&config).await.unwrap(), []);
}

#[tokio::test]
async fn check_names_a_foreign_policy_that_took_over() {
    let vhost = RabbitMq::vhost().await;
    let theirs = json!({ "max-length": 10 });
    vhost.set_policy("theirs", "^grantline.grant", theirs).await;
    let expected = "queue grantline.grant.v1: follows policy `theirs`, \
                    expected `grantline.grant.v1`: give ours priority";
    // RabbitMQ counts every five seconds which policy is in force.
    let mut found = faults(&vhost).await;
    for _ in 0..100 {
        if !found.is_empty() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        found = faults(&vhost).await;
    }
    assert_eq!(found, [expected]);
}

#[tokio::test]
async fn a_queue_of_another_type_is_named_and_never_replaced() {
    let vhost = RabbitMq::empty_vhost().await;
    let classic = json!({ "durable": true, "arguments": { "x-queue-type": "classic" } });
    let name = "grantline.revoke.v1";
    vhost
        .call_api(Method::PUT, "queues", name, Some(classic))
        .await;
    let refused = Topology::declare(&vhost.config()).await.unwrap_err();
    assert!(
        matches!(refused, TopologyError::Differs { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains(name), "{refused}");
    let found = faults(&vhost).await;
    let theirs = found
        .iter()
        .find(|fault| fault.contains("queue grantline.revoke.v1"));
    assert!(theirs.unwrap().contains("classic"), "{theirs:?}");
}

#[tokio::test]
async fn what_is_wrong_with_the_management_api_is_said_without_the_password() {
    let vhost = RabbitMq::empty_vhost().await;
    let secret = |url: &str| Secret::inline(url).unwrap();
    let api = vhost.config().management_url.unwrap();
    let place = api.reveal().split_once("://").unwrap().1.to_owned();
    let with_api = |url: &str| Config {
        management_url: Some(secret(url)),
        ..vhost.config()
    };

    let fault = Topology::declare(&with_api(&format!("http://ann:canary@{place}"))).await;
    let fault = fault.unwrap_err();
    assert!(matches!(fault, TopologyError::Refused { .. }), "{fault:?}");
    assert!(fault.to_string().contains("`ann`"), "{fault}");
    assert!(
        !format!("{fault} {fault:?}").contains("canary"),
        "{fault:?}"
    );

    let fault = Topology::check(&with_api("http://127.0.0.1:1"))
        .await
        .unwrap_err();
    assert!(
        matches!(fault, TopologyError::Unreachable { .. }),
        "{fault:?}"
    );
    assert!(
        fault.to_string().contains("broker.management_url"),
        "{fault}"
    );

    let fault = Topology::check(&with_api("ftp://ann:canary@host"))
        .await
        .unwrap_err();
    assert!(matches!(fault, TopologyError::Address(_)), "{fault:?}");
    assert!(
        !format!("{fault} {fault:?}").contains("canary"),
        "{fault:?}"
    );

    let elsewhere = Config {
        url: secret(&format!("{}x", vhost.url())),
        ..vhost.config()
    };
    let fault = Topology::declare(&elsewhere).await.unwrap_err();
    assert!(matches!(fault, TopologyError::NoVhost { .. }), "{fault:?}");
}

#[tokio::test]
async fn a_role_without_its_topology_says_so_and_starts_when_it_is_there() {
    let vhost = RabbitMq::empty_vhost().await;
    let broker = start(vhost.config());
    let _hints = broker.hints();
    let is_missing = |link: &Link| {
        let reason = link.reason().unwrap_or_default();
        reason.contains("is missing in virtual host") && reason.contains("run `grantline migrate`")
    };
    let both = |state: &State| is_missing(&state.publishing) && is_missing(&state.consuming);
    wait_for(&broker, "missing", both).await;
    Topology::declare(&vhost.config()).await.unwrap();
    wait_for(&broker, "connected", State::is_healthy).await;
    broker.close().await;
}

#[tokio::test]
async fn a_wrong_password_is_named_and_not_shown() {
    let vhost = RabbitMq::empty_vhost().await;
    let (scheme, rest) = vhost.url().split_once("://").unwrap();
    let (_, place) = rest.rsplit_once('@').unwrap();
    let url = format!("{scheme}://ann:canary@{place}");
    let broker = start(Config::at(Secret::inline(url).unwrap()));
    let refused = |state: &State| {
        let reason = state.publishing.reason().unwrap_or_default();
        reason.contains("ACCESS_REFUSED")
    };
    let state = wait_for(&broker, "refused", refused).await;
    assert!(!format!("{state:?}").contains("canary"), "{state:?}");
    broker.close().await;
}
