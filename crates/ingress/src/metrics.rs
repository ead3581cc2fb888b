//! What is measured about webhooks. No label names a player or an order.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};
use order::ProjectId;

use crate::keyring::SignatureFault;

/// The instruments of the role.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    requests: Counter<u64>,
    answered: Histogram<f64>,
    signatures: Counter<u64>,
    signature_failures: Counter<u64>,
    questions: Counter<u64>,
    other_project: Counter<u64>,
    quarantine: Counter<u64>,
    quarantined: Gauge<u64>,
}

impl Metrics {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_description(description)
                .build()
        };
        Self {
            requests: counter(
                "grantline.ingress.requests",
                "Requests below /webhooks/, by notification type, verdict and status",
            ),
            answered: telemetry::durations(
                meter,
                "grantline.ingress.answered",
                "From a request's head to its answer, by notification type and status",
            ),
            signatures: counter(
                "grantline.ingress.signatures",
                "Signatures that held, by the secret that signed them",
            ),
            signature_failures: counter(
                "grantline.ingress.signature_failures",
                "Signatures that did not hold; what is not kept in quarantine is refused for good",
            ),
            questions: counter(
                "grantline.ingress.questions",
                "Questions, by what became of them",
            ),
            other_project: counter(
                "grantline.ingress.other_project",
                "Notices that name another project than their URL; they will be parked",
            ),
            quarantine: counter(
                "grantline.ingress.quarantine",
                "Webhooks from Xsolla that no secret fits, by what became of them",
            ),
            quarantined: meter
                .u64_gauge("grantline.ingress.quarantined")
                .with_description("Bodies in quarantine, as every process sees them")
                .build(),
        }
    }

    pub(crate) fn answered(&self, kind: &str, verdict: &'static str, status: u16, after: Duration) {
        let kind = KeyValue::new("type", kind.to_owned());
        let status = KeyValue::new("status", i64::from(status));
        self.answered
            .record(after.as_secs_f64(), &[kind.clone(), status.clone()]);
        self.requests
            .add(1, &[kind, KeyValue::new("verdict", verdict), status]);
    }

    pub(crate) fn signed(&self, project: ProjectId, slot: &str) {
        let slot = KeyValue::new("slot", slot.to_owned());
        self.signatures.add(1, &[of(project), slot]);
    }

    pub(crate) fn not_signed(&self, project: ProjectId, fault: SignatureFault) {
        let fault = KeyValue::new("fault", fault.label());
        self.signature_failures.add(1, &[of(project), fault]);
    }

    pub(crate) fn question(
        &self,
        project: ProjectId,
        question: &'static str,
        verdict: &'static str,
    ) {
        self.questions.add(
            1,
            &[
                of(project),
                KeyValue::new("type", question),
                KeyValue::new("verdict", verdict),
            ],
        );
    }

    pub(crate) fn quarantine(&self, project: ProjectId, outcome: &'static str, bodies: u64) {
        let outcome = KeyValue::new("outcome", outcome);
        self.quarantine.add(bodies, &[of(project), outcome]);
    }

    pub(crate) fn quarantined(&self, project: ProjectId, bodies: u64) {
        self.quarantined.record(bodies, &[of(project)]);
    }

    pub(crate) fn other_project(&self, project: ProjectId) {
        self.other_project.add(1, &[of(project)]);
    }
}

fn of(project: ProjectId) -> KeyValue {
    KeyValue::new("project", project.get())
}
