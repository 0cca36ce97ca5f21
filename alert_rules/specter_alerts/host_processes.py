"""What runs on hosts: units of systemd, process-exporter's groups, applications under PM2."""

from specter_alerts.annotations import annotated_alert
from specter_alerts.hosts import HOST, OF_HOST
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup
from specter_alerts.processes import GROWTHS, growing
from specter_alerts.settings import Settings, number
from specter_core import metrics

GROUP = f"{HOST}, groupname"
OF_SERVICE = f"{metrics.SERVICE}, groupname"
PROCESSES = metrics.HOST_GROUP_PROCESSES


def groups(settings: Settings) -> list[RuleGroup]:
    """Return what is recorded of process groups, and the alerts on them, on units and on PM2."""
    return [
        RuleGroup("specter_host_processes", _recorded(settings)),
        RuleGroup(
            "specter_host_processes_alerts",
            (
                _unit_failed(settings),
                _unit_restarting(settings),
                _group_gone(settings),
                _group_absent(settings),
                _group_restarting(settings),
                _group_files(settings),
                _group_memory(settings),
                _pm2_errored(settings),
                _pm2_restarting(settings),
            ),
        ),
    ]


def _recorded(settings: Settings) -> tuple[RecordingRule, ...]:
    known = f"max_over_time({metrics.GROUP_PROCESSES}[{settings.group_remembered}])"
    return (
        RecordingRule(
            PROCESSES,
            # An exporter that starts after a group has ended, as after a reboot, does not know of it.
            f"{metrics.GROUP_PROCESSES}\nor\n0 * {known} and on ({HOST}) {metrics.UP} == 1",
        ),
        RecordingRule(
            metrics.HOST_GROUP_MEMORY,
            f'sum by ({GROUP}) ({metrics.GROUP_MEMORY}{{memtype="resident"}})\n'
            f"/\nsum by ({GROUP}) ({metrics.GROUP_PROCESSES} > 0)",
        ),
    )


def _unit_failed(settings: Settings) -> AlertRule:
    return annotated_alert(
        settings,
        "SystemdUnitFailed",
        f'{metrics.SYSTEMD_UNIT_STATE}{{state="failed"}} == 1',
        "warning",
        "unit {{ $labels.name }} " + OF_HOST,
        wait=settings.unit_failed_for,
        summary="{{ $labels.name }} on host {{ $labels.instance }} has failed",
        description=(
            "systemd has given up {{ $labels.name }} on host {{ $labels.instance }}: its state `failed` is "
            "{{ $value }}; expected 0."
        ),
        action=(
            "systemctl status and journalctl -u say why; mend it and start it, then systemctl reset-failed."
        ),
        to_host=True,
    )


def _unit_restarting(settings: Settings) -> AlertRule:
    most, within = settings.supervisor_restarts, settings.supervisor_restarts_within
    return annotated_alert(
        settings,
        "SystemdUnitRestarting",
        f"increase({metrics.SYSTEMD_RESTARTS}[{within}]) > {most}",
        "warning",
        "unit {{ $labels.name }} " + OF_HOST,
        keep_firing=settings.keep_firing,
        summary="{{ $labels.name }} on host {{ $labels.instance }} ends again and again",
        description=(
            "systemd started {{ $labels.name }} on host {{ $labels.instance }} anew "
            f'{{{{ $value | printf "%.0f" }}}} times within {within}; expected at most {most}.'
        ),
        action=(
            "Read journalctl -u before each start: an error at start, a watchdog, or the kernel for memory?"
        ),
        to_host=True,
    )


def _group_gone(settings: Settings) -> AlertRule:
    return annotated_alert(
        settings,
        "ProcessGroupGone",
        f"max by ({OF_SERVICE}) ({PROCESSES}) == 0",
        "critical",
        "processes {{ $labels.groupname }}",
        wait=settings.group_absent_for,
        summary="No {{ $labels.groupname }} of {{ $labels.service }} runs any more",
        description=(
            "{{ $value }} processes of group {{ $labels.groupname }} run on the hosts of "
            f"{{{{ $labels.service }}}}; expected some, as within {settings.group_remembered}."
        ),
        action="Start it (systemctl start, pm2 resurrect); its log and the kernel's say why it ended.",
        board=metrics.DASHBOARD_HOSTS,
    )


def _group_absent(settings: Settings) -> AlertRule:
    return annotated_alert(
        settings,
        "ProcessGroupAbsent",
        f"{PROCESSES} == 0\nunless on ({OF_SERVICE})\nmax by ({OF_SERVICE}) ({PROCESSES}) == 0",
        "warning",
        "processes {{ $labels.groupname }} " + OF_HOST,
        wait=settings.group_absent_for,
        summary="{{ $labels.groupname }} on host {{ $labels.instance }} does not run any more",
        description=(
            "{{ $value }} processes of group {{ $labels.groupname }} run on host {{ $labels.instance }}; "
            f"expected some, as within {settings.group_remembered}. Other hosts of the service have them."
        ),
        action="Start it (systemctl start, pm2 resurrect); its log and the kernel's say why it ended.",
        to_host=True,
    )


def _group_restarting(settings: Settings) -> AlertRule:
    within, most = settings.restarts_within, settings.restarts_allowed
    started = f"{metrics.GROUP_STARTED}[{within}]"
    return annotated_alert(
        settings,
        "ProcessGroupRestarting",
        # Without a process it is 0, so that one restart may be two changes, of which one goes down.
        f"changes({started}) - resets({started}) > {most}",
        "warning",
        "restarts of {{ $labels.groupname }} " + OF_HOST,
        summary="{{ $labels.groupname }} on host {{ $labels.instance }} starts again and again",
        description=(
            "The oldest process of group {{ $labels.groupname }} on host {{ $labels.instance }} was replaced "
            f"{{{{ $value }}}} times within {within}; expected at most {most}."
        ),
        action=(
            "Read its log before each start and its supervisor's: an error, a limit, or the kernel "
            "for memory?"
        ),
        to_host=True,
    )


def _group_files(settings: Settings) -> AlertRule:
    most = settings.group_files_ratio
    return annotated_alert(
        settings,
        "ProcessGroupFilesNearLimit",
        f"{metrics.GROUP_FILES_RATIO} > {number(most)}",
        "warning",
        "files of {{ $labels.groupname }} " + OF_HOST,
        wait=settings.saturated_for,
        summary="{{ $labels.groupname }} on host {{ $labels.instance }} can hardly open more files",
        description=(
            "A process of group {{ $labels.groupname }} on host {{ $labels.instance }} has "
            "{{ $value | humanizePercentage }} of the file descriptors open that it may; expected at most "
            f"{number(most * 100)}%. Beyond, connections and files are refused."
        ),
        action="lsof -p says of what kind they are: many of one are a leak. Raise LimitNOFILE and restart.",
        to_host=True,
    )


def _group_memory(settings: Settings) -> AlertRule:
    step, shown = settings.group_leak_step, f"{settings.leak_bytes / 2**20:g}MiB"
    memory = f'{metrics.HOST_GROUP_MEMORY}{{groupname!~"{settings.group_data_stores}"}}'
    return annotated_alert(
        settings,
        "ProcessGroupMemoryGrowing",
        growing(memory, metrics.GROUP_STARTED, GROUP, step, settings),
        "warning",
        "memory of {{ $labels.groupname }} " + OF_HOST,
        keep_firing=step,
        summary="The memory of {{ $labels.groupname }} on host {{ $labels.instance }} grows without end",
        description=(
            "A process of group {{ $labels.groupname }} on host {{ $labels.instance }} grows by "
            "{{ $value | humanize1024 }}B an hour on average: by "
            f"{number(settings.leak_growth * 100 - 100)}% in each of {GROWTHS} steps of {step} one after the "
            f"other, {shown} or more together; expected memory that levels off."
        ),
        action="Compare with the last release. Restart it before the kernel does; take a heap profile first.",
        to_host=True,
    )


def _pm2_errored(settings: Settings) -> AlertRule:
    return annotated_alert(
        settings,
        "Pm2AppErrored",
        f"{metrics.PM2_STATUS} == {metrics.PM2_ERRORED}",
        "critical",
        "pm2 {{ $labels.app }} " + OF_HOST,
        wait=settings.pm2_errored_for,
        summary="PM2 has given up {{ $labels.app }} on host {{ $labels.instance }}",
        description=(
            "The status of {{ $labels.app }} under PM2 on host {{ $labels.instance }} is "
            "{{ $value }}, errored; "
            "expected 1, running. PM2 does not start it again."
        ),
        action="pm2 logs --err --lines 100 says why it ends at start; mend it, then pm2 restart.",
        to_host=True,
    )


def _pm2_restarting(settings: Settings) -> AlertRule:
    most, within = settings.supervisor_restarts, settings.supervisor_restarts_within
    return annotated_alert(
        settings,
        "Pm2AppRestarting",
        # The most of one instance: a release restarts each of them once.
        f"max by ({HOST}, app) (increase({metrics.PM2_RESTARTS}[{within}])) > {most}",
        "warning",
        "pm2 {{ $labels.app }} " + OF_HOST,
        keep_firing=settings.keep_firing,
        summary="{{ $labels.app }} under PM2 on host {{ $labels.instance }} restarts again and again",
        description=(
            "PM2 started an instance of {{ $labels.app }} on host {{ $labels.instance }} anew "
            f'{{{{ $value | printf "%.0f" }}}} times within {within}; expected at most {most}.'
        ),
        action=(
            "pm2 logs --err and pm2 describe: an error, max_memory_restart, or a watch on files that change?"
        ),
        to_host=True,
    )
