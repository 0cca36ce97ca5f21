"""Queues: what waits and since when, who takes it, what becomes of it, and whether the broker tells.

Queues are told apart by `service`, `server`, `system` and `queue`. That one is fuller or slower than usual at
this time of the week is for the detector to tell.
"""

from specter_alerts import queue_backlog, queue_brokers
from specter_alerts.counters import KNOWN, USUAL_INTERVAL
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup, Severity
from specter_alerts.queue_alert import (
    NAME,
    ON,
    OWN,
    PACE,
    QUEUE,
    SERVER,
    SYSTEM,
    WHERE,
    alert,
    of_broker,
    of_own,
    of_queue,
    own_pace,
    queue_rate,
)
from specter_alerts.settings import Settings, number
from specter_core import metrics

RATE, RATIO = "5m", "15m"
COUNT, TASK = "{{ . | value | humanize }}", "{{ .Labels.task }}"
READY = of_queue(metrics.QUEUE_READY)


def groups(settings: Settings) -> list[RuleGroup]:
    """Return what is recorded of queues, and the alerts on them and on their brokers."""
    return [
        RuleGroup("specter_queues", _recorded()),
        RuleGroup("specter_queues_usual", (queue_backlog.usual_age(),), USUAL_INTERVAL),
        RuleGroup("specter_queue_alerts", _alerts(settings)),
        RuleGroup("specter_broker_alerts", queue_brokers.alerts(settings)),
    ]


def _recorded() -> tuple[RecordingRule, ...]:
    return (
        RecordingRule(
            metrics.QUEUE_AGE,
            f"clamp_min(time() - min by ({QUEUE}) ({metrics.QUEUE_OLDEST.name}{{{KNOWN}}}), 0)\n"
            f"or\n0 * ({READY} == 0)",
        ),
        *queue_backlog.recorded(),
        RecordingRule(metrics.QUEUE_ARRIVAL_RATE, queue_rate(metrics.QUEUE_ARRIVED, RATE)),
        RecordingRule(metrics.QUEUE_COMPLETION_RATE, queue_rate(metrics.QUEUE_COMPLETED, RATE)),
        RecordingRule(metrics.QUEUE_FAILURE_RATIO, _share(metrics.QUEUE_FAILED)),
        RecordingRule(metrics.QUEUE_RETRY_RATIO, _share(metrics.QUEUE_RETRIED)),
    )


def _share(counter: metrics.Metric) -> str:
    """Return a counter's share of what it counts and what was finished; none of nothing."""
    part, done = queue_rate(counter, RATIO), queue_rate(metrics.QUEUE_COMPLETED, RATIO)
    return f"{part}\n/\n({part} + {done} > 0)"


def _alerts(settings: Settings) -> tuple[AlertRule, ...]:
    return (
        *queue_backlog.alerts(settings),
        _old(settings, "QueueMessageOldCritical", "critical", settings.queue_age_critical_seconds),
        _old(settings, "QueueMessageOld", "warning", settings.queue_age_warning_seconds),
        _unserved(settings),
        _dead(settings),
        _ratio(settings, "QueueFailuresHigh", metrics.QUEUE_FAILED, settings.queue_failure_ratio),
        _ratio(settings, "QueueRetriesHigh", metrics.QUEUE_RETRIED, settings.queue_retry_ratio),
        _unknown(settings),
    )


def _old(settings: Settings, name: str, severity: Severity, most: float) -> AlertRule:
    return alert(
        settings,
        name,
        f"{metrics.QUEUE_AGE} > {number(most)}",
        severity,
        "backlog",
        wait=settings.broker_down_for,
        keep_firing=settings.keep_firing,
        summary=f"A message in queue {WHERE} waits for {{{{ $value | humanizeDuration }}}}",
        description=(
            f"The oldest message of {WHERE} has waited for at least {{{{ $value | humanizeDuration }}}}; "
            f"expected at most {number(most)}s. Ready: {of_own(metrics.QUEUE_READY.name, COUNT)}, finished a "
            f"minute: {own_pace(metrics.QUEUE_COMPLETED)} (mean of {PACE})."
        ),
        action=(
            "See whether workers live and take messages of this queue, and whether its first message "
            "blocks it."
        ),
    )


def _unserved(settings: Settings) -> AlertRule:
    workers = f'sum by ({SYSTEM}) ({metrics.QUEUE_WORKERS.name}{{state!="lost"}})'
    consumers = of_queue(metrics.QUEUE_CONSUMERS)
    lost = of_broker(f"sum({metrics.QUEUE_WORKERS.name}{{state=`lost`,{OWN}}})", COUNT)
    return alert(
        settings,
        "QueueWithoutConsumers",
        f"{READY} > 0\nand {ON}\n{consumers} == 0\n"
        # Where the broker counts consumers, they may be others than the workers that are known by name.
        f"or\n{READY} > 0\nand on ({SYSTEM})\n{workers} == 0\nunless {ON}\n{consumers} > 0",
        "critical",
        # That it grows and becomes old follows from it.
        "backlog",
        wait=settings.queue_unserved_for,
        keep_firing=settings.keep_firing,
        summary=f"Nobody takes messages of queue {WHERE}",
        description=(
            f"{{{{ $value | humanize }}}} messages wait in {WHERE}, and it has no consumer, or its system "
            "no worker that lives; expected at least one. Workers of this broker that are lost, without a "
            f"farewell: {lost}."
        ),
        action=(
            "Start the workers. Their supervisor's log says why they ended; of lost ones, their host's too: "
            "out of memory?"
        ),
    )


def _dead(settings: Settings) -> AlertRule:
    least = settings.queue_dead_letters
    return alert(
        settings,
        "QueueDeadLettersGrowing",
        f"{queue_rate(metrics.QUEUE_DEAD_LETTERS, RATIO, function='delta')} >= {least}",
        "warning",
        "failures",
        summary=f"Queue {WHERE} gives messages up",
        description=(
            f"{{{{ $value | humanize }}}} more messages of {WHERE} were given up within {RATIO}; expected "
            "fewer than "
            f"{least}. They are kept, and nobody works on them."
        ),
        action="Read the error of the newest; repair its cause, then put them back.",
    )


def _ratio(settings: Settings, name: str, counter: metrics.Metric, most: float) -> AlertRule:
    failed = counter is metrics.QUEUE_FAILED
    ratio = metrics.QUEUE_FAILURE_RATIO if failed else metrics.QUEUE_RETRY_RATIO
    what = "fail" if failed else "are to be made again"
    tasks = f"topk(1, increase({metrics.QUEUE_TASK_FAILURES.name}{{{OWN}}}[{RATIO}]) > 0)"
    worst = f" Most failures, of tasks with a name: {of_broker(tasks, TASK)}." if failed else ""
    return alert(
        settings,
        name,
        f"{ratio} > {number(most)}\nand {ON}\n"
        f"{queue_rate(counter, RATIO, function='increase')} >= {settings.queue_least_failures}",
        "warning",
        "failures" if failed else "retries",
        wait=settings.queue_ratio_for,
        keep_firing=settings.keep_firing,
        summary=f"{{{{ $value | humanizePercentage }}}} of queue {NAME} {what}",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the attempts of {WHERE} within {RATIO} {what}; "
            f"expected at most {number(most * 100)}%.{worst}"
        ),
        action="See in the workers' log which task, and which error; compare its begin with deployments.",
    )


def _unknown(settings: Settings) -> AlertRule:
    before = f"max by ({QUEUE}) (last_over_time({metrics.QUEUE_DEPTH.name}[%s]))"
    told = f"max by ({QUEUE}) (timestamp({metrics.QUEUE_ARRIVED.name}{{{KNOWN}}}))"
    gone = f"{before % settings.queue_remembered}\nunless {ON}\n{of_queue(metrics.QUEUE_DEPTH)}"
    failed = f"max by ({SERVER}) ({metrics.QUEUE_COLLECTOR_FAILURE.name}) == 1"
    up = f"max by ({metrics.SERVICE}, {metrics.SERVER}) ({metrics.QUEUE_UP.name}) == 1"
    return alert(
        settings,
        "QueueUnknown",
        # Of a queue that is gone nothing is told, though all were had: a reply's, or one of another node's.
        f"({gone}\nand {ON}\n{told}\nor\n{gone}\nand on ({SERVER})\n{failed})\n"
        f"and on ({metrics.SERVICE}, {metrics.SERVER})\n{up}",
        "info",
        "watch",
        wait=settings.queue_unknown_for,
        summary=f"It is not known what waits in queue {WHERE}",
        description=(
            f"{WHERE} held {{{{ $value | humanize }}}} messages within {settings.queue_remembered}, and "
            "its depth is "
            "not told now, though its broker answers; expected that it is."
        ),
        action="See the collector's failure, a stream's lag, or what a consumer group has committed.",
    )
