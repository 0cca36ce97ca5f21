"""The words and units of the detector's presets, for the texts of alerts.

The presets themselves belong to the detector, which rules do not know; a test compares the two.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measure:
    """What a query of a preset measures; `unit` is of its values."""

    words: str
    unit: str


# How values of a unit are written: a template function that takes the value. Others get their unit behind.
FORMATS = {
    "ratio": "humanizePercentage",
    "seconds": "humanizeDuration",
    "bytes": "humanize1024 | printf `%sB`",
    "bytes/s": "humanize1024 | printf `%sB/s`",
}

# By alias, without the queries that have a rule each (`anomaly.QUANTITIES`).
MEASURES: Mapping[str, Measure] = {
    "latency_p99": Measure("latency of a service, p99", "seconds"),
    "active_requests": Measure("requests being served", "requests"),
    "exception_rate": Measure("exceptions of a service", "exceptions/s"),
    "node_cpu_used": Measure("CPU used", "ratio"),
    "node_load_per_cpu": Measure("load per CPU, 5 minutes", "processes"),
    "node_memory_available": Measure("memory available", "ratio"),
    "node_disk_free": Measure("disk space free", "ratio"),
    "node_inodes_free": Measure("inodes free", "ratio"),
    "node_cpu_iowait": Measure("CPU waiting for disks", "ratio"),
    "node_disk_busy": Measure("busiest disk's time in use", "ratio"),
    "node_major_faults": Measure("major page faults", "faults/s"),
    "node_network_receive": Measure("network received", "bytes/s"),
    "node_network_transmit": Measure("network sent", "bytes/s"),
    "node_network_errors": Measure("network errors", "errors/s"),
    "node_file_descriptors": Measure("file descriptors open", "descriptors"),
    "pg_connections": Measure("PostgreSQL: connections", "connections"),
    "pg_active_connections": Measure("PostgreSQL: connections that run a statement", "connections"),
    "pg_idle_in_transaction": Measure("PostgreSQL: connections idle in a transaction", "connections"),
    "pg_blocked_sessions": Measure("PostgreSQL: sessions that wait for another's lock", "sessions"),
    "pg_longest_transaction": Measure("PostgreSQL: longest transaction", "seconds"),
    "pg_commit_rate": Measure("PostgreSQL: transactions committed", "transactions/s"),
    "pg_rollback_ratio": Measure("PostgreSQL: share of transactions rolled back", "ratio"),
    "pg_replication_lag": Measure("PostgreSQL: replication lag", "seconds"),
    "pg_deadlocks": Measure("PostgreSQL: deadlocks", "deadlocks/s"),
    "pg_cache_miss_ratio": Measure("PostgreSQL: cache miss ratio of a database", "ratio"),
    "pg_rows_returned": Measure("PostgreSQL: rows read by a database", "rows/s"),
    "pg_temp_bytes": Measure("PostgreSQL: temporary files of a database", "bytes/s"),
    "pg_locks": Measure("PostgreSQL: locks by mode", "locks"),
    "pg_database_size": Measure("PostgreSQL: size of a database", "bytes"),
    "sql_business_value": Measure("data: number that a business query gives", "units"),
    "sql_sync_lag": Measure("data: lag of a copy", "seconds"),
    "sql_check_duration": Measure("data: duration of a check", "seconds"),
    "queue_depth": Measure("messages waiting in a queue", "messages"),
    "queue_oldest_age": Measure("age of the oldest waiting message", "seconds"),
    "queue_arrival_rate": Measure("messages published", "messages/s"),
    "queue_completion_rate": Measure("messages finished", "messages/s"),
    "queue_failure_rate": Measure("messages given up", "messages/s"),
    "rabbitmq_ready": Measure("RabbitMQ messages ready", "messages"),
    "rabbitmq_unacked": Measure("RabbitMQ messages taken and not acknowledged", "messages"),
    "rabbitmq_consumers": Measure("RabbitMQ consumers", "consumers"),
    "kafka_consumer_lag": Measure("Kafka consumer lag", "messages"),
    "kafka_message_rate": Measure("Kafka messages produced", "messages/s"),
    "redis_memory_used": Measure("Redis memory", "bytes"),
    "redis_clients": Measure("Redis clients", "connections"),
    "redis_command_rate": Measure("Redis commands", "commands/s"),
    "redis_miss_ratio": Measure("Redis cache miss ratio", "ratio"),
    "redis_eviction_rate": Measure("Redis keys evicted", "keys/s"),
    "job_duration": Measure("duration of a job's newest run", "seconds"),
    "job_successes": Measure("successful runs in 25 hours", "runs"),
    "cronjob_successes": Measure("successful runs of a CronJob in 25 hours", "runs"),
    "pushes": Measure("pushes of a job to the Pushgateway in 25 hours", "runs"),
    "log_error_rate": Measure("error lines", "lines/s"),
    "log_line_rate": Measure("log lines", "lines/s"),
    "log_new_templates": Measure("new forms of error messages in 15 minutes", "templates"),
    "business_event_rate": Measure("business: events by outcome", "events/s"),
    "business_failure_ratio": Measure("business: share of events that failed", "ratio"),
    "signin_attempt_rate": Measure("sign-in: attempts", "attempts/s"),
    "signin_failure_rate": Measure("sign-in: failed attempts", "attempts/s"),
    "signin_failure_ratio": Measure("sign-in: share of attempts that fail", "ratio"),
    "frontend_lcp": Measure("largest contentful paint of a page, p75", "seconds"),
    "frontend_inp": Measure("interaction to next paint of a page, p75", "seconds"),
    "frontend_cls": Measure("cumulative layout shift of a page, p75", "points"),
    "frontend_views": Measure("views of a page", "views/s"),
    "frontend_fcp": Measure("first contentful paint of a page, p75", "seconds"),
    "frontend_ttfb": Measure("time to first byte of a page, p75", "seconds"),
    "dependency_probe_success": Measure("share of a dependency's probes that succeed", "ratio"),
    "dependency_probe_duration": Measure("duration of a dependency's probes, median", "seconds"),
    "dependency_check_success": Measure("share of time that a dependency's check succeeds", "ratio"),
    "dependency_check_duration": Measure("duration of a dependency's check, median", "seconds"),
    "client_error_ratio": Measure("error ratio of outgoing calls by server", "ratio"),
    "client_latency_p95": Measure("latency of outgoing calls by server, p95", "seconds"),
}
