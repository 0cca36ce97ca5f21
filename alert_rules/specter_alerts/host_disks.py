"""The disks of hosts: full, soon full, read-only, saturated."""

from specter_alerts.annotations import annotated_alert
from specter_alerts.hosts import OF_HOST, WINDOW
from specter_alerts.model import AlertRule, RecordingRule, RuleGroup
from specter_alerts.settings import Settings, number
from specter_core import metrics

# Beside those without a disk: what is small and written by upgrades alone, and files that a container
# engine mounts one by one.
MOUNTS = 'mountpoint!~"/boot.*|/run.*|/snap.*|/etc/(hosts|hostname|resolv.conf)"'
DISKS = f"{{{metrics.NODE_DISKS}, {MOUNTS}}}"
# What others are made of is counted there, and compressed memory is no disk.
DEVICES = '{device!~"dm-.*|md.*|zram.*|loop.*"}'
WHERE = "{{ $labels.mountpoint }} of host {{ $labels.instance }}"


def group(settings: Settings) -> RuleGroup:
    """Return what is recorded of file systems, and the alerts on disks."""
    return RuleGroup(
        "specter_host_disks",
        (
            *_recorded(),
            _full(settings),
            _full_soon(settings),
            _inodes(settings),
            _read_only(settings),
            _saturated(settings),
        ),
    )


def _recorded() -> tuple[RecordingRule, ...]:
    pairs = {
        metrics.HOST_DISK_FREE: (metrics.NODE_DISK_AVAILABLE, metrics.NODE_DISK_SIZE),
        metrics.HOST_INODES_FREE: (metrics.NODE_INODES_FREE, metrics.NODE_INODES),
    }
    return tuple(
        RecordingRule(record, f"{free}{DISKS}\n/\n({all_}{DISKS} > 0)")
        for record, (free, all_) in pairs.items()
    )


def _full(settings: Settings) -> AlertRule:
    share, size = settings.host_disk_ratio, settings.host_disk_bytes
    return annotated_alert(
        settings,
        "HostDiskFull",
        f"{metrics.HOST_DISK_FREE} < {number(share)}\n"
        f"and\n{metrics.NODE_DISK_AVAILABLE}{DISKS} < {number(size)}\n"
        f"unless\n{metrics.NODE_DISK_READ_ONLY}{DISKS} == 1",
        "critical",
        f"disk {OF_HOST}",
        wait=settings.host_disk_for,
        summary=f"{WHERE} is full",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of {WHERE} is free; expected at least "
            f"{number(share * 100)}%, or {number(size / 2**30)}GiB. Writing fails when nothing is."
        ),
        action="Find what grew (du -x --max-depth=2, journalctl --disk-usage), and delete or move it.",
        to_host=True,
    )


def _full_soon(settings: Settings) -> AlertRule:
    free, most = metrics.NODE_DISK_AVAILABLE, settings.host_disk_soon_ratio
    ahead, pace = number(settings.host_disk_soon_seconds), settings.host_disk_pace
    hours = number(settings.host_disk_soon_seconds / 3600)
    return annotated_alert(
        settings,
        "HostDiskFullSoon",
        f"{metrics.HOST_DISK_FREE} < {number(most)}\n"
        f"and\npredict_linear({free}{DISKS}[{pace}], {ahead}) < 0\n"
        # One large copy is no pace: minutes say nothing of a day.
        f"and\n{free}{DISKS} offset {settings.host_disk_known} > 0",
        "warning",
        f"disk {OF_HOST}",
        wait=settings.host_disk_soon_for,
        summary=f"{WHERE} will be full within {hours}h",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of {WHERE} is free, and none will be within {hours}h at "
            f"the pace of the last {pace}; expected at least {number(most * 100)}%, or a pace that is slower."
        ),
        action=(
            "Find what grows (du -x --max-depth=2, twice), and stop, rotate or move it; or enlarge the disk."
        ),
        to_host=True,
    )


def _inodes(settings: Settings) -> AlertRule:
    least = settings.host_inodes_ratio
    return annotated_alert(
        settings,
        "HostInodesLow",
        f"{metrics.HOST_INODES_FREE} < {number(least)}",
        "warning",
        f"inodes {OF_HOST}",
        wait=settings.host_disk_for,
        summary=f"{WHERE} can hold hardly any more files",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of the inodes of {WHERE} are free; expected at least "
            f"{number(least * 100)}%. Without one no file can be made, however much space there is."
        ),
        action="Find the folder of many small files (du --inodes -x --max-depth=3): sessions, caches, mail.",
        to_host=True,
    )


def _read_only(settings: Settings) -> AlertRule:
    state, within = f"{metrics.NODE_DISK_READ_ONLY}{DISKS}", settings.host_read_only_within
    return annotated_alert(
        settings,
        "HostFilesystemReadOnly",
        f"{state} == 1\nand\nmin_over_time({state}[{within}]) == 0",
        "critical",
        f"read-only {OF_HOST}",
        wait="1m",
        summary=f"{WHERE} has become read-only",
        description=(
            f"Whether {WHERE} is read-only has the value {{{{ $value }}}}; expected 0, as it was "
            f"within {within}. "
            "The kernel does that after errors of the disk."
        ),
        action=(
            "journalctl -k | grep -i -e 'I/O error' -e remount says why; move services away before a repair."
        ),
        to_host=True,
    )


def _saturated(settings: Settings) -> AlertRule:
    queue, busy = number(settings.host_disk_queue), settings.host_disk_busy_ratio
    return annotated_alert(
        settings,
        "HostDiskSaturated",
        f"rate({metrics.NODE_DISK_QUEUE}{DEVICES}[{WINDOW}]) > {queue}\n"
        f"and\nrate({metrics.NODE_DISK_BUSY}{DEVICES}[{WINDOW}]) > {number(busy)}",
        "warning",
        f"disk speed {OF_HOST}",
        wait=settings.host_saturated_for,
        summary="Disk {{ $labels.device }} of host {{ $labels.instance }} is too slow for what it has to do",
        description=(
            "{{ $value | humanize }} requests wait at disk {{ $labels.device }} of host "
            "{{ $labels.instance }}, "
            f"which is never idle, for {settings.host_saturated_for}; expected at most {queue}."
        ),
        action="iotop -oP says who reads or writes; put off a backup or a rebuild, or give it a faster disk.",
        to_host=True,
    )
