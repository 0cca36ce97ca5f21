"""The processes of services: memory that grows without end, restarts."""

from itertools import pairwise

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

# Steps of growth one after the other. A cache or a fit grows in one step, seen in two at most.
GROWTHS = 3
KIND = "service, job"
TARGET = f"{KIND}, instance"
HOUR = 3600


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on what client libraries say of their process; the detector has its own."""
    return RuleGroup("specter_process_alerts", (_leak(settings), _leak_fast(settings), _restarting(settings)))


def _process(name: str, settings: Settings) -> str:
    return f'{name}{{{metrics.SERVICE}!="", job!="{settings.detector_job}"}}'


def _single() -> str:
    # Where one of several workers answers a scrape, each time another one may: what it says of its own
    # process is then no series of one process.
    return f"unless on ({TARGET})\n{metrics.HTTP_SERVER_WORKERS.name} > 1"


def _leak(settings: Settings) -> AlertRule:
    memory, started = _memory(settings), _process(metrics.PROCESS_START, settings)
    scales = "\nor\n".join(growing(memory, started, TARGET, step, settings) for step in settings.leak_steps)
    shown = _mebibytes(settings.leak_bytes)
    steps = " or ".join(settings.leak_steps)
    return _memory_alert(
        settings,
        "MemoryLeak",
        f"(\n{scales}\n)\n{_single()}",
        f"by {number(settings.leak_growth * 100 - 100)}% in each of {GROWTHS} steps of {steps} one after the "
        f"other, {shown} or more together",
        keep_firing=settings.leak_steps[0],
    )


def _leak_fast(settings: Settings) -> AlertRule:
    step, least = settings.leak_fast_step, settings.leak_fast_bytes
    factor, usual_over = number(settings.leak_fast_factor), settings.usual_over
    averages = _averages(_memory(settings), step)
    newest, whole = f"{averages[0]} - {averages[1]}", f"({averages[0]} - {averages[-1]})"
    grown = [f"{later} - {before} > {number(least)}" for later, before in pairwise(averages)]
    # What warms up grows less and less.
    steady = f"{newest} > {number(settings.leak_fast_steady)} / {GROWTHS} * {whole}"
    usual = f"quantile_over_time(0.5, {_memory(settings)}[{usual_over}] offset {_times(step, GROWTHS)})"
    more = f"{averages[0]} > on ({KIND}) group_left () {factor} * max by ({KIND}) ({usual})"
    started = _process(metrics.PROCESS_START, settings)
    first = f"min by ({KIND}) (min_over_time({started}[{usual_over}]))"
    age = number(settings.leak_fast_known_seconds)
    known = (
        f"(\n  changes({started}[{usual_over}]) > 0\n  or\n"
        f"  {started} and on ({KIND}) time() - {first} > {age}\n)"
    )
    conditions = "\nand\n".join([_an_hour(step, whole, GROWTHS * least), *grown, steady, more])
    return _memory_alert(
        settings,
        "MemoryLeakFast",
        f"{conditions}\nand on ({TARGET})\n{_older(started, _times(step, GROWTHS + 1))}\n"
        f"and on ({TARGET})\n{known}\n{_single()}",
        f"by {_mebibytes(least)} or more in each of {GROWTHS} steps of {step} one after the other, to over "
        f"{factor} times the median of {usual_over}",
        keep_firing=settings.keep_firing,
    )


def _memory_alert(settings: Settings, name: str, expr: str, how: str, *, keep_firing: str) -> AlertRule:
    """Return the alert on `expr`, which says by how many bytes an hour the memory grows."""
    labels = f"$labels.{' $labels.'.join(TARGET.split(', '))}"
    of_target = "{service=%q,job=%q,instance=%q}"
    held = f'{{{{ with printf "{metrics.PROCESS_MEMORY}{of_target}" {labels} | query }}}}'
    available = f"{metrics.PROCESS_MEMORY_AVAILABLE.name}{of_target}"
    left = f'{{{{ with printf "{HOUR} / %f * {available}" $value {labels} | query }}}}'
    version = _newest_version(settings)
    return AlertRule(
        name,
        expr,
        "warning",
        "memory",
        annotate(
            settings,
            name,
            summary="{{ $labels.service }} leaks {{ $value | humanize1024 }}B of memory an hour",
            description=(
                f"{{{{ $labels.instance }}}} of {{{{ $labels.service }}}} holds {held}"
                "{{ . | first | value | humanize1024 }}B{{ end }} and grows by {{ $value | humanize1024 }}B "
                f"an hour: {how}; expected memory that levels off.{left} At this pace nothing is left in "
                f"{{{{ . | first | value | humanizeDuration }}}}.{{{{ end }}}}{version} Version "
                f'{{{{ . | first | label "{metrics.SERVICE_VERSION}" }}}} is new.{{{{ end }}}}'
            ),
            action=(
                f'{version}Roll back version {{{{ . | first | label "{metrics.SERVICE_VERSION}" }}}}.'
                "{{ else }}Restart it before the kernel does; take a heap profile first if you can.{{ end }}"
            ),
            board=metrics.DASHBOARD_APPLICATION,
        ),
        keep_firing=keep_firing,
    )


def _newest_version(settings: Settings) -> str:
    """Return the beginning of a template that is there if a version of the service is new."""
    info, version = metrics.TARGET_INFO.name, metrics.SERVICE_VERSION
    now = f'{info}{{service=%q,{version}!=\\"\\"}}'
    return (
        f'{{{{ with printf "group by ({version}) ({now}) unless on ({version}) '
        f'{info}{{service=%q}} offset {settings.usual_over}" $labels.service $labels.service | query }}}}'
    )


def _memory(settings: Settings) -> str:
    return _process(metrics.PROCESS_MEMORY, settings)


def _averages(memory: str, step: str) -> list[str]:
    """Return the memory's averages over `step`, the newest first."""
    return [
        f"avg_over_time({memory}[{step}]{f' offset {_times(step, back)}' if back else ''})"
        for back in range(GROWTHS + 1)
    ]


def growing(memory: str, started: str, same: str, step: str, settings: Settings) -> str:
    """Return by how many bytes an hour `memory` grows, where it did in each of `GROWTHS` steps.

    `started` is when the process started, which is before them, of the same labels `same`.
    """
    averages = _averages(memory, step)
    growth = number(settings.leak_growth)
    grown = [f"  {later} > {growth} * {before}" for later, before in pairwise(averages)]
    enough = f"  {_an_hour(step, f'({averages[0]} - {averages[-1]})', settings.leak_bytes)}"
    # A process that started among these steps warms up.
    old = f"  {_older(started, _times(step, GROWTHS + 2))}"
    conditions = "\n  and\n".join([enough, *grown])
    return f"{conditions}\n  and on ({same})\n{old}"


def _an_hour(step: str, whole: str, least: float) -> str:
    """Return what `whole`, the growth of all steps, is in an hour, where it is more than `least` bytes."""
    factor = number(HOUR / (GROWTHS * _seconds(step)))
    return f"{factor} * {whole} > {factor} * {number(least)}"


def _older(started: str, age: str) -> str:
    return f"time() - {started} > {_seconds(age)}"


def _mebibytes(count: float) -> str:
    return f"{count / 2**20:g}MiB"


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
