"""The metric vocabulary: the one place where a metric is named.

Exporters create metrics from these, recording rules, alerts, dashboards and the
demo's history refer to them, so a rename is one edit. Names follow Prometheus'
naming rules and, for HTTP, OpenTelemetry's semantic conventions as Prometheus
spells them.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "summary", "info"]


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
PROCESS_MEMORY_AVAILABLE = Metric(
    "specter_process_memory_available_bytes",
    "gauge",
    "How much more memory this process may take: the least that its cgroups (v2) or the machine have left.",
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

# Signing in, and requests by what the client says it is; all but successes are failures.
SERVICE_SIGNIN_RATE = "service:auth_attempts:rate5m"
SERVICE_SIGNIN_SUCCESS_RATE = "service:auth_successes:rate5m"
SERVICE_SIGNIN_FAILURE_RATE = "service:auth_failures:rate5m"
SERVICE_SIGNIN_FAILURE_RATIO = "service:auth_failures:ratio_rate5m"
AGENT_SIGNIN_FAILURE_RATE = "service_agent:auth_failures:rate5m"
AGENT_REQUEST_RATE = "service_agent:http_requests:rate5m"
# The share of the busiest source, by address and by network, in the exporter's own window.
TOP_SOURCE_FAILURE_SHARE = "service_grouping:auth_source_failures:max_share"
TOP_SOURCE_REQUEST_SHARE = "service_grouping:http_source_requests:max_share"
SERVICE_BREACHES = "service:auth_suspected_breaches:increase1h"
SERVICE_LOCKOUTS = "service:auth_lockouts:increase15m"
SERVICE_CAPTCHA_RATIO = "service:auth_captcha_successes:ratio_rate15m"
# What is usual, which later values are compared with; worked out once a minute, because it reads a day.
SERVICE_SIGNIN_SUCCESS_USUAL = "service:auth_successes:rate5m_avg6h"
SERVICE_LOCKOUTS_USUAL = "service:auth_lockouts:increase15m_avg1d"
SERVICE_CAPTCHA_USUAL = "service:auth_captcha_successes:ratio_rate15m_avg1d"

# What lines of a log say, by service and log.
LOG_LINE_RATE = "service_log:log_lines:rate5m"
LOG_ERROR_RATE = "service_log:log_errors:rate5m"
LOG_NEW_TEMPLATE_COUNT = "service_log:log_new_templates:increase15m"
LOG_MALFORMED_RATIO = "service_log:log_malformed_lines:ratio_rate15m"
LOG_REQUEST_RATE = "service_log:log_http_requests:rate5m"
LOG_ERROR_RATIO = "service_log:log_http_errors:ratio_rate5m"
LOG_DURATION_P95 = "service_log:log_http_request_duration_seconds:p95_rate5m"
LOG_SLOW_QUERY_RATE = "service_log:log_slow_queries:rate5m"
LOG_CACHEABLE_RATE = "service_log:log_cdn_cacheable:rate15m"
LOG_CDN_HIT_RATIO = "service_log:log_cdn_hits:ratio_rate15m"
# Ten-minute stretches (of 144) of the day that ended two hours ago in which the log wrote; what was usual.
LOG_WRITING_USUAL = "service_log:log_lines:writing10m_count1d"
LOG_ERROR_USUAL = "service_log:log_errors:rate5m_avg1d"
LOG_SLOW_QUERY_USUAL = "service_log:log_slow_queries:rate5m_avg1d"
LOG_CDN_HIT_USUAL = "service_log:log_cdn_hits:ratio_rate15m_avg1d"
# An application: how full it is, what breaks in it, the servers that it calls.
INSTANCE_SLOTS_USED = "service_instance:http_server_active_requests:ratio_slots"
INSTANCE_THREADPOOL_WAITING = "service_instance:specter_threadpool_waiting_requests:max"
INSTANCE_LOOP_LAG_P95 = "service_instance:specter_event_loop_lag_seconds:p95_rate5m"
SERVICE_QUEUE_P95 = "service:specter_http_server_queue_duration_seconds:p95_rate5m"
EXCEPTION_RATE = "service_exception:specter_http_server_exceptions:rate5m"
CALL_RATE = "service_server:http_client_requests:rate5m"
CALL_ERROR_RATIO = "service_server:http_client_errors:ratio_rate5m"
CALL_DURATION_P95 = "service_server:http_client_request_duration_seconds:p95_rate5m"
QUOTA_LEFT = "service_server:specter_http_client_ratelimit:ratio_remaining"

# Business events: how many, which share of them succeeded, and who comes through a funnel.
EVENTS_5M = "service_event_outcome:specter_business_events:increase5m"
EVENTS_15M = "service_event_outcome:specter_business_events:increase15m"
EVENTS_1H = "service_event_outcome:specter_business_events:increase1h"
EVENT_SUCCESS_5M = "service_event:specter_business_success:ratio5m"
EVENT_SUCCESS_1H = "service_event:specter_business_success:ratio1h"
FUNNEL_ENTRANTS = "service_funnel_event:specter_business_funnel_entrants:increase6h"
FUNNEL_CONVERSION = "service_funnel_event:specter_business_funnel_conversion:ratio6h"

# Queues, by service, server, system and queue: seconds that the oldest ready message has waited, 0 where none
# does, and what is usual; seconds that one which is published now will wait, at the pace of two minutes;
# seconds until it is empty at the pace of ten minutes, none while it grows; what comes and is finished.
QUEUE_AGE = "queue:specter_queue_oldest_age:seconds"
QUEUE_AGE_USUAL = "queue:specter_queue_oldest_age:seconds_p75_1d"
QUEUE_WAIT = "queue:specter_queue_wait:seconds"
QUEUE_DRAIN = "queue:specter_queue_drain:seconds"
QUEUE_ARRIVAL_RATE = "queue:specter_queue_arrived:rate5m"
QUEUE_COMPLETION_RATE = "queue:specter_queue_completed:rate5m"
QUEUE_FAILURE_RATIO = "queue:specter_queue_failed:ratio_rate15m"
QUEUE_RETRY_RATIO = "queue:specter_queue_retried:ratio_rate15m"
# Caches, by service and server: lookups that found something, keys deleted for want of memory; the usual.
CACHE_HIT_RATIO = "server:specter_cache_hits:ratio_rate15m"
CACHE_LOOKUP_RATE = "server:specter_cache_lookups:rate15m"
CACHE_EVICTION_RATE = "server:specter_cache_evictions:rate15m"
CACHE_HIT_USUAL = "server:specter_cache_hits:ratio_rate15m_avg1d"
CACHE_EVICTION_USUAL = "server:specter_cache_evictions:rate15m_avg1d"

# PostgreSQL: connections over those that ordinary roles can have, by service and server.
SERVER_CONNECTIONS_USED = "server:specter_pg_connections:ratio_usable"

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
SUCCESS = "success"  # the outcome of what did
FAILED = "failed"  # and of what did not

SERVER = "server"  # the name of a server in an exporter's configuration
SYSTEM = "system"
QUEUE = "queue"
QUEUE_LABELS = (SERVER, SYSTEM, QUEUE)
QUEUE_SYSTEMS = ("list", "sorted_set", "stream", "celery", "rq", "bullmq", "rabbitmq", "kafka")
QUEUE_FAILURE_REASONS = ("auth", "privilege", "timeout", "tls", "refused", "starting", "other")
QUEUE_UP = Metric(
    "specter_queue_up",
    "gauge",
    "1 if the broker took a connection of the exporter's and answered, else 0.",
    (SERVER,),
)
QUEUE_FAILURE = Metric(
    "specter_queue_failure",
    "gauge",
    "Why the broker could not be asked: 1 for the reason of this scrape, 0 for the others, all 0 while it is "
    "up. Reasons: auth, privilege, timeout, tls, refused, starting, other.",
    (SERVER, "reason"),
)
QUEUE_COLLECTOR_SUCCESS = Metric(
    "specter_queue_collector_success",
    "gauge",
    "1 if the collector had an answer to everything it asked in this scrape, else 0; what it could not learn "
    "is absent, not old.",
    (SERVER, "collector"),
)
QUEUE_COLLECTOR_DURATION = Metric(
    "specter_queue_collector_duration_seconds",
    "gauge",
    "What the collector took in this scrape.",
    (SERVER, "collector"),
)
QUEUE_COLLECTOR_FAILURE = Metric(
    "specter_queue_collector_failure",
    "gauge",
    "1 for the reason why a collector failed in this scrape; else absent. Reasons: auth, privilege, "
    "wrong_type, missing, timeout, tls, connection, other.",
    (SERVER, "collector", "reason"),
)
QUEUE_DROPPED = Metric(
    "specter_queue_dropped_queues",
    "gauge",
    "Queues, or workers, that this scrape left out because there are more than the configuration allows.",
    (SERVER, "collector"),
)
QUEUE_DISCOVERED = Metric(
    "specter_queue_discovery_complete",
    "gauge",
    "1 once every key of the database was looked at for queues; until then some may be missing.",
    (SERVER,),
)
QUEUE_DEPTH = Metric(
    "specter_queue_depth",
    "gauge",
    "Messages that nobody has finished: ready, scheduled and in progress, as far as the broker tells each.",
    QUEUE_LABELS,
)
QUEUE_READY = Metric(
    "specter_queue_ready",
    "gauge",
    "Messages that a worker could take now; absent where it is not known.",
    QUEUE_LABELS,
)
QUEUE_IN_PROGRESS = Metric(
    "specter_queue_in_progress",
    "gauge",
    "Messages that a worker has taken, in advance too, and not acknowledged.",
    QUEUE_LABELS,
)
QUEUE_SCHEDULED = Metric(
    "specter_queue_scheduled", "gauge", "Messages that are to be taken later.", QUEUE_LABELS
)
QUEUE_DEAD_LETTERS = Metric(
    "specter_queue_dead_letters", "gauge", "Messages that were given up and are kept.", QUEUE_LABELS
)
QUEUE_CONSUMERS = Metric(
    "specter_queue_consumers", "gauge", "Who takes messages from the queue.", QUEUE_LABELS
)
QUEUE_OLDEST = Metric(
    "specter_queue_oldest_timestamp_seconds",
    "gauge",
    "Unix time since when the oldest ready message has been waiting, by what it is known from: published "
    "(its own time) or first_seen (since when it has been next; it waits for longer). Absent without ready "
    "messages, or where nothing tells.",
    (*QUEUE_LABELS, "basis"),
)
QUEUE_OLDEST_TAKEN = Metric(
    "specter_queue_oldest_in_progress_timestamp_seconds",
    "gauge",
    "Unix time at which the oldest message in progress was taken; absent where none is, or nothing tells.",
    QUEUE_LABELS,
)
QUEUE_ARRIVED = Metric(
    "specter_queue_arrived_total",
    "counter",
    "Messages published: exact where the broker counts them, else at least so many, from differences of "
    "depth.",
    QUEUE_LABELS,
)
QUEUE_COMPLETED = Metric(
    "specter_queue_completed_total",
    "counter",
    "Messages that a worker finished: exact where it or the broker says so, else at least so many, from "
    "differences of depth.",
    QUEUE_LABELS,
)
QUEUE_FAILED = Metric(
    "specter_queue_failed_total",
    "counter",
    "Messages that a worker failed at for good; at least so many.",
    QUEUE_LABELS,
)
QUEUE_RETRIED = Metric(
    "specter_queue_retried_total",
    "counter",
    "Attempts that failed and are to be made again; at least so many.",
    QUEUE_LABELS,
)
QUEUE_TASK_FAILURES = Metric(
    "specter_queue_task_failures_total",
    "counter",
    "Tasks of Celery that failed for good, by name, while the exporter ran; beyond a hundred names: `other`.",
    (SERVER, "task"),
)
WORKER_STATES = ("busy", "idle", "suspended", "lost")
QUEUE_WORKERS = Metric(
    "specter_queue_workers",
    "gauge",
    "Workers by state; lost: the heartbeat stopped, without a word of farewell.",
    (SERVER, SYSTEM, "state"),
)
QUEUE_WORKER_HEARTBEAT = Metric(
    "specter_queue_worker_heartbeat_timestamp_seconds",
    "gauge",
    "Unix time of the worker's last sign of life.",
    (SERVER, SYSTEM, "worker"),
)
BROKER_EVICTS = Metric(
    "specter_queue_broker_evicts",
    "gauge",
    "1 if the server holds queues and its maxmemory-policy lets it delete keys, 0 if it holds queues and "
    "does not; absent where it holds none.",
    (SERVER,),
)
CACHE_HITS = Metric("specter_cache_hits_total", "counter", "Keys asked for and found.", (SERVER,))
CACHE_MISSES = Metric("specter_cache_misses_total", "counter", "Keys asked for and not found.", (SERVER,))
CACHE_EVICTIONS = Metric(
    "specter_cache_evictions_total", "counter", "Keys deleted for want of memory.", (SERVER,)
)
CACHE_EVICTS = Metric(
    "specter_cache_evicts",
    "gauge",
    "1 if the server may delete keys when its memory is full, 0 if it refuses to write then.",
    (SERVER,),
)
CACHE_MEMORY = Metric("specter_cache_memory_bytes", "gauge", "Memory in use.", (SERVER,))
CACHE_MEMORY_MAX = Metric(
    "specter_cache_memory_max_bytes", "gauge", "Memory that may be used; absent without a limit.", (SERVER,)
)
JOB_NAME = "job_name"  # Prometheus owns `job`
SERVICE_JOB_SUCCESS_RATIO = "service:specter_job_runs_success:ratio_increase1d"  # recorded
LOST = "lost"  # the outcome of a run that began and never told its end
JOB_INFO = Metric(
    "specter_job_info",
    "info",
    "1 for each job that is known: of what kind it is, and when it is to run, as the configuration says it "
    "(empty: nobody knows).",
    (JOB_NAME, "kind", "schedule"),
)
JOB_RUNS = Metric(
    "specter_job_runs_total",
    "counter",
    "Runs by outcome: success, failed, and lost, which began and never told their end.",
    (JOB_NAME, OUTCOME),
)
JOB_LAST_START = Metric(
    "specter_job_last_start_timestamp_seconds",
    "gauge",
    "Unix time at which a run last began; absent where no start was told.",
    (JOB_NAME,),
)
JOB_LAST_SUCCESS = Metric(
    "specter_job_last_success_timestamp_seconds",
    "gauge",
    "Unix time at which a run last ended well.",
    (JOB_NAME,),
)
JOB_LAST_FAILURE = Metric(
    "specter_job_last_failure_timestamp_seconds",
    "gauge",
    "Unix time at which a run last failed, or was given up as lost.",
    (JOB_NAME,),
)
JOB_LAST_DURATION = Metric(
    "specter_job_last_duration_seconds", "gauge", "Duration of the newest finished run.", (JOB_NAME,)
)
JOB_DURATION = Metric(
    "specter_job_duration_seconds",
    "summary",
    "Durations of the runs whose start and end were told.",
    (JOB_NAME,),
)
JOB_RUNNING = Metric(
    "specter_job_running", "gauge", "Runs that have begun and not told their end.", (JOB_NAME,)
)
JOB_RUNNING_SINCE = Metric(
    "specter_job_running_since_timestamp_seconds",
    "gauge",
    "Unix time at which the oldest of the runs under way began; absent when none is.",
    (JOB_NAME,),
)
JOB_MAX_DURATION = Metric(
    "specter_job_max_duration_seconds",
    "gauge",
    "How long a run may take, as the configuration says.",
    (JOB_NAME,),
)
JOB_EXIT_STATUS = Metric(
    "specter_job_exit_status",
    "gauge",
    "Exit status of the newest finished run; absent where none was told.",
    (JOB_NAME,),
)
JOB_NEXT_EXPECTED = Metric(
    "specter_job_next_expected_timestamp_seconds",
    "gauge",
    "Unix time at which the job is to run next by its schedule; absent without a schedule.",
    (JOB_NAME,),
)
JOB_MISSED = Metric(
    "specter_job_missed_runs_total",
    "counter",
    "Scheduled runs of which none had begun (where starts are not told: ended) when the grace was over; "
    "each is counted once, also one that was due while the exporter was down, in the 366 days before its "
    "start.",
    (JOB_NAME,),
)
JOB_OVERDUE = Metric(
    "specter_job_overdue",
    "gauge",
    "1 since a scheduled run was missed, until a run comes; absent without a schedule.",
    (JOB_NAME,),
)
JOB_UNSUCCESSFUL = Metric(
    "specter_job_runs_due_since_success",
    "gauge",
    "Scheduled runs that have fallen due since a run last ended well, or since the job is known; "
    "absent without a schedule.",
    (JOB_NAME,),
)
JOB_OUTPUT_SIZE = Metric(
    "specter_job_output_size_bytes",
    "gauge",
    "Size of the output that came with the newest finished run; absent where none came.",
    (JOB_NAME,),
)
JOB_ATTEMPTS = Metric(
    "specter_job_attempts",
    "gauge",
    "Attempts that the newest finished run took; absent where it was not told.",
    (JOB_NAME,),
)
JOB_PINGS = Metric(
    "specter_job_pings_total",
    "counter",
    "Requests to the ping endpoint by what became of them: counted, repeated (told before with the same rid, "
    "not counted again), preview (of a link, not counted), not_found, invalid, too_large, rate_limited, full "
    "(no job more is made), store (it could not be kept).",
    ("result",),
)
JOB_STORE_UP = Metric(
    "specter_job_store_up",
    "gauge",
    "1 if the newest write to the store was kept.",
)
JOB_PINGS_UP = Metric(
    "specter_job_ping_endpoint_up",
    "gauge",
    "1 if the exporter's own request to the listener of pings was answered, a few seconds ago; absent before "
    "the first one.",
)
DELIVERY_PROVIDER = "provider"
DELIVERY_EVENTS = Metric(
    "specter_delivery_events_total",
    "counter",
    "What providers told of mails and webhooks, by outcome: delivered, deferred (it will be tried again), "
    "bounced, dropped (not tried), complained, other.",
    (DELIVERY_PROVIDER, OUTCOME),
)
DELIVERY_REFUSED = Metric(
    "specter_delivery_refused_total",
    "counter",
    "Requests of providers that were refused, by reason: signature (wrong, or too old), invalid, too_large, "
    "rate_limited, unreachable (the certificate of SNS could not be had).",
    (DELIVERY_PROVIDER, "reason"),
)
JOB_COMMITS = Metric(
    "specter_job_commit_duration_seconds",
    "summary",
    "Seconds that a write to the store took; one keeps all pings that wait for it.",
)
LOG = "log"  # the name of a log in the log exporter's configuration
LOG_LINES = Metric(
    "specter_log_lines_total",
    "counter",
    "Log entries read, by level; the joined lines of an exception or of a query are one entry.",
    (LOG, "level"),
)
LOG_NEW_TEMPLATES = Metric(
    "specter_log_new_templates_total",
    "counter",
    "Error messages of a form that had not been seen before.",
    (LOG,),
)
AUTH_ATTEMPTS = Metric(
    "specter_auth_attempts_total",
    "counter",
    "Attempts to sign in by outcome: success, failed (wrong credentials), locked (the account is), "
    "blocked (refused unseen).",
    (OUTCOME,),
)
USER_AGENT_CLASS = "user_agent_class"
SOURCE_LABELS = ("grouping", "source")
AUTH_USER_AGENT_FAILURES = Metric(
    "specter_auth_user_agent_failures_total",
    "counter",
    "Attempts to sign in that did not succeed, by what the client says it is.",
    (USER_AGENT_CLASS,),
)
AUTH_SOURCE_FAILURES = Metric(
    "specter_auth_source_failures",
    "gauge",
    "Attempts in the window (10 min by default) that did not succeed, of the sources (address; network, /24 "
    "or /64) with most of them, by keyed hash; all others as `other`. Lower bounds.",
    SOURCE_LABELS,
)
AUTH_SOURCE_FAILURES_ERROR = Metric(
    "specter_auth_source_failures_error",
    "gauge",
    "By how much specter_auth_source_failures may be too low at most.",
    ("grouping",),
)
AUTH_SOURCE_ACCOUNTS = Metric(
    "specter_auth_source_accounts",
    "gauge",
    "Different accounts that the sources with most failures failed with in the window (estimate).",
    SOURCE_LABELS,
)
AUTH_FAILED_SOURCES = Metric(
    "specter_auth_failed_sources",
    "gauge",
    "Different addresses that attempts failed from in the window (estimate).",
)
AUTH_FAILED_ACCOUNTS = Metric(
    "specter_auth_failed_accounts",
    "gauge",
    "Different accounts that attempts failed for in the window (estimate).",
)
AUTH_ACCOUNT_FAILURES_MAX = Metric(
    "specter_auth_account_failures_max",
    "gauge",
    "Failed attempts in the window (10 min by default) of the account that has most of them.",
)
AUTH_ACCOUNT_SOURCES_MAX = Metric(
    "specter_auth_account_sources_max",
    "gauge",
    "Different addresses in the window that failed to sign in to one account; of all accounts the most "
    "(estimate).",
)
AUTH_ATTACK_SUSPECTED = Metric(
    "specter_auth_attack_suspected",
    "gauge",
    "1 while an attack of the kind is suspected: credential_stuffing (many accounts from few sources), "
    "password_spraying (many accounts, few tries each, many sources), account_guessing (one account).",
    ("kind",),
)
AUTH_SUSPECTED_BREACHES = Metric(
    "specter_auth_suspected_breaches_total",
    "counter",
    "Accounts signed in to after a run of failures from the same source; the API lists them.",
)
AUTH_CAPTCHA_CHALLENGES = Metric(
    "specter_auth_captcha_challenges_total", "counter", "CAPTCHAs that were shown."
)
AUTH_CAPTCHA_SUCCESSES = Metric(
    "specter_auth_captcha_successes_total", "counter", "CAPTCHAs that were solved."
)
AUTH_LOCKOUTS = Metric(
    "specter_auth_lockouts_total", "counter", "Accounts that were locked for their failures."
)
AUTH_EVENTS_REFUSED = Metric(
    "specter_auth_events_refused_total",
    "counter",
    "Requests with sign-in events not taken: invalid, rate_limited, too_large, unauthorized, unreadable.",
    ("reason",),
)
HTTP_USER_AGENT_REQUESTS = Metric(
    "specter_http_user_agent_requests_total",
    "counter",
    "HTTP requests by what the client says it is.",
    (USER_AGENT_CLASS,),
)
HTTP_SOURCE_REQUESTS = Metric(
    "specter_http_source_requests",
    "gauge",
    "HTTP requests in the window (10 min by default) of the sources (address; network, /24 or /64) with most "
    "of them, by keyed hash; all others as `other`. Lower bounds.",
    SOURCE_LABELS,
)
HTTP_SOURCES = Metric(
    "specter_http_sources",
    "gauge",
    "Different addresses that HTTP requests came from in the window (estimate).",
)
HTTP_SURGE_SUSPECTED = Metric(
    "specter_http_surge_suspected",
    "gauge",
    "1 while a surge is suspected to be no customers: flood (one source), bot_wave (machines by user agent).",
    ("kind",),
)
BUSINESS_EVENTS = Metric(
    "specter_business_events_total",
    "counter",
    "Business events of the catalogue, by name and outcome, and where they failed by reason; "
    "reasons that the catalogue does not list are `other`.",
    ("event", OUTCOME, "reason"),
)
BUSINESS_REASON_OVERFLOW = Metric(
    "specter_business_reason_overflow_total",
    "counter",
    "Business events whose reason is not in the catalogue, counted under the reason `other`.",
    ("event",),
)
# Each event's buckets come from the catalogue; those here are of the families' kind.
BUSINESS_AMOUNT = Metric(
    "specter_business_amount",
    "histogram",
    "Money of business events, in the currency's main unit (euros, not cents).",
    ("event", OUTCOME, "currency"),
    (1.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0),
)
BUSINESS_DURATION = Metric(
    "specter_business_duration_seconds",
    "histogram",
    "Duration of what business events are about.",
    ("event", OUTCOME),
    DURATION_BUCKETS,
)
BUSINESS_TOKENS = Metric(
    "specter_business_tokens",
    "histogram",
    "Tokens of a language model that business events used.",
    ("event", OUTCOME),
    (50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 100_000.0),
)
BUSINESS_ITEMS = Metric(
    "specter_business_items",
    "histogram",
    "Items that business events are about: points, goods, days, as the catalogue says.",
    ("event", OUTCOME),
    (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 1000.0),
)
BUSINESS_FUNNEL_STEPS = Metric(
    "specter_business_funnel_steps_total",
    "counter",
    "Successful events of a funnel of the catalogue; `position` is the step's place in it, from 01 on.",
    ("funnel", "position", "event"),
)
BUSINESS_FEATURE_USES = Metric(
    "specter_business_feature_uses_total",
    "counter",
    "Successful uses of a feature of the catalogue.",
    ("feature",),
)
BUSINESS_FEATURE_USERS = Metric(
    "specter_business_feature_users",
    "gauge",
    "Distinct users of a feature in the day, the week (from Monday) and the month under way, in the "
    "catalogue's time zone; exact up to a limit, then with a standard error of 1.6 %.",
    ("feature", "period"),
)
BUSINESS_ACTIVE_USERS = Metric(
    "specter_business_active_users",
    "gauge",
    "Distinct users with an event in the day, the week (from Monday) and the month under way, in the "
    "catalogue's time zone; exact up to a limit, then with a standard error of 0.8 %.",
    ("period",),
)
BUSINESS_ACTIVE_SESSIONS = Metric(
    "specter_business_active_sessions",
    "gauge",
    "Sessions that are not over: their last event is not longer ago than the catalogue allows.",
)
BUSINESS_SESSION_DURATION = Metric(
    "specter_business_session_duration_seconds",
    "histogram",
    "Duration of sessions that are over, from their first event to their last.",
    (),
    (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14_400.0),
)
BUSINESS_SESSIONS_UNTRACKED = Metric(
    "specter_business_sessions_untracked_total",
    "counter",
    "Events whose session is not followed, because as many as allowed are.",
)
BUSINESS_RETENTION = Metric(
    "specter_business_retention_ratio",
    "gauge",
    "Share of the users who registered so many days before yesterday that was active yesterday; absent while "
    "unknown. Exact for days with few registrations, else of a sample, with a standard error of 1.1 points.",
    ("days",),
)
BUSINESS_RETENTION_USERS = Metric(
    "specter_business_retention_cohort_users",
    "gauge",
    "Users who registered so many days before yesterday; absent while unknown.",
    ("days",),
)
BUSINESS_OBJECTIVE_RATIO = Metric(
    "specter_business_objective_success_ratio",
    "gauge",
    "The least share of success among success and failed that the catalogue promises.",
    ("event",),
)
BUSINESS_OBJECTIVE_RATE = Metric(
    "specter_business_objective_events_per_second",
    "gauge",
    "The least rate of successful events that the catalogue promises.",
    ("event",),
)
BUSINESS_REJECTED = Metric(
    "specter_business_rejected_total",
    "counter",
    "Business events that were not counted, by why: the catalogue does not know something of it "
    "(unknown_event, unknown_outcome, unknown_feature, unknown_currency), unknown_field, missing_field, "
    "invalid_value, defect (of ours, see the log).",
    ("reason",),
)
BUSINESS_REQUESTS = Metric(
    "specter_business_requests_total",
    "counter",
    "Requests to the endpoint for business events, by the name of the token (none: empty) and status.",
    ("sender", "code"),
)
BUSINESS_STATE_SAVES = Metric(
    "specter_business_state_saves_total",
    "counter",
    "Times that the users' counts were saved, by outcome: ok, error (what was saved before is kept).",
    (OUTCOME,),
)
BUSINESS_STATE_LAST_SAVE = Metric(
    "specter_business_state_last_save_timestamp_seconds",
    "gauge",
    "Timestamp at which the users' counts were saved last.",
)

# --- what the log exporter makes of log lines, and tells of itself ---

LOG_TEMPLATES = Metric(
    "specter_log_templates", "gauge", "Forms of error messages that are remembered.", (LOG,)
)
LOG_TEMPLATE_FIRST_SEEN = Metric(
    "specter_log_template_first_seen_timestamp_seconds",
    "gauge",
    "Unix time at which a form of error message was first seen; the newest forms only (100 by default).",
    (LOG, "template_id"),
)
LOG_TEMPLATE_LINES = Metric(
    "specter_log_template_lines_total",
    "counter",
    "Error messages of a form; the newest forms only (100 by default).",
    (LOG, "template_id"),
)
LOG_HTTP_REQUESTS = Metric(
    "specter_log_http_requests_total",
    "counter",
    "HTTP requests, out of access lines.",
    (LOG, METHOD, ROUTE, STATUS),
)
LOG_HTTP_DURATION = Metric(
    "specter_log_http_request_duration_seconds",
    "histogram",
    "Duration of HTTP requests, out of access lines that carry one.",
    (LOG, METHOD, ROUTE, STATUS),
    DURATION_BUCKETS,
)
LOG_HTTP_RESPONSE_BYTES = Metric(
    "specter_log_http_response_bytes_total",
    "counter",
    "Bytes of HTTP responses, out of access lines.",
    (LOG, ROUTE),
)
LOG_CDN_REQUESTS = Metric(
    "specter_log_cdn_requests_total",
    "counter",
    "Requests by what the cache did: hit, stale, revalidated, miss, expired, bypass, error, unknown.",
    (LOG, "cache_status"),
)
LOG_CDN_BYTES = Metric(
    "specter_log_cdn_bytes_total",
    "counter",
    "Bytes of responses by what the cache did.",
    (LOG, "cache_status"),
)
LOG_GATEWAY_REQUESTS = Metric(
    "specter_log_gateway_requests_total",
    "counter",
    "Requests that a gateway passed on, by upstream and outcome (ok, client_error, failed).",
    (LOG, "upstream", OUTCOME),
)
LOG_GATEWAY_BYTES = Metric(
    "specter_log_gateway_bytes_total",
    "counter",
    "Bytes through a gateway by upstream and direction (received: requests, sent: responses).",
    (LOG, "upstream", "direction"),
)
LOG_GATEWAY_UPSTREAM_DURATION = Metric(
    "specter_log_gateway_upstream_duration_seconds",
    "histogram",
    "Time that a gateway waited for the upstream.",
    (LOG, "upstream"),
    DURATION_BUCKETS,
)
LOG_SLOW_QUERY_DURATION = Metric(
    "specter_log_slow_query_duration_seconds",
    "histogram",
    "Duration of the queries in a database's log, by their first word.",
    (LOG, "command"),
    (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0),
)
LOG_SLOW_QUERY_ROWS_EXAMINED = Metric(
    "specter_log_slow_query_rows_examined_total",
    "counter",
    "Rows that the queries in a slow-query log looked at.",
    (LOG, "command"),
)
LOG_MALFORMED_LINES = Metric(
    "specter_log_malformed_lines_total",
    "counter",
    "Lines not of the configured format, by reason: counted with level unknown and not looked at further; "
    "and those on which a pattern of a condition took too long (time_limit) or our own code failed (defect).",
    (LOG, "reason"),
)
LOG_CUT_LINES = Metric(
    "specter_log_cut_lines_total",
    "counter",
    "Lines or joined entries longer than the limit, of which the rest was left out.",
    (LOG,),
)
LOG_FUTURE_TIMESTAMPS = Metric(
    "specter_log_future_timestamps_total",
    "counter",
    "Entries whose time is over five minutes ahead of this machine, of those whose time was looked at.",
    (LOG,),
)
LOG_FIELD_ERRORS = Metric(
    "specter_log_field_errors_total",
    "counter",
    "Fields that should have held a number from 0 to 10^18, and did not.",
    (LOG, "metric"),
)
LOG_LABEL_OVERFLOW = Metric(
    "specter_log_label_overflow_total",
    "counter",
    "Entries counted under a label value `other`, because as many values as allowed have series already.",
    ("metric",),
)
LOG_UP = Metric(
    "specter_log_up", "gauge", "1 if there is something to read and it can be read, else 0.", (LOG,)
)
LOG_FILES = Metric("specter_log_files", "gauge", "Files that are followed.", (LOG,))
LOG_FILES_IGNORED = Metric(
    "specter_log_files_ignored", "gauge", "Files beyond the limit, which are not followed.", (LOG,)
)
LOG_READ_BYTES = Metric("specter_log_read_bytes_total", "counter", "Bytes read.", (LOG,))
LOG_BACKLOG = Metric("specter_log_backlog_bytes", "gauge", "Bytes written and not read yet.", (LOG,))
LOG_FILE_LAST_READ = Metric(
    "specter_log_file_last_read_timestamp_seconds",
    "gauge",
    "Unix time at which something new was last read from the file.",
    (LOG, "file"),
)
LOG_NEWEST_ENTRY = Metric(
    "specter_log_newest_entry_timestamp_seconds",
    "gauge",
    "The newest time in an entry read, of those whose time was looked at; never one of the future.",
    (LOG,),
)
LOG_ROTATIONS = Metric(
    "specter_log_rotations_total",
    "counter",
    "Times that a file was taken away: renamed, truncated, vanished.",
    (LOG, "how"),
)
LOG_LOST_FILES = Metric(
    "specter_log_lost_files_total",
    "counter",
    "Files whose unread rest was not found again after a rotation or a restart.",
    (LOG,),
)
LOG_READ_ERRORS = Metric(
    "specter_log_read_errors_total", "counter", "Files that could not be opened or read.", (LOG, "reason")
)
LOG_STATE_SAVED = Metric(
    "specter_log_state_saved_timestamp_seconds",
    "gauge",
    "Unix time at which offsets and counters were last saved.",
)
LOG_STATE_ERRORS = Metric(
    "specter_log_state_errors_total",
    "counter",
    "Times that offsets and counters could not be saved; a restart may count twice what came since.",
)

# --- core web vitals, by page template and device class; https://web.dev/articles/vitals ---

# Every histogram has the bounds between good, needs improvement and poor among its buckets.
WEB_VITALS_LABELS = ("page", "device")
WEB_VITALS_LCP = Metric(
    "specter_web_vitals_lcp_seconds",
    "histogram",
    "Largest Contentful Paint: good up to 2.5 s, poor above 4 s.",
    WEB_VITALS_LABELS,
    (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 6.0, 8.0, 15.0),
)
WEB_VITALS_INP = Metric(
    "specter_web_vitals_inp_seconds",
    "histogram",
    "Interaction to Next Paint: good up to 0.2 s, poor above 0.5 s.",
    WEB_VITALS_LABELS,
    (0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 1.0, 2.0, 5.0),
)
WEB_VITALS_CLS = Metric(
    "specter_web_vitals_cls",
    "histogram",
    "Cumulative Layout Shift: good up to 0.1, poor above 0.25.",
    WEB_VITALS_LABELS,
    (0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.5, 1.0),
)
WEB_VITALS_FCP = Metric(
    "specter_web_vitals_fcp_seconds",
    "histogram",
    "First Contentful Paint: good up to 1.8 s, poor above 3 s.",
    WEB_VITALS_LABELS,
    (0.25, 0.5, 1.0, 1.4, 1.8, 2.4, 3.0, 4.0, 6.0, 10.0),
)
WEB_VITALS_TTFB = Metric(
    "specter_web_vitals_ttfb_seconds",
    "histogram",
    "Time to First Byte: good up to 0.8 s, poor above 1.8 s.",
    WEB_VITALS_LABELS,
    (0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.2, 1.8, 3.0, 6.0),
)
# Good up to the first, poor above the second, in the metric's unit.
WEB_VITALS_LIMITS = {
    WEB_VITALS_LCP: (2.5, 4.0),
    WEB_VITALS_INP: (0.2, 0.5),
    WEB_VITALS_CLS: (0.1, 0.25),
    WEB_VITALS_FCP: (1.8, 3.0),
    WEB_VITALS_TTFB: (0.8, 1.8),
}
# Recorded: what three of four views of a page are at most, how many views that is of, and the shares of good
# and of poor ones.
WEB_VITALS_P75 = {metric: f"service_page_device:{metric.name}:p75_rate5m" for metric in WEB_VITALS_LIMITS}
WEB_VITALS_VIEWS = {
    metric: f"service_page_device:{metric.name}:count_increase5m" for metric in WEB_VITALS_LIMITS
}
WEB_VITALS_GOOD = {
    metric: f"service_page_device:{metric.name}:good_ratio_rate5m" for metric in WEB_VITALS_LIMITS
}
WEB_VITALS_POOR = {
    metric: f"service_page_device:{metric.name}:poor_ratio_rate5m" for metric in WEB_VITALS_LIMITS
}
BEACON_REQUESTS = Metric(
    "specter_beacon_requests_total",
    "counter",
    "Requests to the beacon, refused ones and refused preflights included.",
)
BEACON_TAKEN = Metric(
    "specter_beacon_taken_total",
    "counter",
    "Requests to the beacon of which one measurement at least was taken.",
)
BEACON_REFUSED = Metric(
    "specter_beacon_refused_total",
    "counter",
    "Requests to the beacon that were refused as a whole, or in part (`invalid`).",
    ("reason",),
)
BEACON_MEASUREMENTS_REFUSED = Metric(
    "specter_beacon_measurements_refused_total",
    "counter",
    "Measurements that were refused, by what of them is wrong.",
    ("reason",),
)
BEACON_UNKNOWN_PAGES = Metric(
    "specter_beacon_unknown_pages_total",
    "counter",
    "Measurements counted under the page `other`, because their path is of no template.",
)
BEACON_REPLACED = Metric(
    "specter_beacon_replaced_total",
    "counter",
    "Values in whose place a later one of the same id was counted.",
)
BEACON_LATE = Metric(
    "specter_beacon_late_total",
    "counter",
    "Values that were dropped, because one of the same id had been counted before.",
)
BEACON_EARLY = Metric(
    "specter_beacon_early_total",
    "counter",
    "Values that were counted before their time, because too many were held.",
)
BEACON_FORGOTTEN = Metric(
    "specter_beacon_forgotten_total",
    "counter",
    "Ids that were forgotten before their time, because of too many: a further value of one counts again.",
)
BEACON_HELD = Metric(
    "specter_beacon_held_measurements",
    "gauge",
    "Measurements that wait for a later value of the same id before they are counted.",
)

# --- third parties: what the dependency exporter adds to the blackbox exporter's probes ---

DEPENDENCY = "dependency"
CRITICALITY = "criticality"
CRITICALITIES = ("critical", "important", "optional")
# What is asked of a dependency: its check of several steps, its credential, its vendor's status page.
DEPENDENCY_KINDS = ("steps", "credential", "status_page")
DEPENDENCY_INFO = Metric(
    "specter_dependency_info",
    "info",
    "A dependency of the list and how critical it is: critical, important, optional.",
    (DEPENDENCY, CRITICALITY),
)
DEPENDENCY_LATENCY_LIMIT = Metric(
    "specter_dependency_latency_limit_seconds",
    "gauge",
    "What a probe of the dependency may take.",
    (DEPENDENCY,),
)
DEPENDENCY_TLS_WARNING = Metric(
    "specter_dependency_tls_expiry_warning_seconds",
    "gauge",
    "How long before its certificate expires the dependency is warned about.",
    (DEPENDENCY,),
)
DEPENDENCY_RUNS = Metric(
    "specter_dependency_runs_total",
    "counter",
    "Runs that have ended, by what was asked: steps, credential, status_page.",
    (DEPENDENCY, "kind"),
)
DEPENDENCY_FAILED_RUNS = Metric(
    "specter_dependency_failed_runs_total",
    "counter",
    "Runs that failed, by reason: dns, connect, tls, timeout, status, body, redirect, invalid, auth.",
    (DEPENDENCY, "kind", "reason"),
)
DEPENDENCY_FAILURE = Metric(
    "specter_dependency_failure",
    "gauge",
    "1 for what the newest run failed at: step (empty where there is none) and reason; else absent.",
    (DEPENDENCY, "kind", "step", "reason"),
)
DEPENDENCY_LAST_RUN = Metric(
    "specter_dependency_last_run_timestamp_seconds",
    "gauge",
    "Unix time at which the newest run ended. Runs have a schedule of their own; scrapes start none.",
    (DEPENDENCY, "kind"),
)
DEPENDENCY_NEXT_RUN = Metric(
    "specter_dependency_next_run_timestamp_seconds",
    "gauge",
    "Unix time for which the next run is planned; in the past while it runs or waits for its turn.",
    (DEPENDENCY, "kind"),
)
DEPENDENCY_CHECK_SUCCESS = Metric(
    "specter_dependency_check_success",
    "gauge",
    "Whether every step of the newest check succeeded (1) or one failed (0).",
    (DEPENDENCY,),
)
DEPENDENCY_CHECK_DURATION = Metric(
    "specter_dependency_check_duration_seconds",
    "gauge",
    "What the newest check took, over all steps that it reached.",
    (DEPENDENCY,),
)
DEPENDENCY_STEP_SUCCESS = Metric(
    "specter_dependency_step_success",
    "gauge",
    "Whether the step succeeded in the newest check (1) or failed (0); absent where it was not reached.",
    (DEPENDENCY, "step"),
)
DEPENDENCY_STEP_DURATION = Metric(
    "specter_dependency_step_duration_seconds",
    "gauge",
    "What the step took in the newest check; absent where the check did not reach it.",
    (DEPENDENCY, "step"),
)
DEPENDENCY_CREDENTIAL_VALID = Metric(
    "specter_dependency_credential_valid",
    "gauge",
    "Whether the newest call took the credential (1) or refused it (0); absent where it could not tell.",
    (DEPENDENCY,),
)
DEPENDENCY_CREDENTIAL_EXPIRY = Metric(
    "specter_dependency_credential_expiry_timestamp_seconds",
    "gauge",
    "Unix time at which the credential expires, where it or its answer says so.",
    (DEPENDENCY,),
)
DEPENDENCY_STATUS_PAGE_UP = Metric(
    "specter_dependency_status_page_up",
    "gauge",
    "Whether the newest read of the vendor's status page gave its status (1) or failed (0).",
    (DEPENDENCY,),
)
DEPENDENCY_STATUS_PAGE_LAST_SUCCESS = Metric(
    "specter_dependency_status_page_last_success_timestamp_seconds",
    "gauge",
    "Unix time of the newest read that gave the vendor's status.",
    (DEPENDENCY,),
)
DEPENDENCY_INDICATORS = ("none", "minor", "major", "critical", "maintenance")
DEPENDENCY_VENDOR_STATUS = Metric(
    "specter_dependency_vendor_status",
    "gauge",
    "1 for what the vendor's status page says: none, minor, major, critical, maintenance; 0 for the others. "
    "Absent while the page cannot be read.",
    (DEPENDENCY, "indicator"),
)
DEPENDENCY_UNRESOLVED_INCIDENTS = Metric(
    "specter_dependency_unresolved_incidents",
    "gauge",
    "Incidents that the vendor has not resolved. Absent while the page cannot be read.",
    (DEPENDENCY,),
)
DEPENDENCY_COMPONENT_STATUSES = (
    "operational",
    "degraded_performance",
    "partial_outage",
    "major_outage",
    "under_maintenance",
    "other",
)
DEPENDENCY_COMPONENTS = Metric(
    "specter_dependency_components",
    "gauge",
    "The vendor's components by status: those that are used, else all. Absent while they cannot be read.",
    (DEPENDENCY, "component_status"),
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
PROBE_DURATION = "probe_duration_seconds"
PROBE_CERTIFICATE_EXPIRY = "probe_ssl_earliest_cert_expiry"
RULE_EVALUATION_FAILURES = "prometheus_rule_evaluation_failures_total"

# --- what every client library says of its own process ---

PROCESS_CPU = "process_cpu_seconds_total"
PROCESS_MEMORY = "process_resident_memory_bytes"
PROCESS_START = "process_start_time_seconds"
PROCESS_OPEN_FDS = "process_open_fds"

# --- hosts: node_exporter ---

NODE_CPU = "node_cpu_seconds_total"
NODE_LOAD = "node_load5"
# Shares of time in which something waited, of kernels that tell (pressure stall information).
NODE_PRESSURE_CPU = "node_pressure_cpu_waiting_seconds_total"
NODE_PRESSURE_MEMORY = "node_pressure_memory_stalled_seconds_total"
NODE_PRESSURE_IO = "node_pressure_io_stalled_seconds_total"
NODE_MEMORY_AVAILABLE = "node_memory_MemAvailable_bytes"
NODE_MEMORY_TOTAL = "node_memory_MemTotal_bytes"
NODE_SWAPPED_IN = "node_vmstat_pswpin"
NODE_SWAPPED_OUT = "node_vmstat_pswpout"
NODE_OOM_KILLS = "node_vmstat_oom_kill"
NODE_DISK_AVAILABLE = "node_filesystem_avail_bytes"
NODE_DISK_SIZE = "node_filesystem_size_bytes"
NODE_DISK_READ_ONLY = "node_filesystem_readonly"
NODE_INODES_FREE = "node_filesystem_files_free"
NODE_INODES = "node_filesystem_files"
NODE_DISK_BUSY = "node_disk_io_time_seconds_total"
NODE_DISK_QUEUE = "node_disk_io_time_weighted_seconds_total"
NODE_RECEIVED_BYTES = "node_network_receive_bytes_total"
NODE_RECEIVED_PACKETS = "node_network_receive_packets_total"
NODE_RECEIVE_ERRORS = "node_network_receive_errs_total"
NODE_SENT_BYTES = "node_network_transmit_bytes_total"
NODE_SENT_PACKETS = "node_network_transmit_packets_total"
NODE_SEND_ERRORS = "node_network_transmit_errs_total"
NODE_CONNTRACK = "node_nf_conntrack_entries"
NODE_CONNTRACK_LIMIT = "node_nf_conntrack_entries_limit"
NODE_TIME = "node_time_seconds"
NODE_CLOCK_SYNCHRONISED = "node_timex_sync_status"
NODE_BOOT_TIME = "node_boot_time_seconds"
SYSTEMD_UNIT_STATE = "node_systemd_unit_state"
SYSTEMD_RESTARTS = "node_systemd_service_restart_total"
# Without a disk of their own, or read-only and always full.
NODE_DISKS = 'fstype!~"tmpfs|ramfs|devtmpfs|overlay|squashfs|iso9660|fuse.*|nsfs|autofs"'
# Not those of containers, which come and go.
NODE_CARDS = 'device!~"lo|veth.*|docker.*|br-.*|cni.*|cali.*|flannel.*|tap.*|virbr.*"'

# --- processes by group: process-exporter ---

GROUP_PROCESSES = "namedprocess_namegroup_num_procs"
GROUP_STARTED = "namedprocess_namegroup_oldest_start_time_seconds"
GROUP_FILES_RATIO = "namedprocess_namegroup_worst_fd_ratio"
GROUP_MEMORY = "namedprocess_namegroup_memory_bytes"
GROUP_CPU = "namedprocess_namegroup_cpu_seconds_total"

# --- applications under PM2: pm2-prom-module ---

PM2_STATUS = "pm2_app_status"
PM2_INSTANCES = "pm2_app_instances"
PM2_RESTARTS = "pm2_app_restart_count"
PM2_MEMORY = "pm2_app_total_memory"
PM2_STOPPED, PM2_ERRORED = 3, 4  # values of the status

# --- what is recorded of hosts and processes ---

HOST_CPU_USED = "service_instance:node_cpu_used:ratio_rate5m"
HOST_LOAD = "service_instance:node_load:per_cpu"
HOST_MEMORY_AVAILABLE = "service_instance:node_memory_available:ratio"
HOST_DISK_FREE = "service_instance_mountpoint:node_filesystem_available:ratio"
HOST_INODES_FREE = "service_instance_mountpoint:node_filesystem_inodes_free:ratio"
HOST_GROUP_PROCESSES = "service_instance_groupname:namedprocess_processes:count"
HOST_GROUP_MEMORY = "service_instance_groupname:namedprocess_resident_bytes:mean"

# --- what alerts and dashboards know of each other ---

WATCHDOG = "Watchdog"  # the alert that always fires
DASHBOARD_MAIN_STATUS = "specter-main-status"
DASHBOARD_APPLICATION = "specter-application"
DASHBOARD_BUSINESS = "specter-business"
DASHBOARD_DETECTOR = "specter-detector"
DASHBOARD_SIGNIN = "specter-sign-in"
DASHBOARD_LOGS = "specter-logs"
DASHBOARD_FRONTEND = "specter-frontend"
DASHBOARD_DEPENDENCIES = "specter-dependencies"
DASHBOARD_HOSTS = "specter-hosts"
DASHBOARD_DATABASE = "specter-database"
DASHBOARD_INTEGRITY = "specter-integrity"
DASHBOARD_QUEUES = "specter-queues"
DASHBOARD_JOBS = "specter-jobs"
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
# Which of several detectors that watch the same series wrote it. Not plain `replica`, which series of
# replicated databases have themselves: alerts take the maximum over this one, and would join theirs.
DETECTOR_REPLICA = "detector_replica"
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
DETECTOR_CLOCK_AHEAD = Metric(
    "specter_detector_clock_ahead_seconds",
    "gauge",
    "Seconds by which this machine's clock is ahead of the server's, negative behind it; 0 up to a minute.",
)
DETECTOR_FEEDBACK_WINDOWS = Metric(
    "specter_detector_feedback_windows",
    "gauge",
    "Stretches that people marked on the detector's pages, by kind: normal, incident (not learnt from).",
    ("query", "kind"),
)
DETECTOR_BUILD = Metric(
    "specter_detector_build_info",
    "info",
    "The version of the detector and of what runs it.",
    ("version", "python_version"),
)
DETECTOR_QUERIES = Metric(
    "specter_detector_queries",
    "gauge",
    "Queries that are watched, those of presets among them.",
)
DETECTOR_MODELS = Metric(
    "specter_detector_models",
    "gauge",
    "Models that run, one for each query, model and scheduler.",
)
DETECTOR_PRESET_QUERIES = Metric(
    "specter_detector_preset_queries",
    "gauge",
    "Queries of a preset that are on.",
    ("preset",),
)
DETECTOR_LAST_LOOP = Metric(
    "specter_detector_scheduler_last_loop_timestamp_seconds",
    "gauge",
    "Timestamp at which the scheduler last looked whether a tick is due.",
)
DETECTOR_ANOMALOUS_RATIO = Metric(
    "specter_detector_anomalous_ratio",
    "gauge",
    "Share of the series with a score whose score is above 1, missing series among them; "
    "absent while none has a score.",
    ("query",),
)
DETECTOR_MODEL_RUNS = Metric(
    "specter_detector_model_runs_total",
    "counter",
    "Times that a model judged the series of a query, by outcome: ok, error (the tick was broken off).",
    ("query", "outcome"),
)
DETECTOR_MODEL_RUN_SECONDS = Metric(
    "specter_detector_model_run_seconds_total",
    "counter",
    "Time that judging the series of a query has taken, in seconds.",
    ("query",),
)
DETECTOR_READ_REQUEST_DURATION = Metric(
    "specter_detector_read_request_duration_seconds",
    "histogram",
    "Duration of HTTP requests to the data source until its answer begins, by class of status; "
    "none: no answer.",
    ("code",),
    (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
DETECTOR_READ_BYTES = Metric(
    "specter_detector_read_bytes_total",
    "counter",
    "Bytes of the data source's answers to queries of series.",
)
DETECTOR_WRITE_REQUEST_DURATION = Metric(
    "specter_detector_write_request_duration_seconds",
    "histogram",
    "Duration of remote-write requests, by outcome as in specter_detector_writes_total.",
    ("outcome",),
    (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)
DETECTOR_SENT_BYTES = Metric(
    "specter_detector_sent_bytes_total",
    "counter",
    "Bytes of remote-write requests, compressed, those that are sent again too.",
)
DETECTOR_LAST_FIT = Metric(
    "specter_detector_last_fit_timestamp_seconds",
    "gauge",
    "Timestamp at which a query's series were last fitted.",
    ("query",),
)
DETECTOR_FIT_WORKERS = Metric(
    "specter_detector_fit_workers",
    "gauge",
    "Processes that fit: of this machine (local), or of the Dask cluster as far as it is connected.",
    ("executor",),
)
DETECTOR_FIT_POOL_RESTARTS = Metric(
    "specter_detector_fit_pool_restarts_total",
    "counter",
    "Times that the processes that fit were replaced, by reason: died, hung (one batch took too long).",
    ("reason",),
)
DETECTOR_EXCLUSIONS = Metric(
    "specter_detector_exclusion_windows",
    "gauge",
    "Times not to learn from that hold at the newest tick, by kind: deployment, maintenance, incident.",
    ("kind",),
)

# PostgreSQL. Every family has the server's name in the exporter's configuration.
PG_FAILURE_REASONS = (
    "auth",
    "slots",
    "timeout",
    "tls",
    "privilege",
    "refused",
    "starting",
    "database",
    "other",
)
PG_UP = Metric(
    "specter_pg_up",
    "gauge",
    "1 if the server took a connection of the exporter's and answered, else 0.",
    (SERVER,),
)
PG_FAILURE = Metric(
    "specter_pg_failure",
    "gauge",
    "Why the server could not be asked: 1 for the reason of this scrape, 0 for the others, all 0 "
    "while it is up. Reasons: auth, slots, timeout, tls, privilege, refused, starting, database, "
    "other.",
    (SERVER, "reason"),
)
PG_COLLECTOR_SUCCESS = Metric(
    "specter_pg_collector_success",
    "gauge",
    "1 if the collector's queries succeeded in this scrape, else 0; its series are then absent, not old.",
    (SERVER, "collector"),
)
PG_COLLECTOR_DURATION = Metric(
    "specter_pg_collector_duration_seconds",
    "gauge",
    "What the collector took in this scrape.",
    (SERVER, "collector"),
)
PG_COLLECTOR_FAILURE = Metric(
    "specter_pg_collector_failure",
    "gauge",
    "1 for the reason why a collector failed in this scrape; else absent. Reasons: lock_timeout, "
    "privilege, timeout, unsupported, connection, other.",
    (SERVER, "collector", "reason"),
)
PG_DROPPED = Metric(
    "specter_pg_dropped_series",
    "gauge",
    "Series that this scrape left out: over the collector's limit, or a second one of the same labels.",
    (SERVER, "collector"),
)
PG_INFO = Metric(
    "specter_pg_info",
    "info",
    "Version of the server.",
    (SERVER, "version"),
)
PG_START = Metric(
    "specter_pg_start_timestamp_seconds",
    "gauge",
    "Unix time at which the server started.",
    (SERVER,),
)
PG_RECOVERY = Metric(
    "specter_pg_in_recovery",
    "gauge",
    "1 on a standby, 0 on a primary.",
    (SERVER,),
)
PG_PRIVILEGE = Metric(
    "specter_pg_privilege",
    "gauge",
    "Whether the exporter's role may see what collectors need: 1 yes, 0 no. Without pg_monitor "
    "other sessions' state and statements are hidden, and what is counted of them is too low.",
    (SERVER, "privilege"),
)
PG_CONNECTIONS = Metric(
    "specter_pg_connections",
    "gauge",
    "Sessions of clients by database and state; `hidden`: the role may not see the state.",
    (SERVER, "database", "state"),
)
PG_MAX_CONNECTIONS = Metric(
    "specter_pg_max_connections",
    "gauge",
    "Sessions that the server takes at most, those reserved for superusers included.",
    (SERVER,),
)
PG_RESERVED_CONNECTIONS = Metric(
    "specter_pg_reserved_connections",
    "gauge",
    "Sessions of max_connections that ordinary roles cannot have.",
    (SERVER,),
)
PG_LEAKED = Metric(
    "specter_pg_idle_connections_leaked",
    "gauge",
    "Sessions that have been idle for longer than idle_limit, by application_name; a pool keeps "
    "few of them for so long.",
    (SERVER, "application"),
)
PG_LONGEST_IDLE_TRANSACTION = Metric(
    "specter_pg_longest_idle_in_transaction_seconds",
    "gauge",
    "How long the session that has been idle in its transaction the longest has been so; 0 if none is.",
    (SERVER,),
)
PG_LONGEST_TRANSACTION = Metric(
    "specter_pg_longest_transaction_seconds",
    "gauge",
    "Age of the oldest open transaction of a client; 0 if there is none.",
    (SERVER,),
)
PG_LONGEST_STATEMENT = Metric(
    "specter_pg_longest_statement_seconds",
    "gauge",
    "How long the statement that has been running the longest has been running; 0 if none is.",
    (SERVER,),
)
PG_WAITING = Metric(
    "specter_pg_waiting_sessions",
    "gauge",
    "Active sessions of clients that wait, by type of what they wait for (pg_stat_activity.wait_event_type).",
    (SERVER, "wait_event_type"),
)
PG_LOCKS = Metric(
    "specter_pg_locks",
    "gauge",
    "Locks of relations and transactions, by mode and whether they are held or waited for.",
    (SERVER, "mode", "state"),
)
PG_BLOCKED = Metric(
    "specter_pg_blocked_sessions",
    "gauge",
    "Sessions that wait for a lock that another session holds or waits for.",
    (SERVER,),
)
PG_ROOT_BLOCKERS = Metric(
    "specter_pg_root_blockers",
    "gauge",
    "Sessions that block others and are blocked by none: what to end first.",
    (SERVER,),
)
PG_ROOT_BLOCKER_AGE = Metric(
    "specter_pg_root_blocker_transaction_seconds",
    "gauge",
    "Age of the oldest transaction of a root blocker; 0 if there is none.",
    (SERVER,),
)
PG_LONGEST_LOCK_WAIT = Metric(
    "specter_pg_longest_lock_wait_seconds",
    "gauge",
    "How long the session that has waited for a lock the longest has waited; 0 if none waits. "
    "Before PostgreSQL 14: since its statement began.",
    (SERVER,),
)
PG_DB_SIZE = Metric(
    "specter_pg_database_size_bytes",
    "gauge",
    "Size of the database on disk.",
    (SERVER, "database"),
)
PG_DB_COMMITS = Metric(
    "specter_pg_database_commits_total",
    "counter",
    "Transactions committed.",
    (SERVER, "database"),
)
PG_DB_ROLLBACKS = Metric(
    "specter_pg_database_rollbacks_total",
    "counter",
    "Transactions rolled back.",
    (SERVER, "database"),
)
PG_DB_DEADLOCKS = Metric(
    "specter_pg_database_deadlocks_total",
    "counter",
    "Deadlocks detected.",
    (SERVER, "database"),
)
PG_DB_CONFLICTS = Metric(
    "specter_pg_database_conflicts_total",
    "counter",
    "Queries of a standby cancelled because of a conflict with recovery.",
    (SERVER, "database"),
)
PG_DB_BLOCKS_HIT = Metric(
    "specter_pg_database_blocks_hit_total",
    "counter",
    "Blocks found in the server's cache.",
    (SERVER, "database"),
)
PG_DB_BLOCKS_READ = Metric(
    "specter_pg_database_blocks_read_total",
    "counter",
    "Blocks that were not in the server's cache.",
    (SERVER, "database"),
)
PG_DB_ROWS_RETURNED = Metric(
    "specter_pg_database_rows_returned_total",
    "counter",
    "Rows read by scans.",
    (SERVER, "database"),
)
PG_DB_ROWS_CHANGED = Metric(
    "specter_pg_database_rows_changed_total",
    "counter",
    "Rows inserted, updated or deleted.",
    (SERVER, "database"),
)
PG_DB_TEMP_FILES = Metric(
    "specter_pg_database_temp_files_total",
    "counter",
    "Temporary files of sorts and joins that did not fit into work_mem.",
    (SERVER, "database"),
)
PG_DB_TEMP_BYTES = Metric(
    "specter_pg_database_temp_bytes_total",
    "counter",
    "Bytes written to temporary files.",
    (SERVER, "database"),
)
PG_DB_STATS_RESET = Metric(
    "specter_pg_database_stats_reset_timestamp_seconds",
    "gauge",
    "Unix time at which the database's counters were last reset.",
    (SERVER, "database"),
)
PG_DB_XID_AGE = Metric(
    "specter_pg_database_transaction_age",
    "gauge",
    "Transactions since the oldest one that vacuum has not frozen; the server stops taking writes"
    " near 2.1 billion.",
    (SERVER, "database"),
)
PG_FREEZE_MAX_AGE = Metric(
    "specter_pg_freeze_max_age",
    "gauge",
    "The transaction age at which autovacuum freezes in any case.",
    (SERVER,),
)
PG_CHECKPOINTS = Metric(
    "specter_pg_checkpoints_total",
    "counter",
    "Checkpoints, on a standby restartpoints, by cause: timed, or requested because the log grew too fast.",
    (SERVER, "cause"),
)
PG_CHECKPOINT_BLOCKS = Metric(
    "specter_pg_checkpoint_blocks_written_total",
    "counter",
    "Blocks that checkpoints wrote.",
    (SERVER,),
)
PG_STATEMENTS_RESET = Metric(
    "specter_pg_statements_stats_reset_timestamp_seconds",
    "gauge",
    "Unix time at which pg_stat_statements was last reset (PostgreSQL 14 and later, and version 1.9 of the "
    "extension).",
    (SERVER,),
)
PG_STATEMENT_INFO = Metric(
    "specter_pg_statement_info",
    "info",
    "Text of a statement of this scrape, normalised: constants are placeholders; cut to 200 characters.",
    (SERVER, "statement", "database", "query"),
)
PG_STATEMENT_CALLS = Metric(
    "specter_pg_statement_calls_total",
    "counter",
    "Times that the statement ran, over users.",
    (SERVER, "statement", "database"),
)
PG_STATEMENT_SECONDS = Metric(
    "specter_pg_statement_seconds_total",
    "counter",
    "Time spent running the statement.",
    (SERVER, "statement", "database"),
)
PG_STATEMENT_ROWS = Metric(
    "specter_pg_statement_rows_total",
    "counter",
    "Rows that the statement returned or changed.",
    (SERVER, "statement", "database"),
)
PG_STATEMENT_BLOCKS_READ = Metric(
    "specter_pg_statement_blocks_read_total",
    "counter",
    "Blocks that the statement did not find in the server's cache.",
    (SERVER, "statement", "database"),
)
PG_PLAN_INFO = Metric(
    "specter_pg_plan_info",
    "info",
    "Plan of a statement without values, as EXPLAIN told it last: a hash that costs do not change, and "
    "its nodes, cut to 200 characters. It is asked for every plan_interval, see "
    "specter_pg_plan_timestamp_seconds.",
    (SERVER, "statement", "database", "plan", "shape"),
)
PG_PLAN_COST = Metric(
    "specter_pg_plan_cost",
    "gauge",
    "Total cost of the plan as the planner estimates it, in its own units.",
    (SERVER, "statement", "database"),
)
PG_PLAN_CHANGES = Metric(
    "specter_pg_plan_changes_total",
    "counter",
    "Times that the statement had another plan than when it was asked for before.",
    (SERVER, "statement", "database"),
)
PG_PLAN_TIME = Metric(
    "specter_pg_plan_timestamp_seconds",
    "gauge",
    "Unix time at which the statement's plan was told last.",
    (SERVER, "statement", "database"),
)
PG_PLAN_SCANNED = Metric(
    "specter_pg_plan_seq_scan_bytes",
    "gauge",
    "Size of a table of 10 MB or more that the plan reads from end to end, by its pages when it was "
    "last vacuumed or analysed.",
    (SERVER, "statement", "database", "schema", "table"),
)
PG_PLANS_UNKNOWN = Metric(
    "specter_pg_plans_unknown",
    "gauge",
    "Statements that were not explained when they were asked for last. Reasons: unsupported (a utility "
    "statement, one that cannot be prepared without its values, or a table that is not in "
    "plan_search_path), privilege, lock_timeout, timeout.",
    (SERVER, "reason"),
)
PG_STANDBY_LAG_BYTES = Metric(
    "specter_pg_standby_lag_bytes",
    "gauge",
    "On the primary: how far a standby (its application_name) is behind what was written, by "
    "stage: sent, written, flushed, replayed.",
    (SERVER, "standby", "stage"),
)
PG_STANDBYS = Metric(
    "specter_pg_standbys",
    "gauge",
    "On the primary: standbys connected, by state of pg_stat_replication.",
    (SERVER, "state"),
)
PG_RECEIVER_UP = Metric(
    "specter_pg_wal_receiver_up",
    "gauge",
    "On a standby: 1 if it receives from its primary, 0 if it is cut off or reads an archive.",
    (SERVER,),
)
PG_REPLAY_LAG_BYTES = Metric(
    "specter_pg_replay_lag_bytes",
    "gauge",
    "On a standby: bytes received and not replayed yet.",
    (SERVER,),
)
PG_REPLAY_LAG = Metric(
    "specter_pg_replay_lag_seconds",
    "gauge",
    "On a standby: how old what it shows may be. 0 when it receives and has replayed everything, "
    "also while the primary is idle; grows while it is cut off. Absent where nothing tells it.",
    (SERVER,),
)
PG_REPLAY_PAUSED = Metric(
    "specter_pg_replay_paused",
    "gauge",
    "On a standby: 1 if replay is paused.",
    (SERVER,),
)
PG_SLOT_RETAINED = Metric(
    "specter_pg_replication_slot_retained_bytes",
    "gauge",
    "Log that the slot keeps the server from removing; absent where that is none or not known.",
    (SERVER, "slot"),
)
PG_SLOT_ACTIVE = Metric(
    "specter_pg_replication_slot_active",
    "gauge",
    "1 if something reads from the slot. Absent for one that a standby copies from its primary.",
    (SERVER, "slot"),
)
PG_SLOT_LOST = Metric(
    "specter_pg_replication_slot_lost",
    "gauge",
    "1 if the server has removed what the slot's reader needs, which can then never go on.",
    (SERVER, "slot"),
)
PG_ARCHIVED = Metric(
    "specter_pg_archived_segments_total",
    "counter",
    "Segments of the log that were archived.",
    (SERVER,),
)
PG_ARCHIVE_FAILURES = Metric(
    "specter_pg_archive_failures_total",
    "counter",
    "Attempts to archive a segment that failed.",
    (SERVER,),
)
PG_LAST_ARCHIVED = Metric(
    "specter_pg_last_archived_timestamp_seconds",
    "gauge",
    "Unix time of the last archived segment; absent if there was none.",
    (SERVER,),
)
PG_LAST_ARCHIVE_FAILURE = Metric(
    "specter_pg_last_archive_failure_timestamp_seconds",
    "gauge",
    "Unix time of the last failed attempt to archive; absent if there was none.",
    (SERVER,),
)
PG_BACKUPS = Metric(
    "specter_pg_backups",
    "gauge",
    "Whole backups that there are: files, or rows of the query; 0 where there is none.",
    (SERVER, "backup"),
)
PG_BACKUP_TIME = Metric(
    "specter_pg_backup_timestamp_seconds",
    "gauge",
    "Unix time at which the newest backup was finished; absent if there is none.",
    (SERVER, "backup"),
)
PG_BACKUP_BYTES = Metric(
    "specter_pg_backup_size_bytes",
    "gauge",
    "Size of the newest backup.",
    (SERVER, "backup"),
)
PG_BACKUP_VERIFIED = Metric(
    "specter_pg_backup_verified",
    "gauge",
    "Where it is told: 1 if a backup has ever been verified, 0 if none has.",
    (SERVER, "backup"),
)
PG_BACKUP_VERIFIED_TIME = Metric(
    "specter_pg_backup_verified_timestamp_seconds",
    "gauge",
    "Unix time at which a backup was verified last; absent if none was, or where nothing tells it.",
    (SERVER, "backup"),
)
PG_TABLES = Metric(
    "specter_pg_tables",
    "gauge",
    "Tables of the database; the ones with the most changes, dead rows, scanned rows and pages "
    "have series of their own.",
    (SERVER, "database"),
)
PG_TABLE_BYTES = Metric(
    "specter_pg_table_size_bytes",
    "gauge",
    "Size of the table without indexes, by its pages when it was last vacuumed or analysed: "
    "asking for the true one waits for locks.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_LIVE = Metric(
    "specter_pg_table_live_rows",
    "gauge",
    "Rows, estimated; absent on a standby, where they are not counted.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_DEAD = Metric(
    "specter_pg_table_dead_rows",
    "gauge",
    "Dead rows, estimated; absent on a standby, where they are not counted.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_SEQ_SCANS = Metric(
    "specter_pg_table_seq_scans_total",
    "counter",
    "Sequential scans.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_SEQ_ROWS = Metric(
    "specter_pg_table_seq_rows_total",
    "counter",
    "Live rows read by sequential scans.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_INDEX_SCANS = Metric(
    "specter_pg_table_index_scans_total",
    "counter",
    "Index scans.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_CHANGES = Metric(
    "specter_pg_table_changed_rows_total",
    "counter",
    "Rows inserted, updated or deleted; absent on a standby, where they are not counted.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_VACUUMED = Metric(
    "specter_pg_table_last_vacuum_timestamp_seconds",
    "gauge",
    "Unix time of the last vacuum, by hand or automatic; absent if there was none.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_ANALYSED = Metric(
    "specter_pg_table_last_analyze_timestamp_seconds",
    "gauge",
    "Unix time of the last analyze, by hand or automatic; absent if there was none.",
    (SERVER, "database", "schema", "table"),
)
PG_TABLE_PROBLEM_BYTES = Metric(
    "specter_pg_table_problem_bytes",
    "gauge",
    "Size of a table of 10 MB or more that something may be done about. missing_index: 50 sequential "
    "scans or more, of ten thousand rows on average, and at least one for ten index scans. bloat: what a "
    "fifth or more of dead rows takes; free space that vacuum left is not known.",
    (SERVER, "database", "schema", "table", "problem"),
)
PG_INDEX_PROBLEM = Metric(
    "specter_pg_index_problem",
    "gauge",
    "1 for an index that is invalid, unused since the counters were reset (not one that enforces "
    "something, and not on a standby), or the same as another; the size of what it costs is in "
    "specter_pg_index_problem_bytes.",
    (SERVER, "database", "schema", "table", "index", "problem"),
)
PG_INDEX_PROBLEM_BYTES = Metric(
    "specter_pg_index_problem_bytes",
    "gauge",
    "Size of a problematic index, by its pages when it was last vacuumed or analysed.",
    (SERVER, "database", "schema", "table", "index", "problem"),
)
PG_SEQUENCE_USED = Metric(
    "specter_pg_sequence_used_ratio",
    "gauge",
    "Share of a sequence's values that are used up, by the smaller of its own limit and that of "
    "the type of the column it feeds; the fullest are exposed, none below a tenth.",
    (SERVER, "database", "schema", "sequence"),
)

# pgbouncer. Every family has the pgbouncer's name in the exporter's configuration.
PGBOUNCER_UP = Metric(
    "specter_pgbouncer_up",
    "gauge",
    "1 if the console of pgbouncer answered, else 0.",
    (SERVER,),
)
PGBOUNCER_FAILURE = Metric(
    "specter_pgbouncer_failure",
    "gauge",
    "Why pgbouncer could not be asked: 1 for the reason of this scrape, 0 for the others, all 0 while "
    "it is up. Reasons: as those of specter_pg_failure.",
    (SERVER, "reason"),
)
PGBOUNCER_INFO = Metric(
    "specter_pgbouncer_info",
    "info",
    "Version of pgbouncer.",
    (SERVER, "version"),
)
PGBOUNCER_CLIENTS = Metric(
    "specter_pgbouncer_clients",
    "gauge",
    "Clients of a pool by state: active (linked to a connection to the server, or idle), waiting for one.",
    (SERVER, "database", "user", "state"),
)
PGBOUNCER_SERVERS = Metric(
    "specter_pgbouncer_servers",
    "gauge",
    "Connections of a pool to the server by state: active, idle, used, tested, login.",
    (SERVER, "database", "user", "state"),
)
PGBOUNCER_MAX_WAIT = Metric(
    "specter_pgbouncer_max_wait_seconds",
    "gauge",
    "How long the client that has waited the longest for a connection has waited; 0 if none waits.",
    (SERVER, "database", "user"),
)
PGBOUNCER_POOL_SIZE = Metric(
    "specter_pgbouncer_pool_size",
    "gauge",
    "Connections to the server that a pool of the database may have; each user has a pool.",
    (SERVER, "database"),
)
PGBOUNCER_PAUSED = Metric(
    "specter_pgbouncer_paused",
    "gauge",
    "1 if the database is paused, so that its clients wait.",
    (SERVER, "database"),
)
PGBOUNCER_MAX_CLIENTS = Metric(
    "specter_pgbouncer_max_clients",
    "gauge",
    "Clients that pgbouncer takes at most (max_client_conn).",
    (SERVER,),
)
PGBOUNCER_TRANSACTIONS = Metric(
    "specter_pgbouncer_transactions_total",
    "counter",
    "Transactions of the database.",
    (SERVER, "database"),
)
PGBOUNCER_QUERIES = Metric(
    "specter_pgbouncer_queries_total",
    "counter",
    "Queries of the database.",
    (SERVER, "database"),
)
PGBOUNCER_QUERY_SECONDS = Metric(
    "specter_pgbouncer_query_seconds_total",
    "counter",
    "Time spent in queries of the database.",
    (SERVER, "database"),
)
PGBOUNCER_WAIT_SECONDS = Metric(
    "specter_pgbouncer_wait_seconds_total",
    "counter",
    "Time that clients waited for a connection to the database.",
    (SERVER, "database"),
)
PGBOUNCER_RECEIVED = Metric(
    "specter_pgbouncer_received_bytes_total",
    "counter",
    "Bytes received from clients of the database.",
    (SERVER, "database"),
)
PGBOUNCER_SENT = Metric(
    "specter_pgbouncer_sent_bytes_total",
    "counter",
    "Bytes sent to clients of the database.",
    (SERVER, "database"),
)

# Checks of data in SQL databases. `database` and `check` are names in the exporter's configuration.
DATABASE = "database"
CHECK = "check"
_OF_CHECK = (DATABASE, CHECK)
_CACHED = "of the newest run, which is in the background, not with the scrape"
SQL_FAILURE_REASONS = (*PG_FAILURE_REASONS, "secret")
SQL_CHECK_FAILURE_REASONS = (
    *SQL_FAILURE_REASONS,
    "connection",
    "lock_timeout",
    "query",
    "read_only",
    "result",
    "unsupported",
)
SQL_UP = Metric(
    "specter_sql_up",
    "gauge",
    "1 if the database let the exporter in at the newest run of one of its checks, else 0; absent until one "
    "ran, and where that is too long ago.",
    (DATABASE,),
)
SQL_FAILURE = Metric(
    "specter_sql_failure",
    "gauge",
    "Why the database did not let the exporter in: 1 for the reason, 0 for the others, all 0 while it is up. "
    f"Reasons: {', '.join(SQL_FAILURE_REASONS)}.",
    (DATABASE, "reason"),
)
SQL_CHECK_INFO = Metric(
    "specter_sql_check_info",
    "info",
    "What a check is: its kind (integrity, business, sync), and how bad a violation of integrity is "
    "(critical, warning).",
    (*_OF_CHECK, "kind", "severity"),
)
SQL_CHECK_INTERVAL = Metric(
    "specter_sql_check_interval_seconds", "gauge", "Time between two runs of the check.", _OF_CHECK
)
SQL_CHECK_SUCCESS = Metric(
    "specter_sql_check_success",
    "gauge",
    "1 if the newest run was completed, whatever it found, 0 if it failed; absent until one ended.",
    _OF_CHECK,
)
SQL_CHECK_FAILURE = Metric(
    "specter_sql_check_failure",
    "gauge",
    "1 for the reason why the newest run failed; absent where it did not. "
    f"Reasons: {', '.join(SQL_CHECK_FAILURE_REASONS)}.",
    (*_OF_CHECK, "reason"),
)
SQL_CHECK_STALE = Metric(
    "specter_sql_check_stale",
    "gauge",
    "1 if no run was completed for two intervals and a time-out, else 0; what was found is then absent.",
    _OF_CHECK,
)
SQL_CHECK_DURATION = Metric(
    "specter_sql_check_duration_seconds", "gauge", "What the newest run took.", _OF_CHECK
)
SQL_CHECK_LAST_RUN = Metric(
    "specter_sql_check_last_run_timestamp_seconds",
    "gauge",
    "Unix time at which the newest run ended.",
    _OF_CHECK,
)
SQL_CHECK_LAST_SUCCESS = Metric(
    "specter_sql_check_last_success_timestamp_seconds",
    "gauge",
    "Unix time at which the newest completed run ended; absent until there is one.",
    _OF_CHECK,
)
SQL_CHECK_RUNS = Metric("specter_sql_check_runs_total", "counter", "Runs that ended.", _OF_CHECK)
SQL_CHECK_FAILED_RUNS = Metric(
    "specter_sql_check_failed_runs_total", "counter", "Runs that ended and were not completed.", _OF_CHECK
)
SQL_VIOLATIONS = Metric(
    "specter_sql_check_violations",
    "gauge",
    f"Rows that must not be there, at most 10000, or how far a count is beyond its bound; {_CACHED}. Absent "
    "where that failed or is too old.",
    _OF_CHECK,
)
SQL_BUSINESS_VALUE = Metric(
    "specter_sql_business_value",
    "gauge",
    f"What a business query gives, by the group of its row; {_CACHED}. Absent where that failed or is old.",
    (*_OF_CHECK, "group"),
)
SQL_DROPPED_GROUPS = Metric(
    "specter_sql_business_dropped_groups_total",
    "counter",
    "Groups of a business query that were summed up as `other`, over all runs: more than may have series.",
    _OF_CHECK,
)
SQL_SYNC_ROWS = Metric(
    "specter_sql_sync_rows",
    "gauge",
    f"Rows of the source and of the target; {_CACHED}. Absent where that failed or is too old.",
    (*_OF_CHECK, "side"),
)
SQL_SYNC_ROW_DIFFERENCE = Metric(
    "specter_sql_sync_row_difference",
    "gauge",
    f"Rows that the source has more than the target; below 0, the target has more; {_CACHED}.",
    _OF_CHECK,
)
SQL_SYNC_LAG = Metric(
    "specter_sql_sync_lag_seconds",
    "gauge",
    f"How much older the newest of the target is than that of the source; {_CACHED}.",
    _OF_CHECK,
)
SQL_SYNC_MARK_DIFFERENCE = Metric(
    "specter_sql_sync_mark_difference",
    "gauge",
    f"How far the highest number of the target is below that of the source; {_CACHED}.",
    _OF_CHECK,
)
SQL_SYNC_LAG_LIMIT = Metric(
    "specter_sql_sync_lag_limit_seconds", "gauge", "The lag that is allowed; absent if none is.", _OF_CHECK
)
SQL_SYNC_MARK_LIMIT = Metric(
    "specter_sql_sync_mark_difference_limit",
    "gauge",
    "How far the highest number of the target may be behind; absent if nothing is said.",
    _OF_CHECK,
)
SQL_SYNC_ROW_LIMIT = Metric(
    "specter_sql_sync_row_difference_limit",
    "gauge",
    "Rows by which source and target may differ; absent if nothing is said.",
    _OF_CHECK,
)
