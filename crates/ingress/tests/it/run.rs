//! How the role starts and stops.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use httpd::{Listener, Readiness};
use hyper::StatusCode;
use ingress::{Config, Deps, PlayersSource, Project, StartError};
use lifecycle::{Lifecycle, Verdict};
use telemetry::Telemetry;
use testkit::StudioService;
use tokio::net::TcpStream;

use crate::line::{Setup, project_id, validation};

pub(crate) async fn start(setup: Setup) -> Result<(), StartError> {
    let lifecycle = Lifecycle::new();
    lifecycle.drain();
    let meter = Telemetry::quiet().meter("ingress");
    let deps = Deps {
        broker: broker::Broker::connect(setup.broker, "ingress", &meter),
        ledger: setup.ledger,
        meter,
        readiness: Readiness::new(&lifecycle),
    };
    let listener = Listener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let projects = BTreeMap::from([(project_id(), setup.project)]);
    ingress::run(Config::default(), projects, deps, listener, &lifecycle).await
}

#[tokio::test]
async fn a_project_that_could_only_refuse_does_not_start() {
    let with = |change: fn(&mut Project)| {
        let mut setup = Setup::new();
        change(&mut setup.project);
        start(setup)
    };
    assert!(with(|_| {}).await.is_ok());
    let no_secret = with(|project| project.webhook_secrets.clear()).await;
    assert!(matches!(no_secret, Err(StartError::NoSecret { .. })));
    let no_studio = with(|project| project.players.source = PlayersSource::Studio).await;
    assert!(matches!(no_studio, Err(StartError::NoStudio { .. })));
    let no_url = with(|project| {
        project.studio = serde_json::from_str(r#"{"url": "http://a b"}"#).ok();
    })
    .await;
    assert!(matches!(no_url, Err(StartError::StudioUrl { .. })));
}

/// A drain closes the listener first and then waits for what is in a handler.
#[tokio::test]
async fn a_question_under_way_is_answered_through_a_drain() {
    let studio = StudioService::start().await;
    studio.answer("/v1/players", StatusCode::NO_CONTENT, "");
    studio.hold();
    let mut setup = Setup::new().asking(&studio);
    setup.project.players.deadline = Duration::from_secs(20);
    setup.config.deadline = Duration::from_secs(20);
    let line = setup.serve();
    assert!(line.readiness.report().ready);
    let body = validation("\"mira\"");
    let asking = line.post(&body);
    let draining = async {
        while studio.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        line.lifecycle.drain();
        while TcpStream::connect(line.address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        studio.release();
    };
    let (answer, ()) = tokio::join!(asking, draining);
    assert_eq!(answer.status, 204);
    assert!(!line.readiness.report().ready);
    assert_eq!(line.stop().await, Verdict::Finished);
}

#[tokio::test]
async fn the_role_is_ready_without_a_broker_and_says_so() {
    let line = Setup::new().serve();
    let seen = async {
        loop {
            let report = line.readiness.report();
            let broker = report.check("ingress.broker").cloned();
            if let Some(broker) = broker
                && broker
                    .reason
                    .as_ref()
                    .is_some_and(|reason| reason.starts_with("down"))
            {
                return report.ready;
            }
            tokio::task::yield_now().await;
        }
    };
    let ready = tokio::time::timeout(Duration::from_secs(10), seen).await;
    assert!(ready.unwrap());
}
