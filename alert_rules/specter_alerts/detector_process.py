"""The detector as a process: configuration, scheduler, disk, restarts, memory, CPU."""

from specter_alerts.annotations import annotate
from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics


def group(settings: Settings) -> RuleGroup:
    """Return the alerts on the process."""
    watched = (_reload, _scheduler, _skipped, _storage, _restarting, _memory, _cpu)
    return RuleGroup("specter_detector_process", tuple(alert(settings) for alert in watched))


def _reload(settings: Settings) -> AlertRule:
    return AlertRule(
        "DetectorReloadFailed",
        f"{metrics.DETECTOR_RELOAD_SUCCESSFUL.name} == 0",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorReloadFailed",
            summary="The detector refused its new configuration",
            description=(
                "{{ $labels.instance }} could not read its configuration and goes on with the old one "
                "(`config_last_reload_successful` is {{ $value }}); expected 1. At its next start there is "
                "no old one."
            ),
            action=(
                "Read the detector's log, or run `specter detector check`: every error has its path. "
                "Correct the file and reload."
            ),
            to_detector=True,
        ),
        # Whoever edits the file and reloads by hand sees the error and has a minute to correct it.
        wait="1m",
    )


def _scheduler(settings: Settings) -> AlertRule:
    most = number(settings.scheduler_silent_seconds)
    return AlertRule(
        "DetectorSchedulerDead",
        f"time() - {metrics.DETECTOR_LAST_LOOP.name} > {most}",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorSchedulerDead",
            summary="The detector's scheduler stands still",
            description=(
                "The scheduler of {{ $labels.instance }} has not looked for a tick for "
                f"{{{{ $value | humanizeDuration }}}}; expected at most {most}s. Nothing is scored, though "
                "the process answers its scrapes."
            ),
            action="Keep the log, then restart the detector: missed ticks of the last hour are made up for.",
            to_detector=True,
        ),
        wait="1m",
    )


def _skipped(settings: Settings) -> AlertRule:
    within = settings.errors_within
    return AlertRule(
        "DetectorTicksSkipped",
        # Twice the window: skips of one event are out of it before the alert fires.
        f"increase({metrics.DETECTOR_TICKS_SKIPPED.name}[{within}]) > 1",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorTicksSkipped",
            summary="The detector skips ticks",
            description=(
                f"{{{{ $value | printf `%.0f` }}}} ticks of {{{{ $labels.instance }}}} were given up within "
                f"{within}, and before that as well; expected 0. What began and ended between two ticks is "
                "missed."
            ),
            action=(
                "Compare the duration of a tick with `infer_every` on the dashboard; find the query that is "
                "slow, or give the detector fewer series."
            ),
            to_detector=True,
        ),
        wait=within,
    )


def _storage(settings: Settings) -> AlertRule:
    within = settings.errors_within
    return AlertRule(
        "DetectorStorageFailing",
        f"increase({metrics.DETECTOR_STORAGE_ERRORS.name}[{within}]) > 0",
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorStorageFailing",
            summary="The detector cannot use its disk for {{ $labels.what }}",
            description=(
                f"The disk of {{{{ $labels.instance }}}} refused {{{{ $labels.what }}}} "
                f"{{{{ $value | printf `%.0f` }}}} times within {within}; expected 0. Scores go on, and a "
                "restart forgets what is not on disk."
            ),
            action="Look at the space, inodes and rights of the folder in `--storage.path`; the log has why.",
            to_detector=True,
        ),
    )


def _restarting(settings: Settings) -> AlertRule:
    within, most = settings.restarts_within, settings.restarts_allowed
    return AlertRule(
        "DetectorRestarting",
        f'changes({metrics.PROCESS_START}{{job="{settings.detector_job}"}}[{within}]) > {most}',
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorRestarting",
            summary="The detector restarts again and again",
            description=(
                f"{{{{ $labels.instance }}}} started {{{{ $value }}}} times within {within}; "
                f"expected at most {most}."
            ),
            action=(
                "Read the log before each start and the supervisor's: an error at start, or the kernel that "
                "ended it for its memory?"
            ),
            to_detector=True,
        ),
    )


def _memory(settings: Settings) -> AlertRule:
    limit = settings.detector_memory_bytes
    return AlertRule(
        "DetectorMemoryHigh",
        f'{metrics.PROCESS_MEMORY}{{job="{settings.detector_job}"}} > {number(limit)}',
        "warning",
        "scores",
        annotate(
            settings,
            "DetectorMemoryHigh",
            summary="The detector needs much memory",
            description=(
                f"{{{{ $labels.instance }}}} holds {{{{ $value | humanize1024 }}}}B; expected at most "
                f"{limit / 2**30:g}GiB, which 100,000 series need."
            ),
            action=(
                "Compare with the series by state on the dashboard: more series want a limit or another "
                "shard, the same series want a report of the leak."
            ),
            to_detector=True,
        ),
        # A fit or a catch-up holds weeks of some series for minutes.
        wait="10m",
    )


def _cpu(settings: Settings) -> AlertRule:
    limit = settings.detector_cpu_cores
    return AlertRule(
        "DetectorCpuHigh",
        f'rate({metrics.PROCESS_CPU}{{job="{settings.detector_job}"}}[5m]) > {number(limit)}',
        "info",
        "scores",
        annotate(
            settings,
            "DetectorCpuHigh",
            summary="The detector uses a whole core",
            description=(
                "{{ $labels.instance }} uses {{ $value | printf `%.2f` }} cores, without the processes that "
                f"fit; expected at most {number(limit)}. Ticks are about to come late."
            ),
            action="Give it fewer series, a longer `infer_every`, or another shard.",
            to_detector=True,
        ),
        # The first fill and a catch-up of an hour are over by then.
        wait="15m",
    )
