"""What is taken back, and what waits for a person."""

from .panels import dashboard, graph, quantile, rate
from .shared import burn, paid_not_granted


def build():
    back = 'type=~"refund|partial_refund|order_canceled|dispute|afs_reject|ps_declined"'
    return dashboard(
        "refunds-and-parked",
        "Refunds and parked",
        "What is taken back, and what waits for a person.",
        [
            (
                "Taken back",
                9,
                [
                    graph(
                        "Refunds, cancellations, disputes",
                        "By type and how they ended.",
                        "cps",
                        [
                            (
                                rate("grantline_worker_notices_total", "type, outcome", back),
                                "{{type}} {{outcome}}",
                            )
                        ],
                        (),
                        "revoked",
                    ),
                    graph(
                        "Cancellation to taken back",
                        "From the webhook's last byte to the commit. Promised: 60 s.",
                        "s",
                        [
                            (
                                quantile(
                                    share,
                                    "grantline_worker_received_to_booked_seconds",
                                    "",
                                    'type="order_canceled"',
                                ),
                                legend,
                            )
                            for share, legend in [(0.5, "p50"), (0.99, "p99")]
                        ],
                        [(60, "red")],
                        "revoked",
                    ),
                    graph(
                        "Disputes of a day, per order",
                        "Card schemes act above 1 %.",
                        "percentunit",
                        [
                            (
                                'sum(increase(grantline_worker_notices_total{@,type="dispute",outcome!="repeat"}[1d]))'
                                ' / sum(increase(grantline_worker_notices_total{@,type="order_paid",outcome="booked"}[1d]))'
                                " or on () vector(0)",
                                "disputed",
                            )
                        ],
                        [(0.01, "red")],
                        "disputes",
                        2,
                    ),
                ],
            ),
            (
                "Parked",
                9,
                [
                    graph(
                        "Waiting, by reason",
                        "`grantline parked` lists them.",
                        "short",
                        [("max by (reason) (grantline_ledger_parked{@})", "{{reason}}")],
                        [(1, "orange")],
                        "parked",
                        stacked=True,
                    ),
                    graph(
                        "The oldest, by reason",
                        "Promised: 15 minutes.",
                        "s",
                        [("max by (reason) (grantline_ledger_parked_oldest_seconds{@})", "{{reason}}")],
                        [(900, "red")],
                        "parked",
                    ),
                    graph(
                        "Coming in, by reason",
                        "Each second.",
                        "cps",
                        [
                            (
                                rate("grantline_worker_notices_total", "reason", 'outcome="parked"'),
                                "{{reason}}",
                            )
                        ],
                        (),
                        "parked",
                    ),
                ],
            ),
            ("Paid and not granted", 9, paid_not_granted()),
            (
                "Owed, and disagreements",
                9,
                [
                    graph(
                        "Owed",
                        "Booked and not yet delivered or taken back, by direction and state.",
                        "short",
                        [
                            (
                                "max by (direction, state) (grantline_ledger_obligations{@})",
                                "{{direction}} {{state}}",
                            )
                        ],
                        (),
                        "obligations",
                        stacked=True,
                    ),
                    graph(
                        "Owed: the oldest",
                        "Pages at 10 minutes.",
                        "s",
                        [
                            (
                                "max by (direction) (grantline_ledger_obligations_oldest_seconds{@})",
                                "{{direction}}",
                            )
                        ],
                        [(600, "red")],
                        "obligations",
                    ),
                    graph(
                        "Disagreements",
                        "Notices that say other than what was booked, by type.",
                        "cps",
                        [
                            (
                                rate("grantline_worker_conflicts_total", "type, what"),
                                "{{type}} {{what}}",
                            )
                        ],
                        (),
                        "conflicts",
                    ),
                ],
            ),
            ("Promises", 9, [burn("parked"), burn("revoked")]),
        ],
        since="now-6h",
    )
