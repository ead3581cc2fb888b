"""What more than one dashboard shows."""

from .panels import graph, rate

WORK = 'queue=~"grantline.(grant|revoke|record).v1"'
BURN = [(1, "yellow"), (6, "orange"), (14.4, "red")]

# One poller in the cluster tells of queues and ledger; while it moves there may be two.
DEPTH = "max by (namespace, queue) (grantline_worker_queue_depth{@," + WORK + "})"
OLDEST = "max by (queue) (grantline_worker_queue_oldest_seconds{@})"
UNGRANTED = "max by (namespace, project) (grantline_ledger_paid_not_granted{@})"
MONEY = (
    "sum by (currency) (max by (namespace, project, currency)"
    " (grantline_ledger_paid_not_granted_amount{@})) or on () vector(0)"
)
ACKNOWLEDGED = (
    'sum(rate(grantline_ingress_answered_seconds_bucket{@,type!="unverified",status!~"5..",le="0.25"}'
    '[$__rate_interval])) / sum(rate(grantline_ingress_answered_seconds_count{@,type!="unverified"}'
    "[$__rate_interval]))"
)
REFUSED = "grantline_ingress_signature_failures_total"


def burn(slo=None):
    of = f'{{%,slo="{slo}"}}' if slo else "{%}"
    return graph(
        "Room for error: burn rate",
        "1 spends in 30 days exactly what the promise has room for. Pages at 14.4 (over 1 h and 5 min)"
        " and 6 (6 h and 30 min).",
        "short",
        [
            (f"namespace:grantline_slo_burn:ratio5m{of}", "{{slo}} 5 min"),
            (f"namespace:grantline_slo_burn:ratio1h{of}", "{{slo}} 1 h"),
        ],
        BURN,
        decimals=1,
    )


def paid_not_granted():
    return [
        graph(
            "Paid, not granted",
            "Orders paid with money that are neither granted nor canceled or refunded, by project.",
            "short",
            [(f"sum by (project) ({UNGRANTED})", "project {{project}}")],
            [(1, "red")],
            "paid-not-granted",
        ),
        graph(
            "Paid, not granted: money",
            "The same orders by what was paid for them, in each currency.",
            "short",
            [(MONEY, "{{currency}}")],
            [(0.01, "red")],
            "paid-not-granted",
            2,
        ),
        graph(
            "Paid, not granted: the oldest",
            "How long the first of them has waited. Pages at 10 minutes.",
            "s",
            [
                (
                    "max by (project) (grantline_ledger_paid_not_granted_oldest_seconds{@})",
                    "project {{project}}",
                )
            ],
            [(600, "red")],
            "paid-not-granted",
        ),
    ]


def backlog():
    return [
        graph(
            "Backlog",
            "Tasks that wait for a worker, by queue. Retry queues are on Workers.",
            "short",
            [(f"max by (queue) ({DEPTH})", "{{queue}}")],
            (),
            "backlog",
            stacked=True,
        ),
        graph(
            "Oldest task",
            "How long the first task of each queue has waited. Pages at 60 s for grants and revokes.",
            "s",
            [(OLDEST, "{{queue}}")],
            [(60, "red")],
            "backlog",
        ),
    ]
