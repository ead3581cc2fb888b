//! What is measured about webhooks. No label names a player or an order.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};
use order::ProjectId;

use crate::keyring::SignatureFault;

/// What may become of a webhook that no secret fits.
const QUARANTINE_OUTCOMES: [&str; 8] = [
    "kept",
    "repeated",
    "question",
    "full",
    "failed",
    "replayed",
    "unreadable",
    "expired",
];

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
        let counter = |name: &'static str, unit: &'static str, description: &'static str| {
            meter
                .u64_counter(name)
                .with_unit(unit)
                .with_description(description)
                .build()
        };
        Self {
            requests: counter(
                "grantline.ingress.requests",
                "{request}",
                "Requests below /webhooks/, by notification type, verdict and status",
            ),
            answered: telemetry::durations(
                meter,
                "grantline.ingress.answered",
                "From a request's head to its answer, by notification type and status",
            ),
            signatures: counter(
                "grantline.ingress.signatures",
                "{signature}",
                "Signatures that held, by the secret that signed them",
            ),
            signature_failures: counter(
                "grantline.ingress.signature_failures",
                "{signature}",
                "Signatures that did not hold; what is not kept in quarantine is refused for good",
            ),
            questions: counter(
                "grantline.ingress.questions",
                "{question}",
                "Questions, by what became of them",
            ),
            other_project: counter(
                "grantline.ingress.other_project",
                "{notice}",
                "Notices that name another project than their URL; they will be parked",
            ),
            quarantine: counter(
                "grantline.ingress.quarantine",
                "{notice}",
                "Webhooks from Xsolla that no secret fits, by what became of them",
            ),
            quarantined: meter
                .u64_gauge("grantline.ingress.quarantined")
                .with_unit("{notice}")
                .with_description("Bodies in quarantine, as every process sees them")
                .build(),
        }
    }

    /// Lets the series of a project whose first increase somebody waits for begin at 0.
    pub(crate) fn begin<'a>(&self, project: ProjectId, slots: impl Iterator<Item = &'a str>) {
        for slot in slots {
            let slot = KeyValue::new("slot", slot.to_owned());
            self.signatures.add(0, &[of(project), slot]);
        }
        for fault in SignatureFault::LABELS {
            let fault = KeyValue::new("fault", fault);
            self.signature_failures.add(0, &[of(project), fault]);
        }
        for outcome in QUARANTINE_OUTCOMES {
            self.quarantine(project, outcome, 0);
        }
        self.quarantined(project, 0);
        self.other_project.add(0, &[of(project)]);
        // The two answers to a paid order that count: taken, and to be asked for again.
        for (verdict, status) in [("queued", 204_i64), ("not_queued", 503)] {
            let labels = [
                KeyValue::new("type", "order_paid"),
                KeyValue::new("verdict", verdict),
                KeyValue::new("status", status),
            ];
            self.requests.add(0, &labels);
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
