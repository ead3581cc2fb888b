"""The screen of a sale night."""

from .panels import dashboard, graph, quantile, rate, stat
from .shared import ACKNOWLEDGED, DEPTH, MONEY, OLDEST, REFUSED, UNGRANTED, backlog, burn, paid_not_granted


def build():
    numbers = [
        stat(
            "Orders in",
            "order_paid accepted, each second.",
            "cps",
            [(rate("grantline_ingress_requests_total", "", 'type="order_paid",verdict="queued"'), "")],
            runbook="no-webhook",
            decimals=1,
        ),
        stat(
            "Acknowledged in time",
            "Signed webhooks answered other than 5xx within 250 ms, of all. Promised: 99.95 %.",
            "percentunit",
            [(ACKNOWLEDGED, "")],
            [],
            "acknowledged",
            2,
        ),
        stat(
            "Webhook to grant",
            "Of 100 order_paid, 99 are booked within this time. Promised: 5 s.",
            "s",
            [
                (
                    quantile(0.99, "grantline_worker_received_to_booked_seconds", "", 'type="order_paid"'),
                    "",
                )
            ],
            [(1, "yellow"), (5, "red")],
            "granted",
        ),
        stat(
            "Backlog",
            "Tasks that wait for a worker.",
            "short",
            [(f"sum({DEPTH})", "")],
            [(1000, "yellow"), (10000, "red")],
            "backlog",
        ),
        stat(
            "Oldest task",
            "How long the first task of any queue has waited.",
            "s",
            [(f"max({OLDEST})", "")],
            [(10, "yellow"), (60, "red")],
            "backlog",
        ),
        stat(
            "Paid, not granted",
            "Orders paid with money that are neither granted nor canceled or refunded.",
            "short",
            [(f"sum({UNGRANTED})", "")],
            [(1, "red")],
            "paid-not-granted",
        ),
        stat(
            "… in money",
            "What was paid for them.",
            "short",
            [(MONEY, "{{currency}}")],
            [(0.01, "red")],
            "paid-not-granted",
            2,
        ),
        stat(
            "Alerts",
            "Firing now, pages and tickets.",
            "short",
            [('count(ALERTS{alertname=~"Grantline.*",alertstate="firing"}) or vector(0)', "")],
            [(1, "red")],
            "README",
        ),
    ]
    # Here red is what is too low.
    numbers[1]["fieldConfig"]["defaults"]["thresholds"]["steps"] = [
        {"color": "red", "value": None},
        {"color": "yellow", "value": 0.999},
        {"color": "green", "value": 0.9995},
    ]
    flow = [
        graph(
            "In, booked, pushed",
            "Notices accepted, notices ended in the ledger, statuses pushed. In above booked fills the backlog.",
            "cps",
            [
                (rate("grantline_ingress_requests_total", "", 'verdict="queued"'), "accepted"),
                (rate("grantline_worker_notices_total"), "booked"),
                (rate("grantline_publisher_pushes_total"), "pushed"),
            ],
        ),
        graph(
            "Answers to Xsolla",
            "By status. 204 is durable; 503 comes again; 400 is a bad signature or an unknown player.",
            "reqps",
            [(rate("grantline_ingress_requests_total", "status"), "{{status}}")],
            (),
            "acknowledged",
            stacked=True,
        ),
        graph(
            "Acknowledgement",
            "From a request's head to its answer. Promised: 250 ms.",
            "s",
            [
                (quantile(share, "grantline_ingress_answered_seconds", "", 'type!="unverified"'), legend)
                for share, legend in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")]
            ],
            [(0.25, "red")],
            "acknowledged",
        ),
    ]
    late = backlog() + [
        graph(
            "Webhook to grant, grant to socket",
            "order_paid received to booked, and `done` or `canceled` booked to pushed. Promised: 5 s, and 2 s.",
            "s",
            [
                (
                    quantile(0.99, "grantline_worker_received_to_booked_seconds", "", 'type="order_paid"'),
                    "granted p99",
                ),
                (
                    quantile(
                        0.99, "grantline_publisher_booked_to_pushed_seconds", "", 'status=~"done|canceled"'
                    ),
                    "pushed p99",
                ),
            ],
            [(5, "red")],
            "granted",
        ),
    ]
    trouble = [
        burn(),
        graph(
            "Signatures that do not hold",
            "By project and kind. `mismatch` beside no good ones is a wrong secret, beside many a forger.",
            "reqps",
            [(rate(REFUSED, "project, fault"), "{{project}} {{fault}}")],
            (),
            "signatures",
        ),
        graph(
            "Parked",
            "What waits for a person, by reason.",
            "short",
            [("max by (reason) (grantline_ledger_parked{@})", "{{reason}}")],
            [(1, "orange")],
            "parked",
            stacked=True,
        ),
    ]
    return dashboard(
        "sale-night",
        "Sale night",
        "Is the sale healthy: orders in, acknowledged, booked, pushed; what waits, and how long.",
        [
            ("Now", 4, numbers),
            ("The line", 9, flow),
            ("What waits", 9, late),
            ("Paid and not granted", 9, paid_not_granted()),
            ("Promises and trouble", 9, trouble),
        ],
    )
