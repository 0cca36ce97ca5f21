"""Brokers: whether they answer, let the exporter in, and keep what they are given."""

from specter_alerts.annotations import looked_up, own
from specter_alerts.availability import exporter_down
from specter_alerts.model import AlertRule
from specter_alerts.queue_alert import BROKER, OWN_LABELS, SERVER, alert
from specter_alerts.settings import Settings
from specter_core import metrics

# The exporter is turned away by a broker that lives.
TURNED_AWAY = 'reason=~"auth|privilege|tls"'
REASON = looked_up(f"{metrics.QUEUE_FAILURE.name}{{{own(OWN_LABELS)}}} == 1", OWN_LABELS)
EVICTED_WITHIN = "15m"


def alerts(settings: Settings) -> tuple[AlertRule, ...]:
    """Return the alerts on brokers and on the exporter."""
    turned_away = f"max by ({SERVER}) ({metrics.QUEUE_FAILURE.name}{{{TURNED_AWAY}}}) == 1"
    return (
        alert(
            settings,
            "BrokerDown",
            f"max by ({SERVER}) ({metrics.QUEUE_UP.name}) == 0\nunless on ({SERVER})\n{turned_away}",
            "critical",
            "availability",
            wait=settings.broker_down_for,
            keep_firing=settings.keep_firing,
            summary=f"Broker {BROKER} does not answer",
            description=(
                f"The exporter has not been answered by {BROKER} for {settings.broker_down_for} "
                f"(`specter_queue_up` is {{{{ $value }}}}, expected 1); reason: {REASON}."
            ),
            action=(
                "refused: see whether the broker runs. timeout: look at its host. starting: it loads its "
                "data."
            ),
        ),
        alert(
            settings,
            "BrokerTurnsExporterAway",
            turned_away,
            "warning",
            "watch",
            wait=settings.broker_down_for,
            summary=f"Broker {BROKER} does not let the exporter in",
            description=(
                f"{BROKER} lives and turns the exporter away ({{{{ $value }}}}, expected 0); reason: "
                f"{REASON}. "
                "Nothing else is known of it."
            ),
            action="Connect by hand with the exporter's `url` and `password_file`; correct what is refused.",
        ),
        exporter_down(
            settings,
            "QueueExporterDown",
            settings.queues_job,
            board=metrics.DASHBOARD_QUEUES,
            summary="Queues of {{ $labels.service }} are not watched",
            unknown="Nothing is known of their brokers, which may be well.",
        ),
        *_keeping(settings),
        *_whole(settings),
    )


def _keeping(settings: Settings) -> tuple[AlertRule, ...]:
    unsafe = f"max by ({SERVER}) ({metrics.BROKER_EVICTS.name}) == 1"
    evicted = f"max by ({SERVER}) (increase({metrics.CACHE_EVICTIONS.name}[{EVICTED_WITHIN}]))"
    return (
        alert(
            settings,
            "BrokerEvictsMessages",
            f"{evicted} > 0\nand on ({SERVER})\n{unsafe}",
            "critical",
            "evictions",
            summary=f"Broker {BROKER} deletes keys for want of memory",
            description=(
                f"{{{{ $value | humanize }}}} keys of {BROKER}, which holds queues, were deleted within "
                f"{EVICTED_WITHIN}; expected 0. A queue is one key: all of its messages go at once."
            ),
            action="CONFIG SET maxmemory-policy noeviction, then free memory; look for what is missing.",
        ),
        alert(
            settings,
            "BrokerPolicyUnsafe",
            unsafe,
            "warning",
            "evictions",
            wait="5m",
            summary=f"Broker {BROKER} may delete its queues",
            description=(
                f"{BROKER} holds queues, and its maxmemory-policy lets it delete keys when its memory is "
                "full "
                "(value {{ $value }}, expected 0)."
            ),
            action=(
                "CONFIG SET maxmemory-policy noeviction, and in its file; give caches a server of their own."
            ),
        ),
    )


def _whole(settings: Settings) -> tuple[AlertRule, ...]:
    failed = metrics.QUEUE_COLLECTOR_FAILURE
    labels = (*OWN_LABELS, "collector")
    reason = looked_up(f"{failed.name}{{{own(labels)}}}", labels)
    return (
        alert(
            settings,
            "QueueCollectorFailing",
            f"max by ({SERVER}, collector) ({failed.name}) == 1",
            "info",
            "watch",
            wait=settings.queue_collector_failing_for,
            summary=f"Of broker {BROKER}, {{{{ $labels.collector }}}} is not known as a whole",
            description=(
                f"The collector {{{{ $labels.collector }}}} of {BROKER} has failed for "
                f"{settings.queue_collector_failing_for} ({{{{ $value }}}}, expected 0); reason: {reason}."
            ),
            action="privilege: grant what the exporter's page says. wrong_type: see which key is meant.",
        ),
        alert(
            settings,
            "QueuesLeftOut",
            f"max by ({SERVER}, collector) ({metrics.QUEUE_DROPPED.name}) > 0",
            "info",
            "watch",
            wait=settings.queue_collector_failing_for,
            summary=f"Of broker {BROKER}, some queues or workers are left out",
            description=(
                f"The collector {{{{ $labels.collector }}}} of {BROKER} leaves out {{{{ $value }}}} queues "
                "or "
                "workers, because there are more than the exporter may tell; expected 0."
            ),
            action="Raise `max_queues` or `max_workers`, or look for who makes up names of queues.",
        ),
    )
