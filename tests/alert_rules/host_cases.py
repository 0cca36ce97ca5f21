"""Promtool cases of the hosts family: node_exporter, systemd, process-exporter, PM2."""

from tests.alert_rules.promtool import Case, Firing

NODE = {"service": "shop", "job": "node", "instance": "web-1"}
MOUNTED = {"device": "/dev/vda1", "fstype": "ext4", "mountpoint": "/"}
GROUP = {"service": "shop", "job": "process", "instance": "web-1", "groupname": "celery"}
PM2 = {"service": "shop", "job": "pm2", "instance": "web-1", "app": "api"}
GIB = 2**30


def series(metric: str, labels: dict[str, str], /, **more: str) -> str:
    pairs = ",".join(f'{key}="{value}"' for key, value in {**labels, **more}.items())
    return f"{metric}{{{pairs}}}"


def told(
    symptom: str, summary: str, description: str, labels: dict[str, str] = NODE, /, **more: str
) -> list[Firing]:
    return [Firing({**labels, **more}, summary, description, symptom)]


def case(
    alert: str, name: str, given: dict[str, str], expected: dict[str, list[Firing]], interval: str = "1m"
) -> Case:
    """One sample a minute, or every five where an alert looks back for hours."""
    return Case(alert, "hosts", name, given, expected, interval=interval)


def up(job: str, values: str, instance: str = "web-1") -> dict[str, str]:
    return {f'up{{service="shop",job="{job}",instance="{instance}"}}': values}


def cpu(idle: str, load: str, pressure: str = "") -> dict[str, str]:
    """Two CPUs; `idle` and `pressure` are seconds a minute."""
    given = {
        series("node_cpu_seconds_total", NODE, cpu=one, mode=mode): values
        for one in "01"
        for mode, values in (("idle", idle), ("user", "0+1x200"))
    }
    given[series("node_load5", NODE)] = load
    if pressure:
        given[series("node_pressure_cpu_waiting_seconds_total", NODE)] = pressure
    return given


def disk(available: str, *, size: str = "100", read_only: str = "0", points: int = 800) -> dict[str, str]:
    """`available` in GiB, one sample a minute."""
    return {
        series("node_filesystem_avail_bytes", NODE, **MOUNTED): available,
        series("node_filesystem_size_bytes", NODE, **MOUNTED): f"{int(size) * GIB}x{points}",
        series("node_filesystem_readonly", NODE, **MOUNTED): f"{read_only}x{points}",
    }


def gib(start: float, step: float, count: int) -> str:
    return f"{int(start * GIB)}{int(step * GIB):+d}x{count}"


HOSTS = [
    case(
        "HostDown",
        "fires when none of its exporters answers, and resolves",
        {
            **up("node", "1x5 0x5 1x10"),
            **up("process", "1x6 0x4 1x10"),
            **up("node", "1x20", "web-2"),
            **up("pm2", "0x20", "web-2"),
        },
        {
            "7m": [],
            "9m": told(
                "host of web-1",
                "Host web-1 is down",
                "No exporter of host web-1 answers its scrape (highest `up` is 0); expected at least one "
                "that "
                "does.",
                {"service": "shop", "instance": "web-1"},
            ),
            "15m": [],
        },
    ),
    case(
        "HostExporterDown",
        "fires when another exporter of the host answers, and resolves",
        {**up("node", "1x30"), **up("process", "1x5 0x10 1x15"), **up("node", "0x30", "web-2")},
        {
            "9m": [],
            "12m": told(
                "exporter of web-1",
                "Exporter process on host web-1 is down",
                "The exporter process of host web-1 does not answer its scrape (`up` is 0); another exporter "
                "of the host does. What it tells is unknown.",
                {**NODE, "job": "process"},
            ),
            "25m": [],
        },
    ),
    case(
        "HostCpuSaturated",
        "fires after a quarter of an hour, and resolves",
        cpu("0+60x30 1800+1x40 1840+60x40", "1x30 8x40 1x40", "0+10x30 300+50x40 2300+10x40"),
        {
            "45m": [],
            "55m": told(
                "cpu of web-1",
                "Host web-1 has too little CPU",
                "On host web-1 4 processes run or wait for each CPU, and all are in use, for 15m; expected "
                "at "
                "most 3.",
            ),
            "85m": [],
        },
    ),
    case(
        "HostCpuSaturated",
        "fires where the kernel does not tell of pressure",
        cpu("0+1x100", "8x100"),
        {
            "15m": [],
            "30m": told(
                "cpu of web-1",
                "Host web-1 has too little CPU",
                "On host web-1 4 processes run or wait for each CPU, and all are in use, for 15m; expected "
                "at "
                "most 3.",
            ),
        },
    ),
    case(
        "HostCpuSaturated",
        "is silent while processes wait for a disk, and nothing for a CPU",
        cpu("0+1x100", "8x100", "0+10x100"),
        {"15m": [], "60m": []},
    ),
    case(
        "HostCpuSaturated",
        "is silent on a busy laptop: a build of four processes beside the demo",
        cpu("0+1x100", "5.5x100", "0+50x100"),
        {"15m": [], "60m": []},
    ),
    case(
        "HostMemoryLow",
        "fires after five minutes, and resolves",
        {
            series("node_memory_MemAvailable_bytes", NODE): "50x10 4x15 50x10",
            series("node_memory_MemTotal_bytes", NODE): "100x40",
        },
        {
            "13m": [],
            "20m": told(
                "memory of web-1",
                "Host web-1 has 4% of its memory left",
                "On host web-1 4% of the memory is available; expected at least 5%. The kernel ends "
                "processes "
                "when it is used up.",
            ),
            "30m": [],
        },
    ),
    case(
        "HostMemoryStalled",
        "fires after five minutes, and resolves",
        {series("node_pressure_memory_stalled_seconds_total", NODE): "0x10 0+12x20 240x20"},
        {
            "10m": [],
            "25m": told(
                "memory of web-1",
                "Host web-1 stands still for want of memory",
                "On host web-1 nothing went on for 20% of the last 5m, because all that would run waited for "
                "memory; expected at most 10%.",
            ),
            "45m": [],
        },
    ),
    case(
        "HostSwapping",
        "fires while pages go and come, and resolves",
        {
            series("node_vmstat_pswpin", NODE): "0x10 0+120000x20 2400000x20",
            series("node_vmstat_pswpout", NODE): "0x10 0+180000x20 3600000x20",
        },
        {
            "10m": [],
            "25m": told(
                "memory of web-1",
                "Host web-1 swaps all the time",
                "Host web-1 takes 2k pages a second back from swap while it moves others there; expected at "
                "most 1000 both ways.",
            ),
            "45m": [],
        },
    ),
    case(
        "HostSwapping",
        "is silent while pages are moved out of the way, and where the kernel tells of pressure",
        {
            series("node_vmstat_pswpin", NODE): "0x40",
            series("node_vmstat_pswpout", NODE): "0+180000x40",
            **{
                series(name, {**NODE, "instance": "web-2"}): "0+180000x40"
                for name in ("node_vmstat_pswpin", "node_vmstat_pswpout")
            },
            series("node_pressure_memory_stalled_seconds_total", {**NODE, "instance": "web-2"}): "0x40",
        },
        {"10m": [], "30m": []},
    ),
    case(
        "HostOutOfMemoryKill",
        "fires at once, and resolves",
        {series("node_vmstat_oom_kill", NODE): "3x10 4x40"},
        {
            "10m": [],
            "15m": told(
                "memory of web-1",
                "The kernel of host web-1 ended a process for its memory",
                "Within 15m the kernel of host web-1 ended 1 processes for want of memory, of the host or "
                "of a "
                "container; expected 0.",
            ),
            "40m": [],
        },
    ),
    case(
        "HostNetworkErrors",
        "fires after ten minutes, and resolves",
        {
            series("node_network_receive_errs_total", NODE, device="eth0"): "0x10 0+12x30 360x20",
            series("node_network_transmit_errs_total", NODE, device="eth0"): "0x60",
            series("node_network_receive_packets_total", NODE, device="eth0"): "0+300x60",
            series("node_network_transmit_packets_total", NODE, device="eth0"): "0+300x60",
            series("node_network_receive_errs_total", NODE, device="veth1"): "0+60x60",
            series("node_network_transmit_errs_total", NODE, device="veth1"): "0+60x60",
            series("node_network_receive_packets_total", NODE, device="veth1"): "0+60x60",
            series("node_network_transmit_packets_total", NODE, device="veth1"): "0+60x60",
        },
        {
            "15m": [],
            "35m": told(
                "network of web-1",
                "Network card eth0 of host web-1 has errors",
                "2% of the packets of eth0 on host web-1 were broken in the last 5m; expected at most 1%.",
                device="eth0",
            ),
            "55m": [],
        },
    ),
    case(
        "HostConntrackFull",
        "fires after five minutes, and resolves",
        {
            series("node_nf_conntrack_entries", NODE): "100x10 900x15 100x10",
            series("node_nf_conntrack_entries_limit", NODE): "1000x40",
        },
        {
            "13m": [],
            "20m": told(
                "network of web-1",
                "Host web-1 can hardly track more connections",
                "The table of connections of host web-1 is 90% full; expected at most 80%. When it is full, "
                "new "
                "connections are dropped.",
            ),
            "30m": [],
        },
    ),
    case(
        "HostClockSkewed",
        "fires for a clock that is behind, and resolves; a second is silent",
        {
            # promtool's clock starts at 0.
            series("node_time_seconds", NODE): "0+60x10 650+60x20 1920+60x10",
            series("node_time_seconds", {**NODE, "instance": "web-2"}): "1+60x40",
        },
        {
            "15m": [],
            "28m": told(
                "clock of web-1",
                "The clock of host web-1 is wrong",
                "The clock of host web-1 is 10s away from Prometheus'; expected at most 2s. Tokens are "
                "refused, "
                "and logs and events are out of order.",
            ),
            "38m": [],
        },
    ),
    case(
        "HostClockUnsynchronised",
        "fires when it was synchronised before, and resolves; a container is silent",
        {
            series("node_timex_sync_status", NODE): "1x10 0x60 1x10",
            series("node_timex_sync_status", {**NODE, "instance": "container"}): "0x80",
        },
        {
            "30m": [],
            "45m": told(
                "clock of web-1",
                "The clock of host web-1 is no longer set by others",
                "The kernel of host web-1 says 0 to whether its clock is synchronised; expected 1, as it was "
                "within a day. From now on it drifts.",
            ),
            "75m": [],
        },
    ),
    case(
        "HostRebooted",
        "fires for a quarter of an hour; a clock that is set is silent",
        {
            series("node_boot_time_seconds", NODE): "1000x10 _x2 8200x40",
            series("node_boot_time_seconds", {**NODE, "instance": "web-2"}): "1000x10 1030x40",
        },
        {
            "10m": [],
            "15m": told(
                "reboot of web-1",
                "Host web-1 has rebooted",
                "Host web-1 started 2h 0m 0s after it had last started; expected only when somebody reboots "
                "it.",
            ),
            "40m": [],
        },
    ),
]

DISKS = [
    case(
        "HostDiskFull",
        "fires after five minutes, and resolves",
        disk(f"{20 * GIB}x10 {2 * GIB}x15 {20 * GIB}x10"),
        {
            "13m": [],
            "20m": told(
                "disk of web-1",
                "/ of host web-1 is full",
                "2% of / of host web-1 is free; expected at least 5%, or 5GiB. Writing fails when nothing "
                "is.",
                **MOUNTED,
            ),
            "30m": [],
        },
    ),
    case(
        "HostDiskFull",
        "is silent on a large disk with 30 GiB free",
        disk(f"{30 * GIB}x40", size="1000"),
        {"10m": [], "30m": []},
    ),
    case(
        "HostDiskFull",
        "is silent on an image that is read-only and full",
        disk("0x40", read_only="1"),
        {"10m": [], "30m": []},
    ),
    case(
        "HostDiskFullSoon",
        "fires at 20 MiB a minute with a seventh left, and resolves when somebody makes room",
        disk(f"{gib(24, -0.1, 96)} {gib(60, 0, 40)}"),
        {
            "2h": [],
            "7h": told(
                "disk of web-1",
                "/ of host web-1 will be full within 24h",
                "15.6% of / of host web-1 is free, and none will be within 24h at the pace of the last 6h; "
                "expected at least 25%, or a pace that is slower.",
                **MOUNTED,
            ),
            "9h": [],
        },
        interval="5m",
    ),
    case(
        "HostDiskFullSoon",
        "is silent in the first hours, while there is plenty, and at a slow pace",
        {
            **disk(gib(20, -0.25, 34)),
            series("node_filesystem_avail_bytes", {**NODE, "instance": "web-2"}, **MOUNTED): gib(
                90, -0.5, 120
            ),
            series(
                "node_filesystem_size_bytes", {**NODE, "instance": "web-2"}, **MOUNTED
            ): f"{100 * GIB}x800",
            series("node_filesystem_avail_bytes", {**NODE, "instance": "db-1"}, **MOUNTED): gib(
                20, -0.005, 120
            ),
            series("node_filesystem_size_bytes", {**NODE, "instance": "db-1"}, **MOUNTED): f"{100 * GIB}x800",
        },
        {"2h": [], "2h45m": [], "8h": []},
        interval="5m",
    ),
    case(
        "HostInodesLow",
        "fires after five minutes, and resolves; a file system without inodes is silent",
        {
            series("node_filesystem_files_free", NODE, **MOUNTED): "50x10 3x15 50x10",
            series("node_filesystem_files", NODE, **MOUNTED): "100x40",
            series("node_filesystem_files_free", NODE, device="b", fstype="btrfs", mountpoint="/b"): "0x40",
            series("node_filesystem_files", NODE, device="b", fstype="btrfs", mountpoint="/b"): "0x40",
        },
        {
            "13m": [],
            "20m": told(
                "inodes of web-1",
                "/ of host web-1 can hold hardly any more files",
                "3% of the inodes of / of host web-1 are free; expected at least 5%. Without one no file can "
                "be "
                "made, however much space there is.",
                **MOUNTED,
            ),
            "30m": [],
        },
    ),
    case(
        "HostFilesystemReadOnly",
        "fires when it was writable before, and resolves; one that never was is silent",
        {
            series("node_filesystem_readonly", NODE, **MOUNTED): "0x10 1x10 0x10",
            series("node_filesystem_readonly", NODE, device="b", fstype="ext4", mountpoint="/usr"): "1x40",
        },
        {
            "10m": [],
            "15m": told(
                "read-only of web-1",
                "/ of host web-1 has become read-only",
                "Whether / of host web-1 is read-only has the value 1; expected 0, as it was within 1d. The "
                "kernel does that after errors of the disk.",
                **MOUNTED,
            ),
            "25m": [],
        },
    ),
    case(
        "HostDiskSaturated",
        "fires after a quarter of an hour, and resolves; a queue at a disk that rests is silent",
        {
            series("node_disk_io_time_weighted_seconds_total", NODE, device="vda"): "0x10 0+900x40 36000x30",
            series("node_disk_io_time_seconds_total", NODE, device="vda"): "0x10 0+60x40 2400x30",
            series("node_disk_io_time_weighted_seconds_total", NODE, device="vdb"): "0+900x80",
            series("node_disk_io_time_seconds_total", NODE, device="vdb"): "0+50x80",
        },
        {
            "25m": [],
            "40m": told(
                "disk speed of web-1",
                "Disk vda of host web-1 is too slow for what it has to do",
                "15 requests wait at disk vda of host web-1, which is never idle, for 15m; expected at most "
                "10.",
                device="vda",
            ),
            "65m": [],
        },
    ),
]

UNIT = {"name": "celery.service", "type": "simple"}
UNITS = [
    case(
        "SystemdUnitFailed",
        "fires after two minutes, and resolves",
        {
            series("node_systemd_unit_state", NODE, **UNIT, state="failed"): "0x10 1x10 0x10",
            series("node_systemd_unit_state", NODE, **UNIT, state="active"): "1x10 0x10 1x10",
        },
        {
            "11m": [],
            "15m": told(
                "unit celery.service of web-1",
                "celery.service on host web-1 has failed",
                "systemd has given up celery.service on host web-1: its state `failed` is 1; expected 0.",
                **UNIT,
                state="failed",
            ),
            "25m": [],
        },
    ),
    case(
        "SystemdUnitRestarting",
        "fires when it ends every minute, and resolves; three in a quarter of an hour are silent",
        {
            series("node_systemd_service_restart_total", NODE, name="a.service"): "0x20 0+1x10 10x40",
            series("node_systemd_service_restart_total", NODE, name="b.service"): "0x20 1x1 2x1 3x60",
        },
        {
            "20m": [],
            "32m": told(
                "unit a.service of web-1",
                "a.service on host web-1 ends again and again",
                "systemd started a.service on host web-1 anew 10 times within 15m; expected at most 3.",
                name="a.service",
            ),
            "55m": [],
        },
    ),
]

COUNT = "namedprocess_namegroup_num_procs"
STARTED = "namedprocess_namegroup_oldest_start_time_seconds"
OTHER = {**GROUP, "instance": "web-2"}


def absent(values: str, other: str) -> dict[str, str]:
    return {
        series(COUNT, GROUP): values,
        series(COUNT, OTHER): other,
        **up("process", "1x100"),
        **up("process", "1x100", "web-2"),
    }


GONE = told(
    "processes celery",
    "No celery of shop runs any more",
    "0 processes of group celery run on the hosts of shop; expected some, as within 1h.",
    {"service": "shop", "groupname": "celery"},
)
ABSENT = told(
    "processes celery of web-1",
    "celery on host web-1 does not run any more",
    "0 processes of group celery run on host web-1; expected some, as within 1h. Other hosts of the service "
    "have them.",
    GROUP,
)


def growing(step: str, group: str = "celery") -> dict[str, str]:
    """Two processes for ten hours, the oldest of them from the beginning; `step` is the memory of both."""
    labels = {**GROUP, "groupname": group}
    return {
        series("namedprocess_namegroup_memory_bytes", labels, memtype="resident"): step,
        series(COUNT, labels): "2x200",
        series(STARTED, labels): "0x200",
    }


GROUPS = [
    case(
        "ProcessGroupGone",
        "fires when no host has it, and resolves",
        absent("4x10 0x15 4x10", "4x10 0x15 4x10"),
        {"11m": [], "15m": GONE, "30m": []},
    ),
    case(
        "ProcessGroupGone",
        "fires after a reboot, when the exporter does not know of the group, for an hour",
        {**absent("4x10", "4x10")},
        # The last sample counts for five minutes.
        {"10m": [], "20m": GONE, "60m": GONE, "80m": []},
    ),
    case(
        "ProcessGroupGone",
        "is silent while the exporters do not answer: nothing is known then",
        {series(COUNT, GROUP): "4x10", **up("process", "1x10 0x60")},
        {"10m": [], "30m": []},
    ),
    case(
        "ProcessGroupAbsent",
        "fires when another host has it, and resolves",
        absent("4x10 0x15 4x10", "4x60"),
        {"11m": [], "15m": ABSENT, "30m": []},
    ),
    case(
        "ProcessGroupAbsent",
        "is silent during a release, and where ProcessGroupGone pages",
        absent("4x10 0x1 4x9 0x20", "4x20 0x20"),
        {"11m": [], "13m": [], "30m": []},
    ),
    case(
        "ProcessGroupRestarting",
        "counts a restart once, whether it is seen without a process or not; fires at three, and resolves",
        {series(STARTED, GROUP): "100x10 0x1 200x10 300x5 0x1 400x80"},
        {
            "27m": [],
            "35m": told(
                "restarts of celery of web-1",
                "celery on host web-1 starts again and again",
                "The oldest process of group celery on host web-1 was replaced 3 times within 1h; expected "
                "at "
                "most 2.",
                GROUP,
            ),
            "90m": [],
        },
    ),
    case(
        "ProcessGroupFilesNearLimit",
        "fires after five minutes, and resolves",
        {series("namedprocess_namegroup_worst_fd_ratio", GROUP): "0.5x10 0.9x15 0.5x10"},
        {
            "13m": [],
            "20m": told(
                "files of celery of web-1",
                "celery on host web-1 can hardly open more files",
                "A process of group celery on host web-1 has 90% of the file descriptors open that it may; "
                "expected at most 80%. Beyond, connections and files are refused.",
                GROUP,
            ),
            "30m": [],
        },
    ),
    case(
        "ProcessGroupMemoryGrowing",
        "fires when each of three hours added to it, and resolves when it levels off",
        # 200 MiB, and from the fifth hour on 1 MiB a minute for each of the two.
        growing(f"{400 * 2**20}x60 {400 * 2**20}+{10 * 2**20}x60 {1000 * 2**20}x80"),
        {
            "5h": [],
            "9h30m": told(
                "memory of celery of web-1",
                "The memory of celery on host web-1 grows without end",
                "A process of group celery on host web-1 grows by 60MiB an hour on average: by 10% in each "
                "of "
                "3 steps of 1h one after the other, 64MiB or more together; expected memory that levels off.",
                GROUP,
            ),
            "15h": [],
        },
        interval="5m",
    ),
    case(
        "ProcessGroupMemoryGrowing",
        "is silent on what holds data",
        growing(f"{400 * 2**20}x60 {400 * 2**20}+{10 * 2**20}x60", "redis"),
        {"5h": [], "9h": []},
        interval="5m",
    ),
]

APPLICATIONS = [
    case(
        "Pm2AppErrored",
        "fires after a minute, and resolves; one that somebody stopped is silent",
        {
            series("pm2_app_status", PM2): "1x10 4x10 1x10",
            series("pm2_app_status", {**PM2, "app": "old"}): "3x40",
        },
        {
            "10m": [],
            "14m": told(
                "pm2 api of web-1",
                "PM2 has given up api on host web-1",
                "The status of api under PM2 on host web-1 is 4, errored; expected 1, running. PM2 does not "
                "start it again.",
                PM2,
            ),
            "25m": [],
        },
    ),
    case(
        "Pm2AppRestarting",
        "fires when one instance restarts every minute, and resolves",
        {
            series("pm2_app_restart_count", PM2, exported_instance="0"): "0x20 0+1x10 10x40",
            series("pm2_app_restart_count", PM2, exported_instance="1"): "2x80",
        },
        {
            "20m": [],
            "32m": told(
                "pm2 api of web-1",
                "api under PM2 on host web-1 restarts again and again",
                "PM2 started an instance of api on host web-1 anew 10 times within 15m; expected at most 3.",
                PM2,
            ),
            "55m": [],
        },
    ),
    case(
        "Pm2AppRestarting",
        "is silent at a release of eight instances",
        {series("pm2_app_restart_count", PM2, exported_instance=str(one)): "0x20 1x40" for one in range(8)},
        {"20m": [], "25m": []},
    ),
]

CASES = [*HOSTS, *DISKS, *UNITS, *GROUPS, *APPLICATIONS]
