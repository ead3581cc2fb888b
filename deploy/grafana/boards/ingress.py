"""What comes from Xsolla."""

from .panels import dashboard, graph, heatmap, quantile, rate
from .shared import REFUSED


def build():
    return dashboard(
        "ingress",
        "Ingress",
        "What Xsolla sends and asks, what it is answered, and whether the signatures hold.",
        [
            (
                "Webhooks",
                9,
                [
                    graph(
                        "By type",
                        "Webhooks whose signature held, by notification type.",
                        "reqps",
                        [
                            (
                                rate("grantline_ingress_requests_total", "type", 'type!="unverified"'),
                                "{{type}}",
                            )
                        ],
                        stacked=True,
                    ),
                    graph(
                        "By verdict",
                        "What became of every request, with the status it was answered.",
                        "reqps",
                        [
                            (
                                rate("grantline_ingress_requests_total", "verdict, status"),
                                "{{verdict}} {{status}}",
                            )
                        ],
                        (),
                        "acknowledged",
                    ),
                    graph(
                        "Answered 5xx",
                        "These come again. By type and verdict.",
                        "reqps",
                        [
                            (
                                rate("grantline_ingress_requests_total", "type, verdict", 'status=~"5.."'),
                                "{{type}} {{verdict}}",
                            )
                        ],
                        [(0.1, "red")],
                        "acknowledged",
                    ),
                ],
            ),
            (
                "Time",
                9,
                [
                    graph(
                        "Acknowledgement by type, p99",
                        "From a request's head to its answer. Promised: 250 ms.",
                        "s",
                        [(quantile(0.99, "grantline_ingress_answered_seconds", "type"), "{{type}}")],
                        [(0.25, "red")],
                        "acknowledged",
                    ),
                    heatmap(
                        "Acknowledgement",
                        "Where the answers lie.",
                        "grantline_ingress_answered_seconds",
                        'type!="unverified"',
                        "acknowledged",
                    ),
                    graph(
                        "The broker's confirm",
                        "The part of it that is the broker's.",
                        "s",
                        [
                            (quantile(share, "grantline_broker_confirm_seconds"), legend)
                            for share, legend in [(0.5, "p50"), (0.99, "p99")]
                        ],
                        [(0.25, "red")],
                        "broker",
                    ),
                ],
            ),
            (
                "Signatures",
                9,
                [
                    graph(
                        "Good, by secret",
                        "Which secret signs. An exchanged one falls to 0 and may be removed.",
                        "reqps",
                        [
                            (
                                rate("grantline_ingress_signatures_total", "project, slot"),
                                "{{project}} {{slot}}",
                            )
                        ],
                        (),
                        "signatures",
                    ),
                    graph(
                        "Bad, by kind",
                        "What is not kept in quarantine is refused for good.",
                        "reqps",
                        [(rate(REFUSED, "project, fault"), "{{project}} {{fault}}")],
                        [(0.1, "orange")],
                        "signatures",
                    ),
                    graph(
                        "Quarantine",
                        "Bodies that wait for a secret that fits, and what became of others each second.",
                        "short",
                        [
                            (
                                "max by (project) (grantline_ingress_quarantined{@}) or on () vector(0)",
                                "waiting {{project}}",
                            ),
                            (rate("grantline_ingress_quarantine_total", "outcome"), "{{outcome}} /s"),
                        ],
                        [(1, "red")],
                        "quarantine",
                    ),
                ],
            ),
            (
                "Questions, and what is not ours",
                9,
                [
                    graph(
                        "Questions",
                        "By what became of them. Until user_validation is answered nobody can pay.",
                        "reqps",
                        [
                            (
                                rate("grantline_ingress_questions_total", "type, verdict"),
                                "{{type}} {{verdict}}",
                            )
                        ],
                        (),
                        "player-source",
                    ),
                    graph(
                        "Not from Xsolla, or of another project",
                        "Requests for paths, methods and projects that are not served, and notices of another project.",
                        "reqps",
                        [
                            (
                                rate(
                                    "grantline_ingress_requests_total",
                                    "verdict",
                                    'verdict=~"no_such_path|wrong_method|no_such_project|foreign_source"',
                                ),
                                "{{verdict}}",
                            ),
                            (rate("grantline_ingress_other_project_total"), "other_project"),
                        ],
                        (),
                        "stray-requests",
                    ),
                    graph(
                        "Connections",
                        "Open HTTP connections, by listener.",
                        "short",
                        [
                            (
                                "sum by (listener) (grantline_httpd_connections{@})",
                                "{{listener}}",
                            )
                        ],
                        (),
                        "shedding",
                    ),
                ],
            ),
        ],
    )
