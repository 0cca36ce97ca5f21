"""An application from inside: whether it is full, what breaks in it, what it cannot reach."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics
from specter_core.metrics import Metric

WINDOW = "5m"
INSTANCE = f"{metrics.SERVICE}, job, instance"
KNOWN = f'{metrics.SERVICE}!=""'
BOARD = metrics.DASHBOARD_APPLICATION


def groups(settings: Settings) -> list[RuleGroup]:
    """Return what is recorded of an application, and the alerts on it."""
    saturation = (_slots(settings), _queue(settings), _event_loop(settings), _thread_pool(settings))
    return [
        RuleGroup("specter_application", _recorded()),
        RuleGroup(
            "specter_application_alerts",
            (*saturation, _exceptions_rising(settings), _check_failing(settings)),
        ),
    ]


def _recorded() -> tuple[RecordingRule, ...]:
    active, slots = metrics.HTTP_SERVER_ACTIVE_REQUESTS.name, metrics.HTTP_SERVER_SLOTS.name
    exceptions = metrics.HTTP_SERVER_EXCEPTIONS.name
    return (
        RecordingRule(
            metrics.INSTANCE_SLOTS_USED,
            f"sum by ({INSTANCE}) ({active}{{{KNOWN}}})\n/\nsum by ({INSTANCE}) ({slots}{{{KNOWN}}} > 0)",
        ),
        RecordingRule(
            metrics.INSTANCE_THREADPOOL_WAITING,
            f"max by ({INSTANCE}) ({metrics.THREADPOOL_WAITING.name}{{{KNOWN}}})",
        ),
        _p95(metrics.INSTANCE_LOOP_LAG_P95, INSTANCE, metrics.EVENT_LOOP_LAG),
        _p95(metrics.SERVICE_QUEUE_P95, metrics.SERVICE, metrics.HTTP_SERVER_QUEUE_DURATION),
        RecordingRule(
            metrics.EXCEPTION_RATE,
            f"sum by ({metrics.SERVICE}, {metrics.EXCEPTION}) (rate({exceptions}{{{KNOWN}}}[{WINDOW}]))",
        ),
    )


def _p95(record: str, by: str, metric: Metric) -> RecordingRule:
    buckets = f"sum by ({by}, le) (rate({metric.bucket}{{{KNOWN}}}[{WINDOW}]))"
    # A quantile of nothing is NaN; the comparison drops it, and the series is absent.
    return RecordingRule(record, f"histogram_quantile(\n  0.95,\n  {buckets}\n) >= 0")


def _slots(settings: Settings) -> AlertRule:
    limit = settings.slots_used_ratio
    return AlertRule(
        "ApplicationSaturated",
        f"avg_over_time({metrics.INSTANCE_SLOTS_USED}[{WINDOW}]) > {number(limit)}",
        "warning",
        "saturation",
        annotate(
            settings,
            "ApplicationSaturated",
            summary="{{ $labels.service }} is full: {{ $value | humanizePercentage }} of its slots are taken",
            description=(
                "{{ $labels.instance }} of {{ $labels.service }} served {{ $value | humanizePercentage }} of "
                f"the requests that it can serve at once, on average over {WINDOW}; expected at most "
                f"{number(limit * 100)}%. Further requests wait for a worker."
            ),
            action=(
                "See on the dashboard whether requests became more or slower. More: add workers. Slower: "
                "find what they wait for among the outgoing calls."
            ),
            board=BOARD,
        ),
        wait=settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _queue(settings: Settings) -> AlertRule:
    limit = number(settings.queue_seconds)
    return AlertRule(
        "RequestsQueueing",
        f"{metrics.SERVICE_QUEUE_P95} > {limit}",
        "warning",
        "queueing",
        annotate(
            settings,
            "RequestsQueueing",
            summary="Requests wait {{ $value | humanizeDuration }} before {{ $labels.service }} takes them",
            description=(
                "One request in twenty waited longer than {{ $value | humanizeDuration }} between the proxy "
                f"and {{{{ $labels.service }}}}; expected at most {limit}s. Its own latency does not show it."
            ),
            action="Look at the slots on the dashboard: add workers, or find what holds the ones there are.",
            board=BOARD,
        ),
        wait=settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _event_loop(settings: Settings) -> AlertRule:
    limit = number(settings.loop_lag_seconds)
    return AlertRule(
        "EventLoopBlocked",
        f"{metrics.INSTANCE_LOOP_LAG_P95} > {limit}",
        "warning",
        "saturation",
        annotate(
            settings,
            "EventLoopBlocked",
            summary="The event loop of {{ $labels.service }} is blocked",
            description=(
                "For one twentieth of the time the event loop of {{ $labels.instance }} ran more than "
                f"{{{{ $value | humanizeDuration }}}} late; expected at most {limit}s. Every request of that "
                "process waits meanwhile."
            ),
            action="Find the handler that computes or calls something synchronous without leaving the loop.",
            board=BOARD,
        ),
        wait=settings.saturated_for,
        keep_firing=settings.keep_firing,
    )


def _thread_pool(settings: Settings) -> AlertRule:
    return AlertRule(
        "ThreadPoolExhausted",
        # One look may find a call that waits for an instant; none of a minute's may be without.
        f"min_over_time({metrics.INSTANCE_THREADPOOL_WAITING}[1m]) > 0",
        "warning",
        "saturation",
        annotate(
            settings,
            "ThreadPoolExhausted",
            summary="Calls of {{ $labels.service }} wait for a thread",
            description=(
                "On {{ $labels.instance }} at least {{ $value }} calls of synchronous handlers waited for a "
                "thread of the pool all the time; expected 0."
            ),
            action="Find what holds the threads, or give the pool more of them (anyio's total_tokens).",
            board=BOARD,
        ),
        wait=settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _exceptions_rising(settings: Settings) -> AlertRule:
    rate, least = metrics.EXCEPTION_RATE, number(settings.exception_rate)
    usual = f"avg_over_time({rate}[{settings.usual_over}] offset {settings.usual_until})"
    return AlertRule(
        "ExceptionsRising",
        # A class that was never seen has no usual rate, and so nothing that excuses it.
        f"{rate} > {least}\nunless\n{rate} <= {number(settings.rising_factor)} * {usual}",
        "warning",
        "exceptions",
        annotate(
            settings,
            "ExceptionsRising",
            summary="{{ $labels.exception }} is new or rising in {{ $labels.service }}",
            description=(
                "{{ $value | humanize }} exceptions a second of the class {{ $labels.exception }} escape "
                f"the handlers of {{{{ $labels.service }}}}; expected at most {least}, or "
                f"{number(settings.rising_factor)} times the average of the {settings.usual_over} before."
            ),
            action="Find the class in the log, with its traceback; compare with the deployments marked.",
            board=BOARD,
        ),
        wait=settings.warning_for,
        keep_firing=settings.keep_firing,
    )


def _check_failing(settings: Settings) -> AlertRule:
    up = f"{metrics.HEALTH_CHECK_UP.name}{{{KNOWN}}}"
    return AlertRule(
        "HealthCheckFailing",
        f"avg by ({metrics.SERVICE}, check) ({up}) < 1",
        "warning",
        "dependency",
        annotate(
            settings,
            "HealthCheckFailing",
            summary="{{ $labels.service }} does not reach {{ $labels.check }}",
            description=(
                "The health check {{ $labels.check }} succeeds in {{ $value | humanizePercentage }} of the "
                "instances of {{ $labels.service }}; expected 100%."
            ),
            action="Ask /healthz of an instance for the error's class; then look at the dependency itself.",
            board=BOARD,
        ),
        wait=settings.check_failed_for,
        keep_firing=settings.keep_firing,
    )
