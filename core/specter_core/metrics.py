"""The metric vocabulary: the one place where a metric is named.

Exporters create metrics from these, recording rules, alerts, dashboards and the
demo's history refer to them, so a rename is one edit. Names follow Prometheus'
naming rules and, for HTTP, OpenTelemetry's semantic conventions as Prometheus
spells them.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "info"]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric family as it is exposed.

    `name` is the family's name as queried: counters end in `_total`, an info
    metric in `_info`. `labels` are the names the exporter sets itself.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def bucket(self) -> str:
        """The cumulative bucket series of a histogram."""
        return f"{self.name}_bucket"

    @property
    def count(self) -> str:
        """The observation count of a histogram."""
        return f"{self.name}_count"

    @property
    def sum(self) -> str:
        """The sum of observations of a histogram."""
        return f"{self.name}_sum"


# OpenTelemetry HTTP semantic conventions 1.23+, "explicit bucket boundaries advice".
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)

# Ours: the conventions give none for sizes.
SIZE_BUCKETS = (100.0, 1e3, 1e4, 1e5, 1e6, 1e7)

METHOD = "http_request_method"
ROUTE = "http_route"
STATUS = "http_response_status_code"
SERVER_ADDRESS = "server_address"
ERROR_TYPE = "error_type"
EXCEPTION = "exception"
SERVICE = "service"
SERVICE_VERSION = "service_version"

HTTP_SERVER_REQUEST_DURATION = Metric(
    "http_server_request_duration_seconds",
    "histogram",
    "Duration of HTTP server requests, until the last byte of the response is handed to the server.",
    (METHOD, ROUTE, STATUS),
    DURATION_BUCKETS,
)
HTTP_SERVER_ACTIVE_REQUESTS = Metric(
    "http_server_active_requests",
    "gauge",
    "HTTP server requests that are being served.",
    (METHOD,),
)
HTTP_SERVER_EXCEPTIONS = Metric(
    "specter_http_server_exceptions_total",
    "counter",
    "Exceptions that escaped a request handler, by class; "
    "classes beyond a limit (50 by default) count as `other`.",
    (ROUTE, EXCEPTION),
)
HTTP_SERVER_ROUTE_OVERFLOW = Metric(
    "specter_http_server_route_overflow_total",
    "counter",
    "Requests counted under the route `other`, because as many routes as allowed have series already.",
)
HTTP_CLIENT_REQUEST_DURATION = Metric(
    "http_client_request_duration_seconds",
    "histogram",
    "Duration of HTTP client requests.",
    (METHOD, SERVER_ADDRESS, STATUS, ERROR_TYPE),
    DURATION_BUCKETS,
)
HTTP_SERVER_REQUEST_BODY_SIZE = Metric(
    "http_server_request_body_size_bytes",
    "histogram",
    "Size of the bodies of HTTP server requests that have one, as it was sent.",
    (METHOD, ROUTE),
    SIZE_BUCKETS,
)
HTTP_SERVER_RESPONSE_BODY_SIZE = Metric(
    "http_server_response_body_size_bytes",
    "histogram",
    "Size of the bodies of HTTP server responses, as handed to the server.",
    (METHOD, ROUTE),
    SIZE_BUCKETS,
)
HTTP_SERVER_WORKERS = Metric(
    "specter_http_server_workers",
    "gauge",
    "Worker processes that serve requests.",
)
HTTP_SERVER_SLOTS = Metric(
    "specter_http_server_slots",
    "gauge",
    "Requests that all workers together can serve at once (processes times threads); "
    "absent where the server knows no such limit.",
)
HTTP_SERVER_QUEUE_DURATION = Metric(
    "specter_http_server_queue_duration_seconds",
    "histogram",
    "Time from the proxy's X-Request-Start to the application: what requests wait for a free worker.",
    (),
    (0.001, 0.0025, *DURATION_BUCKETS, 30.0),
)
HTTP_SERVER_QUEUE_UNUSABLE = Metric(
    "specter_http_server_queue_unusable_total",
    "counter",
    "X-Request-Start headers that give no queue time: malformed, in the future or too old (clocks differ).",
)
EVENT_LOOP_LAG = Metric(
    "specter_event_loop_lag_seconds",
    "histogram",
    "How much later than due the event loop ran a timer, sampled four times a second of blocked time too.",
    (),
    (0.001, 0.0025, *DURATION_BUCKETS),
)
THREADPOOL_BUSY = Metric(
    "specter_threadpool_busy_threads",
    "gauge",
    "Threads of the event loops' thread pools (anyio's, for synchronous handlers) that are at work.",
)
THREADPOOL_MAX = Metric(
    "specter_threadpool_max_threads", "gauge", "Threads that the event loops' thread pools may have."
)
THREADPOOL_WAITING = Metric(
    "specter_threadpool_waiting_requests", "gauge", "Calls that wait for a thread of the event loops' pools."
)
HTTP_CLIENT_RATELIMIT_REMAINING = Metric(
    "specter_http_client_ratelimit_remaining",
    "gauge",
    "Requests left in the window, as the server's newest response says; "
    "absent when it says nothing or the window is over.",
    (SERVER_ADDRESS,),
)
HTTP_CLIENT_RATELIMIT_LIMIT = Metric(
    "specter_http_client_ratelimit_limit",
    "gauge",
    "Requests that the server allows in a window; absent when it says nothing or the window is over.",
    (SERVER_ADDRESS,),
)
HTTP_CLIENT_RATELIMIT_RESET = Metric(
    "specter_http_client_ratelimit_reset_timestamp_seconds",
    "gauge",
    "Unix time at which the window is over (RateLimit headers) or requests are welcome again (Retry-After).",
    (SERVER_ADDRESS,),
)
HEALTH_CHECK_UP = Metric(
    "specter_health_check_up",
    "gauge",
    "Whether the newest run of the dependency's check succeeded, as the answering process saw it; "
    "absent until it ran, and when its result is out of date.",
    ("check",),
)
HEALTH_CHECK_DURATION = Metric(
    "specter_health_check_duration_seconds",
    "gauge",
    "Duration of the newest run of the dependency's check, up to its time-out.",
    ("check",),
)
TARGET_INFO = Metric(
    "target_info",
    "info",
    "The service behind this endpoint and the version it runs.",
    ("service_name", SERVICE_VERSION),
)

# --- the recorded layer: level:metric:operations; dashboards, alerts and the detector read it ---

SERVICE_REQUEST_RATE = "service:http_server_requests:rate1m"
ROUTE_REQUEST_RATE = "service_route:http_server_requests:rate1m"
SERVICE_ERROR_RATIO = "service:http_server_errors:ratio_rate1m"
ROUTE_ERROR_RATIO = "service_route:http_server_errors:ratio_rate1m"
SERVICE_DURATION = {
    "p50": "service:http_server_request_duration_seconds:p50_rate1m",
    "p95": "service:http_server_request_duration_seconds:p95_rate1m",
    "p99": "service:http_server_request_duration_seconds:p99_rate1m",
}
ROUTE_DURATION = {
    "p50": "service_route:http_server_request_duration_seconds:p50_rate1m",
    "p95": "service_route:http_server_request_duration_seconds:p95_rate1m",
    "p99": "service_route:http_server_request_duration_seconds:p99_rate1m",
}

# The versions of a service that run now and did not five to seven minutes ago; value 1.
SERVICE_DEPLOYED = "service_version:target_info:new5m"

# What the detector watches out of the box: its query alias (the label `for`) → recorded series.
QUERY_SERIES = {
    "request_rate": SERVICE_REQUEST_RATE,
    "error_ratio": SERVICE_ERROR_RATIO,
    "latency_p95": SERVICE_DURATION["p95"],
    "route_request_rate": ROUTE_REQUEST_RATE,
    "route_error_ratio": ROUTE_ERROR_RATIO,
    "route_latency_p95": ROUTE_DURATION["p95"],
}

# --- queues, jobs, logs, sign-ins and business events; the detector's presets read them ---

OUTCOME = "outcome"
FAILED = "failed"  # the outcome of what did not succeed

QUEUE_DEPTH = Metric(
    "specter_queue_depth",
    "gauge",
    "Messages that wait in the queue, ready to be taken.",
    ("queue",),
)
QUEUE_OLDEST = Metric(
    "specter_queue_oldest_timestamp_seconds",
    "gauge",
    "Unix time at which the oldest waiting message was published, or its head first seen; "
    "absent while the queue is empty.",
    ("queue",),
)
QUEUE_COMPLETED = Metric(
    "specter_queue_completed_total", "counter", "Messages that a worker finished.", ("queue",)
)
QUEUE_FAILED = Metric(
    "specter_queue_failed_total", "counter", "Messages that a worker gave up or dropped.", ("queue",)
)
JOB_LAST_DURATION = Metric(
    "specter_job_last_duration_seconds", "gauge", "Duration of the newest finished run.", ("job_name",)
)
JOB_LAST_SUCCESS = Metric(
    "specter_job_last_success_timestamp_seconds",
    "gauge",
    "Unix time at which a run last ended well.",
    ("job_name",),
)
LOG_LINES = Metric("specter_log_lines_total", "counter", "Log lines read, by level.", ("level",))
LOG_NEW_TEMPLATES = Metric(
    "specter_log_new_templates_total",
    "counter",
    "Error messages of a form that had not been seen before.",
)
AUTH_ATTEMPTS = Metric("specter_auth_attempts_total", "counter", "Attempts to sign in.", (OUTCOME,))
BUSINESS_EVENTS = Metric(
    "specter_business_events_total",
    "counter",
    "Business events of the catalogue, by name and outcome.",
    ("event", OUTCOME),
)

# --- what must not be learnt from; read by the detector ---

# A window's labels with this prefix say which series it is about: `match_service="shop"` means all series
# with `service="shop"`; several must all be equal, none means every series. A prefix, because a plain
# `service` would be overwritten by the target's own. `match_for` is the alias of a detector's query.
MATCH_PREFIX = "match_"

DEPLOYMENT_TIMESTAMP = Metric(
    "specter_deployment_timestamp_seconds",
    "gauge",
    "Unix time of the newest announced deployment of what the match labels name.",
    ("match_service", SERVICE_VERSION),
)
MAINTENANCE_ACTIVE = Metric(
    "specter_maintenance_active",
    "gauge",
    "1 while what the match labels name is under maintenance.",
    ("match_service",),
)
FEEDBACK_START = Metric(
    "specter_feedback_start_timestamp_seconds",
    "gauge",
    "Unix time at which a window begins that an operator called normal or an incident; "
    "its match labels name the series.",
    ("feedback_id", "verdict"),
)
FEEDBACK_END = Metric(
    "specter_feedback_end_timestamp_seconds",
    "gauge",
    "Unix time at which such a window ends.",
    ("feedback_id", "verdict"),
)

# --- written by Prometheus, Alertmanager and the blackbox exporter themselves ---

UP = "up"
ALERTS = "ALERTS"
PROBE_SUCCESS = "probe_success"
RULE_EVALUATION_FAILURES = "prometheus_rule_evaluation_failures_total"

# --- what alerts and dashboards know of each other ---

WATCHDOG = "Watchdog"  # the alert that always fires
DASHBOARD_MAIN_STATUS = "specter-main-status"
# Scores older than this are stale: the alert says so, and dashboards show them no more.
SCORES_STALE_SECONDS = 120.0

# --- the detector's output, in the words of the field ---

ANOMALY_SCORE = "anomaly_score"
ANOMALY_CONFIDENCE = "anomaly_confidence"
ANOMALY_DIRECTION = "anomaly_direction"
Y = "y"
YHAT = "yhat"
YHAT_LOWER = "yhat_lower"
YHAT_UPPER = "yhat_upper"
FOR = "for"
MODEL_ALIAS = "model_alias"
SCHEDULER_ALIAS = "scheduler_alias"
# The names that the dashboards of grafana/promql-anomaly-detection read.
ANOMALY_BAND_NAMES = (
    (Y, "anomaly:level"),
    (YHAT_UPPER, "anomaly:upper_band"),
    (YHAT_LOWER, "anomaly:lower_band"),
)
ANOMALY_NAME = "anomaly_name"
ANOMALY_TYPE = "anomaly_type"
ANOMALY_STRATEGY = "anomaly_strategy"

# --- the detector about itself ---

DETECTOR_LAST_TICK = Metric(
    "specter_detector_last_tick_timestamp_seconds",
    "gauge",
    "Timestamp of the newest tick of which the server accepted scores of the query.",
    ("query",),
)
DETECTOR_TICK_DURATION = Metric(
    "specter_detector_tick_duration_seconds",
    "histogram",
    "Duration of one tick: read, score, write.",
    (),
    (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
DETECTOR_TICKS_SKIPPED = Metric(
    "specter_detector_ticks_skipped_total",
    "counter",
    "Ticks not run to their end: an earlier one took too long, the data source was away, or an error.",
)
DETECTOR_TICKS_CAUGHT_UP = Metric(
    "specter_detector_ticks_caught_up_total",
    "counter",
    "Ticks that had been missed and were run later, with the values of their time.",
)
DETECTOR_FIT_DURATION = Metric(
    "specter_detector_fit_duration_seconds",
    "gauge",
    "Duration of the newest fit, reading included.",
    ("query",),
)
DETECTOR_FITS = Metric(
    "specter_detector_fits_total",
    "counter",
    "Fits of a query's series by outcome: ok, error (not read, or no series could be fitted; "
    "old models stay).",
    ("query", "outcome"),
)
DETECTOR_SERIES = Metric(
    "specter_detector_series",
    "gauge",
    "Series by state: scored, warming (no fit or too few samples yet), absent (known, and now missing), "
    "invalid (NaN or infinite now), over_limit (beyond max_series_per_query, ignored).",
    ("query", "state"),
)
DETECTOR_READS = Metric(
    "specter_detector_reads_total",
    "counter",
    "PromQL queries by outcome: ok, empty, error (refused, or not answered in time), unreachable.",
    ("query", "outcome"),
)
DETECTOR_WRITES = Metric(
    "specter_detector_writes_total",
    "counter",
    "Remote-write requests by outcome: ok, rejected (dropped), unreachable (retried; 401, 403 and 404 too).",
    ("outcome",),
)
DETECTOR_SAMPLES_WRITTEN = Metric(
    "specter_detector_samples_written_total",
    "counter",
    "Samples that the remote-write server accepted.",
)
DETECTOR_SAMPLES_DROPPED = Metric(
    "specter_detector_samples_dropped_total",
    "counter",
    "Samples given up: not sent (invalid, duplicate, future), refused by the server (too_old, out_of_order, "
    "conflict, rejected), or lost while they waited (expired, spool_full, corrupt).",
    ("reason",),
)
DETECTOR_RELOAD_SUCCESSFUL = Metric(
    "specter_detector_config_last_reload_successful",
    "gauge",
    "1 if the configuration was valid when it was read last, 0 if not and the one before is kept.",
)
DETECTOR_RELOAD_TIMESTAMP = Metric(
    "specter_detector_config_last_reload_success_timestamp_seconds",
    "gauge",
    "Timestamp at which a valid configuration was read last.",
)
DETECTOR_STORAGE_ERRORS = Metric(
    "specter_detector_storage_errors_total",
    "counter",
    "Times that the disk refused, by what: history (read from the server again), state, spool "
    "(kept in memory).",
    ("what",),
)
DETECTOR_SAVES = Metric(
    "specter_detector_saves_total",
    "counter",
    "Times that what has been learnt was saved, by outcome: ok, error (what was saved before is kept).",
    ("outcome",),
)
DETECTOR_LAST_SAVE = Metric(
    "specter_detector_last_save_timestamp_seconds",
    "gauge",
    "Timestamp at which what has been learnt was saved last.",
)
DETECTOR_SAVE_DURATION = Metric(
    "specter_detector_save_duration_seconds",
    "gauge",
    "Duration of the newest save.",
)
DETECTOR_SPOOL_SAMPLES = Metric(
    "specter_detector_spool_samples",
    "gauge",
    "Samples that wait for the remote-write server.",
)
DETECTOR_SPOOL_BYTES = Metric(
    "specter_detector_spool_bytes",
    "gauge",
    "Size of what is kept for the remote-write server, on disk or in memory.",
)
DETECTOR_SPOOL_PERSISTENT = Metric(
    "specter_detector_spool_persistent",
    "gauge",
    "1 if samples are on disk before they are sent, else 0: no folder is set, or it cannot be written to.",
)
DETECTOR_DATASOURCE_UP = Metric(
    "specter_detector_datasource_up",
    "gauge",
    "1 if the last query reached the data source, else 0.",
)
DETECTOR_FEEDBACK_WINDOWS = Metric(
    "specter_detector_feedback_windows",
    "gauge",
    "Stretches that people marked on the detector's pages, by kind: normal, incident (not learnt from).",
    ("query", "kind"),
)
