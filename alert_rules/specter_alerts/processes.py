"""The processes of services: memory that grows without end, restarts."""

from itertools import pairwise

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

# Steps of growth one after the other. A cache or a fit grows in one step, seen in two at most.
GROWTHS = 3
TARGET = "service, job, instance"


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on what client libraries say of their process; the detector has its own."""
    return RuleGroup("specter_process_alerts", (_leak(settings), _restarting(settings)))


def _process(name: str, settings: Settings) -> str:
    return f'{name}{{{metrics.SERVICE}!="", job!="{settings.detector_job}"}}'


def _single() -> str:
    # Where one of several workers answers a scrape, each time another one may: what it says of its own
    # process is then no series of one process.
    return f"unless on ({TARGET})\n{metrics.HTTP_SERVER_WORKERS.name} > 1"


def _leak(settings: Settings) -> AlertRule:
    scales = "\nor\n".join(_growing(step, settings) for step in settings.leak_steps)
    shown = f"{settings.leak_bytes / 2**20:g}MiB"
    steps = " or ".join(settings.leak_steps)
    return AlertRule(
        "MemoryLeak",
        f"(\n{scales}\n)\n{_single()}",
        "warning",
        "memory",
        annotate(
            settings,
            "MemoryLeak",
            summary="The memory of {{ $labels.service }} grows without end",
            description=(
                "{{ $labels.instance }} of {{ $labels.service }} holds {{ $value | humanize1024 }}B, and "
                f"grew by {number(settings.leak_growth * 100 - 100)}% in each of {GROWTHS} steps of {steps} "
                f"one after the other, {shown} or more together; expected memory that levels off."
            ),
            action=(
                "Compare with the deployments marked and with the traffic. Restart it before the kernel "
                "does; take a heap profile first if you can."
            ),
            board=metrics.DASHBOARD_APPLICATION,
        ),
        keep_firing=settings.leak_steps[0],
    )


def _growing(step: str, settings: Settings) -> str:
    memory = _process(metrics.PROCESS_MEMORY, settings)
    steps = [
        f"avg_over_time({memory}[{step}]{f' offset {_times(step, back)}' if back else ''})"
        for back in range(GROWTHS + 1)
    ]
    growth = number(settings.leak_growth)
    grown = [f"  {later} > {growth} * {before}" for later, before in pairwise(steps)]
    enough = f"  {steps[0]} - {steps[-1]} > {number(settings.leak_bytes)}"
    # A process that started among these steps warms up.
    old = f"  time() - {_process(metrics.PROCESS_START, settings)} > {_seconds(_times(step, GROWTHS + 2))}"
    conditions = "\n  and\n".join([*grown, enough])
    return f"{conditions}\n  and on ({TARGET})\n{old}"


def _times(step: str, count: int) -> str:
    return f"{int(step[:-1]) * count}{step[-1]}"


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[duration[-1]]


def _restarting(settings: Settings) -> AlertRule:
    within, most = settings.restarts_within, settings.restarts_allowed
    started = _process(metrics.PROCESS_START, settings)
    return AlertRule(
        "ProcessRestarting",
        f"changes({started}[{within}]) > {most}\n{_single()}",
        "warning",
        "restarts",
        annotate(
            settings,
            "ProcessRestarting",
            summary="{{ $labels.service }} restarts again and again",
            description=(
                f"{{{{ $labels.instance }}}} of {{{{ $labels.service }}}} started {{{{ $value }}}} times "
                f"within {within}; expected at most {most}."
            ),
            action=(
                "Read the log before each start and the supervisor's: an error at start, a health check, or "
                "the kernel that ended it for its memory?"
            ),
            board=metrics.DASHBOARD_APPLICATION,
        ),
    )
