"""Workers: those whose heartbeat stopped, and those that have no rest while messages wait."""

from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.queue_alert import BROKER, OWN, SYSTEM, alert, of_broker
from specter_alerts.settings import Settings
from specter_core import metrics

KIND = f"{{{{ $labels.{metrics.SYSTEM} }}}}"


def groups(settings: Settings) -> list[RuleGroup]:
    """Return the alerts on workers."""
    return [RuleGroup("specter_worker_alerts", (_lost(settings), _busy(settings)))]


def _in(state: str) -> str:
    return f'max by ({SYSTEM}) ({metrics.QUEUE_WORKERS.name}{{state="{state}"}})'


def _lost(settings: Settings) -> AlertRule:
    silent = of_broker(f"bottomk(1, {metrics.QUEUE_WORKER_HEARTBEAT.name}{{{OWN}}})", "{{ .Labels.worker }}")
    return alert(
        settings,
        "WorkerLost",
        f"{_in('lost')} > 0",
        "warning",
        "workers",
        wait=settings.worker_lost_for,
        summary=f"{{{{ $value }}}} {KIND} workers of {BROKER} are lost",
        description=(
            f"{{{{ $value }}}} {KIND} workers of {BROKER} no longer give a sign of life and did not say "
            f"that they end; expected 0. Heard the longest ago: {silent}. What they held waits until the "
            "broker gives it to another one."
        ),
        action=(
            "Look in its host's log for an out-of-memory kill (dmesg), and start it again; the dashboard has "
            "the others that are silent."
        ),
    )


def _busy(settings: Settings) -> AlertRule:
    ready = f"sum by ({SYSTEM}) (max by ({SYSTEM}, {metrics.QUEUE}) ({metrics.QUEUE_READY.name}))"
    return alert(
        settings,
        "WorkersAllBusy",
        f"{_in('busy')} > 0\nunless on ({SYSTEM})\n{_in('idle')} > 0\nand on ({SYSTEM})\n{ready} > 0",
        "warning",
        "workers_busy",
        wait=settings.workers_busy_for,
        keep_firing=settings.keep_firing,
        summary=f"All {KIND} workers of {BROKER} are busy, and messages wait",
        description=(
            f"All {{{{ $value }}}} {KIND} workers of {BROKER} that live have been busy for "
            f"{settings.workers_busy_for} while messages wait; expected that one is idle now and then."
        ),
        action="See what takes long: a dependency that is slow, or a task that hangs. Else add workers.",
    )
