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

METHOD = "http_request_method"
ROUTE = "http_route"
STATUS = "http_response_status_code"
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
    (ROUTE, "exception"),
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
    (METHOD, "server_address", STATUS, "error_type"),
    DURATION_BUCKETS,
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
YHAT = "yhat"
YHAT_LOWER = "yhat_lower"
YHAT_UPPER = "yhat_upper"
FOR = "for"
MODEL_ALIAS = "model_alias"
SCHEDULER_ALIAS = "scheduler_alias"

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
    "Samples given up, because the server refused them or stayed away too long.",
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
DETECTOR_DATASOURCE_UP = Metric(
    "specter_detector_datasource_up",
    "gauge",
    "1 if the last query reached the data source, else 0.",
)
