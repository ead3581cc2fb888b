"""From the queues into the ledger."""

from .panels import dashboard, graph, mean, quantile, rate
from .shared import backlog


def build():
    return dashboard(
        "workers",
        "Workers",
        "What is taken from the queues, how it ends, and how long the database takes.",
        [
            (
                "How notices end",
                9,
                [
                    graph(
                        "By outcome",
                        "Booked, a no-op, a repeat, or parked.",
                        "cps",
                        [(rate("grantline_worker_notices_total", "outcome"), "{{outcome}}")],
                        stacked=True,
                    ),
                    graph(
                        "No-ops and parked, by reason",
                        "Why nothing was granted or taken back.",
                        "cps",
                        [
                            (
                                rate(
                                    "grantline_worker_notices_total",
                                    "outcome, reason",
                                    'outcome=~"no_op|parked"',
                                ),
                                "{{outcome}} {{reason}}",
                            )
                        ],
                        (),
                        "parked",
                    ),
                    graph(
                        "Webhook to booked, p99",
                        "From the webhook's last byte to the commit, by type.",
                        "s",
                        [
                            (
                                quantile(0.99, "grantline_worker_received_to_booked_seconds", "type"),
                                "{{type}}",
                            )
                        ],
                        [(5, "red")],
                        "granted",
                    ),
                ],
            ),
            (
                "Queues",
                9,
                backlog()
                + [
                    graph(
                        "Retries",
                        "Notices that wait to be tried again, by queue, and how many are moved there each second.",
                        "short",
                        [
                            (
                                'max by (queue) (grantline_worker_queue_depth{@,queue=~"grantline.retry.*"})',
                                "{{queue}}",
                            ),
                            (rate("grantline_worker_retried_total", "lane"), "{{lane}} /s"),
                        ],
                        (),
                        "retries",
                    ),
                ],
            ),
            (
                "Lanes",
                9,
                [
                    graph(
                        "Consumers",
                        "By queue. None on a work queue pages; retry queues have none.",
                        "short",
                        [
                            (
                                'max by (queue) (grantline_worker_queue_consumers{@,queue!~"grantline.retry.*"})',
                                "{{queue}}",
                            )
                        ],
                        (),
                        "queue-without-consumers",
                    ),
                    graph(
                        "Held, not acknowledged",
                        "Deliveries that workers hold, by queue. Full of them with no booking is a blocked lane.",
                        "short",
                        [
                            (
                                "sum by (queue) (grantline_worker_queue_unacknowledged{@})",
                                "{{queue}}",
                            )
                        ],
                        (),
                        "backlog",
                    ),
                    graph(
                        "Who watches",
                        "1 for the process that reads queues and ledger for everybody.",
                        "short",
                        [("max by (instance) (grantline_worker_watching{@})", "{{instance}}")],
                        (),
                        "poller",
                    ),
                ],
            ),
            (
                "Booking",
                9,
                [
                    graph(
                        "Ledger transaction",
                        "By lane.",
                        "s",
                        [
                            (quantile(0.5, "grantline_worker_booking_seconds", "lane"), "{{lane}} p50"),
                            (quantile(0.99, "grantline_worker_booking_seconds", "lane"), "{{lane}} p99"),
                        ],
                        [(1, "red")],
                        "ledger",
                    ),
                    graph(
                        "Batch",
                        "Notices booked in one transaction, on average.",
                        "short",
                        [(mean("grantline_worker_batch_size", "lane"), "{{lane}}")],
                        decimals=1,
                    ),
                    graph(
                        "Bookings the database could not take",
                        "By lane. The batch is held and tried again, then moved to a retry queue.",
                        "cps",
                        [(rate("grantline_worker_ledger_unavailable_total", "lane"), "{{lane}}")],
                        [(0.1, "red")],
                        "ledger",
                    ),
                ],
            ),
            (
                "Repeats and disagreements",
                9,
                [
                    graph(
                        "Repeats spared the ledger",
                        "By a mark in Redis, by lane.",
                        "cps",
                        [(rate("grantline_worker_spared_total", "lane"), "{{lane}}")],
                        (),
                        "claims",
                    ),
                    graph(
                        "Claims",
                        "What Redis says of notices. Without a Redis there are none.",
                        "cps",
                        [(rate("grantline_claim_claims_total", "outcome"), "{{outcome}}")],
                        (),
                        "claims",
                    ),
                    graph(
                        "Disagreements",
                        "Notices that say other than what was booked, by what they disagree about.",
                        "cps",
                        [(rate("grantline_worker_conflicts_total", "what"), "{{what}}")],
                        (),
                        "conflicts",
                    ),
                ],
            ),
        ],
    )
