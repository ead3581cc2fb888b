"""Servers and processes."""

from .panels import dashboard, graph, quantile, rate, states


def build():
    return dashboard(
        "dependencies",
        "Dependencies",
        "RabbitMQ, PostgreSQL, Redis as every process sees them, and the processes themselves.",
        [
            (
                "There or away",
                9,
                [
                    states(
                        "What each role needs",
                        "As /ready says. Away as soon as one process of the role does not reach it.",
                        [
                            (
                                "min by (role, dependency) (grantline_dependency_available{@})",
                                "{{role}} {{dependency}}",
                            )
                        ],
                        "processes",
                    ),
                    graph(
                        "Processes, by role",
                        "That Prometheus reaches.",
                        "short",
                        [("count by (grantline_role) (target_info{@})", "{{grantline_role}}")],
                        (),
                        "processes",
                        stacked=True,
                    ),
                    graph(
                        "Versions and epochs",
                        "Processes by version and by the ledger's epoch. More than one epoch at a time pages.",
                        "short",
                        [
                            ("count by (version) (grantline_build_info{@})", "version {{version}}"),
                            ("count by (epoch) (grantline_ledger_epoch{@})", "epoch {{epoch}}"),
                        ],
                        (),
                        "epoch",
                    ),
                ],
            ),
            (
                "Broker",
                9,
                [
                    graph(
                        "Confirm",
                        "From handing a message to the broker to its confirm, by process.",
                        "s",
                        [(quantile(0.99, "grantline_broker_confirm_seconds", "instance"), "{{instance}} p99")],
                        [(0.25, "red")],
                        "broker",
                    ),
                    graph(
                        "Not confirmed",
                        "Publishes by why they failed, refusals of full queues, messages without a queue.",
                        "cps",
                        [
                            (rate("grantline_broker_publish_failures_total", "outcome"), "{{outcome}}"),
                            (rate("grantline_broker_refused_total"), "refused by the broker"),
                            (rate("grantline_broker_returned_total"), "without a queue"),
                        ],
                        [(0.1, "red")],
                        "queue-full",
                    ),
                    graph(
                        "Connections and consumers built anew",
                        "By link, and by queue.",
                        "cps",
                        [
                            (rate("grantline_broker_connections_lost_total", "link"), "lost {{link}}"),
                            (rate("grantline_broker_consumers_rebuilt_total", "queue"), "rebuilt {{queue}}"),
                        ],
                        (),
                        "broker",
                    ),
                ],
            ),
            (
                "Database",
                9,
                [
                    graph(
                        "Pool",
                        "Connections in use, idle, and the most there may be, of all processes.",
                        "short",
                        [
                            (
                                "sum by (db_client_connection_pool_name, db_client_connection_state)"
                                " (db_client_connection_count{@})",
                                "{{db_client_connection_pool_name}} {{db_client_connection_state}}",
                            ),
                            (
                                "sum by (db_client_connection_pool_name) (db_client_connection_max{@})",
                                "{{db_client_connection_pool_name}} at most",
                            ),
                        ],
                        (),
                        "pool",
                    ),
                    graph(
                        "Wait for a connection, p99",
                        "By process. The file of the embedded stack has one writer and no such wait.",
                        "s",
                        [
                            (
                                quantile(0.99, "db_client_connection_wait_time_seconds", "instance")
                                + " or on () vector(0)",
                                "{{instance}}",
                            )
                        ],
                        [(1, "red")],
                        "pool",
                    ),
                    graph(
                        "Ledger transaction, p99",
                        "By lane.",
                        "s",
                        [(quantile(0.99, "grantline_worker_booking_seconds", "lane"), "{{lane}}")],
                        [(1, "red")],
                        "ledger",
                    ),
                ],
            ),
            (
                "Redis, and the api",
                9,
                [
                    graph(
                        "Claiming a batch, p99",
                        "Without a Redis there is nothing to see.",
                        "s",
                        [(quantile(0.99, "grantline_claim_take_seconds") + " or on () vector(0)", "p99")],
                        [(0.1, "orange")],
                        "claims",
                    ),
                    graph(
                        "Failed calls",
                        "By kind, and notices whose ids are booked with other contents. The ledger does without.",
                        "cps",
                        [
                            (rate("grantline_claim_failures_total", "failure"), "{{failure}}"),
                            (rate("grantline_claim_conflicts_total"), "conflicts"),
                        ],
                        (),
                        "claims",
                    ),
                    graph(
                        "Api requests",
                        "By caller's key and status.",
                        "reqps",
                        [(rate("grantline_api_requests_total", "key, status"), "{{key}} {{status}}")],
                        (),
                        "api",
                    ),
                    graph(
                        "Api answers, p99",
                        "By path.",
                        "s",
                        [(quantile(0.99, "grantline_api_answered_seconds", "route"), "{{route}}")],
                        [(1, "red")],
                        "api",
                    ),
                ],
            ),
            (
                "Processes",
                9,
                [
                    graph(
                        "Processor",
                        "Cores in use, by process.",
                        "short",
                        [
                            (
                                "sum by (instance) (rate(process_cpu_time_seconds_total{@}[$__rate_interval]))",
                                "{{instance}}",
                            )
                        ],
                        (),
                        "processes",
                        2,
                        True,
                    ),
                    graph(
                        "Memory",
                        "Resident, by process.",
                        "bytes",
                        [("sum by (instance) (process_memory_usage_bytes{@})", "{{instance}}")],
                        (),
                        "processes",
                    ),
                    graph(
                        "Open files",
                        "Sockets among them, by process.",
                        "short",
                        [("sum by (instance) (process_unix_file_descriptor_count{@})", "{{instance}}")],
                        (),
                        "processes",
                    ),
                    graph(
                        "Up since",
                        "Falls to 0 with each start.",
                        "s",
                        [("min by (instance) (process_uptime_seconds{@})", "{{instance}}")],
                        (),
                        "processes",
                    ),
                ],
            ),
            (
                "Runtime",
                9,
                [
                    graph(
                        "Tasks",
                        "Of Tokio, alive, by process.",
                        "short",
                        [("sum by (instance) (grantline_runtime_alive_tasks{@})", "{{instance}}")],
                    ),
                    graph(
                        "Tasks that wait for a thread",
                        "Lasting above 0 means too few threads, or one that is blocked.",
                        "short",
                        [
                            (
                                "sum by (instance) (grantline_runtime_global_queue_depth{@})",
                                "{{instance}}",
                            ),
                            ("sum by (instance) (grantline_runtime_workers{@})", "{{instance}} threads"),
                        ],
                    ),
                    graph(
                        "HTTP connections",
                        "Open, by listener.",
                        "short",
                        [("sum by (listener) (grantline_httpd_connections{@})", "{{listener}}")],
                        (),
                        "shedding",
                        stacked=True,
                    ),
                ],
            ),
        ],
    )
