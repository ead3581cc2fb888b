"""What players' clients see."""

from .panels import dashboard, graph, quantile, rate
from .shared import burn


def build():
    return dashboard(
        "publisher",
        "Publisher",
        "What players' clients see: connections, pushes, recoveries, polls.",
        [
            (
                "Connections",
                9,
                [
                    graph(
                        "Open",
                        "WebSocket connections, by process.",
                        "short",
                        [("sum by (instance) (grantline_publisher_sockets{@})", "{{instance}}")],
                        (),
                        "sockets",
                        stacked=True,
                    ),
                    graph(
                        "Ended, by close code",
                        "`left` when the client went. Many 3xxx at once is a drain, many 1006 the network.",
                        "cps",
                        [(rate("grantline_publisher_sockets_closed_total", "code"), "{{code}}")],
                        (),
                        "sockets",
                    ),
                    graph(
                        "Refused",
                        "Handshakes beyond max_sockets, and tokens that are not accepted, by kind.",
                        "cps",
                        [
                            (rate("grantline_publisher_sockets_refused_total"), "no room"),
                            (rate("grantline_publisher_bad_tokens_total", "way, fault"), "{{way}} {{fault}}"),
                        ],
                        (),
                        "tokens",
                    ),
                ],
            ),
            (
                "Statuses",
                9,
                [
                    graph(
                        "Pushed",
                        "Status rows handed to clients.",
                        "cps",
                        [(rate("grantline_publisher_pushes_total"), "pushed")],
                    ),
                    graph(
                        "Booked to pushed, p99",
                        "From the commit to the socket, by status. Promised for done and canceled: 2 s.",
                        "s",
                        [
                            (
                                quantile(0.99, "grantline_publisher_booked_to_pushed_seconds", "status"),
                                "{{status}}",
                            )
                        ],
                        [(2, "red")],
                        "pushed",
                    ),
                    burn("pushed"),
                ],
            ),
            (
                "Catching up",
                9,
                [
                    graph(
                        "Recoveries",
                        "Reconnects that asked for missed rows, by whether all could be had.",
                        "cps",
                        [
                            (
                                rate("grantline_publisher_recoveries_total", "recovered"),
                                "recovered {{recovered}}",
                            )
                        ],
                    ),
                    graph(
                        "Streams read",
                        "From the ledger, by cause and outcome.",
                        "cps",
                        [
                            (
                                rate("grantline_publisher_reads_total", "cause, outcome"),
                                "{{cause}} {{outcome}}",
                            )
                        ],
                        (),
                        "ledger",
                    ),
                    graph(
                        "Polls",
                        "Requests of the order-status endpoint, by status.",
                        "reqps",
                        [(rate("grantline_publisher_polls_total", "status"), "{{status}}")],
                        (),
                        "tokens",
                    ),
                ],
            ),
            (
                "Hints",
                9,
                [
                    graph(
                        "Heard",
                        "New status rows heard of, by whether a client was connected for them.",
                        "cps",
                        [
                            (
                                rate("grantline_publisher_hints_total", "concerned"),
                                "concerned {{concerned}}",
                            )
                        ],
                        (),
                        "hints",
                    ),
                    graph(
                        "Lost and repaired",
                        "Hints dropped, times some may have been missed, players found behind and told.",
                        "cps",
                        [
                            (rate("grantline_broker_hints_dropped_total"), "dropped"),
                            (rate("grantline_publisher_hint_gaps_total"), "gaps"),
                            (rate("grantline_publisher_positions_repaired_total"), "repaired"),
                        ],
                        (),
                        "hints",
                    ),
                    graph(
                        "Comparisons of positions",
                        "With the ledger, every half minute, by outcome.",
                        "cps",
                        [(rate("grantline_publisher_position_checks_total", "outcome"), "{{outcome}}")],
                        (),
                        "hints",
                    ),
                ],
            ),
        ],
    )
