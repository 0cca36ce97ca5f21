"""Hosts: what machines have left, what runs on them, and whether it keeps running."""

from typing import Any

from specter_core import metrics
from specter_dashboards import hosts_queries as queries
from specter_dashboards.hosts_processes import pm2, process_groups, systemd
from specter_dashboards.house import (
    choice_variable,
    dashboard,
    datasource,
    host_link,
    host_row_link,
    service_variable,
)
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    GREEN,
    NEUTRAL,
    ORANGE,
    RED,
    UNKNOWN,
    YELLOW,
    Panel,
    Query,
    Steps,
    graph,
    override,
    row,
    stat,
    table,
)

HOST = "{{instance}}"
MOUNT = f"{HOST} {{{{mountpoint}}}}"
DEVICE = f"{HOST} {{{{device}}}}"
SILENT = "Unknown: no exporter of a host says anything"
NONE_WRONG: Steps = ((UNKNOWN, None), (GREEN, 0), (RED, 1))
LOAD: Steps = ((UNKNOWN, None), (GREEN, 0), (YELLOW, 1), (RED, 3))
LEFT: Steps = ((UNKNOWN, None), (RED, 0), (YELLOW, 0.05), (GREEN, 0.15))


def hosts_board() -> Any:
    """Return the dashboard."""
    return dashboard(
        uid=metrics.DASHBOARD_HOSTS,
        title="Hosts",
        description="What machines have left of CPU, memory, disks and network, and what runs on them.",
        sections=[_wrong(), _cpu_and_memory(), _disks(), _network(), systemd(), process_groups(), pm2()],
        variables=[datasource(), service_variable(), _instance()],
    )


def _instance() -> Any:
    return choice_variable("instance", "Host", f"label_values({metrics.UP}{{{queries.EXPORTERS}}}, instance)")


def _wrong() -> Section:
    stats = [
        _stat("Hosts down", "Hosts of which no exporter answers.", queries.down(), NONE_WRONG, "none"),
        _stat(
            "Highest load per CPU",
            "Processes that run or want to, over five minutes, for each CPU.",
            f"max({queries.host(metrics.HOST_LOAD)})",
            LOAD,
            "none",
        ),
        _stat(
            "Least memory available",
            "Share of the memory that processes can still have.",
            f"min({queries.host(metrics.HOST_MEMORY_AVAILABLE)})",
            LEFT,
            "percentunit",
        ),
        _stat(
            "Least disk space free",
            "Share of the fullest file system that is free.",
            f"min({queries.host(metrics.HOST_DISK_FREE)})",
            LEFT,
            "percentunit",
        ),
        _stat(
            "Units failed",
            "Units that systemd has given up.",
            queries.failed_units(),
            NONE_WRONG,
            "none",
            "Unknown: no exporter tells of units",
        ),
        _stat(
            "Process groups that do not run",
            "Groups of hosts that had a process within the last hour and have none.",
            queries.absent_groups(),
            NONE_WRONG,
            "none",
            "Unknown: no exporter tells of process groups",
        ),
    ]
    hosts = table(
        "Every host",
        "What each host uses and has left, and how long ago it started.",
        [
            Query(queries.host(metrics.HOST_CPU_USED)),
            Query(queries.host(metrics.HOST_LOAD)),
            Query(queries.host(metrics.HOST_MEMORY_AVAILABLE)),
            Query(f"min by ({queries.HOST}, job) ({queries.host(metrics.HOST_DISK_FREE)})"),
            Query(queries.uptime()),
        ],
        unit="percentunit",
        columns=[
            ("service", "service"),
            ("instance", "instance"),
            ("Value #A", "CPU used"),
            ("Value #B", "load per CPU"),
            ("Value #C", "memory available"),
            ("Value #D", "disk space free"),
            ("Value #E", "up for"),
        ],
        overrides=[
            override("instance", links=[host_row_link()]),
            override("load per CPU", unit="none", decimals=2),
            override("up for", unit="s"),
        ],
        sort="CPU used",
        no_value=SILENT,
    )
    return Section(row("What is wrong now"), [Line(4, stats), Line(8, [hosts])])


def _stat(title: str, description: str, expr: str, steps: Steps, unit: str, no_value: str = SILENT) -> Panel:
    decimals = 1 if steps is LOAD else None
    return stat(
        title, description, [Query(expr)], unit=unit, steps=steps, no_value=no_value, decimals=decimals
    )


def _graph(title: str, description: str, *shown: Query, unit: str, steps: Steps = NEUTRAL) -> Panel:
    return graph(title, description, list(shown), unit=unit, steps=steps, links=[host_link()])


def _cpu_and_memory() -> Section:
    used = _graph(
        "CPU used",
        "Share of all CPUs' time of five minutes that was neither idle nor waiting for a disk.",
        Query(queries.host(metrics.HOST_CPU_USED), HOST),
        unit="percentunit",
    )
    load = _graph(
        "Load per CPU",
        "Processes that run, want to, or wait for a disk, for each CPU. Above 3 with all CPUs in use for a "
        "quarter of an hour is an alert.",
        Query(queries.host(metrics.HOST_LOAD), HOST),
        unit="none",
        steps=((GREEN, None), (ORANGE, 3)),
    )
    pressure = _graph(
        "Time that something waited",
        "Share of time in which some process waited for CPU, and in which all that would run waited for "
        "memory or disks.",
        Query(queries.rate(metrics.NODE_PRESSURE_CPU), f"{HOST} CPU"),
        Query(queries.rate(metrics.NODE_PRESSURE_MEMORY), f"{HOST} memory"),
        Query(queries.rate(metrics.NODE_PRESSURE_IO), f"{HOST} disks"),
        unit="percentunit",
    )
    memory = _graph(
        "Memory available",
        "Share of the memory that processes can have without swapping. Below 5% is an alert.",
        Query(queries.host(metrics.HOST_MEMORY_AVAILABLE), HOST),
        unit="percentunit",
        steps=((RED, None), (GREEN, 0.05)),
    )
    swap = _graph(
        "Pages swapped",
        "Memory pages a second that come from swap and go there. Both at once is too little memory.",
        Query(queries.rate(metrics.NODE_SWAPPED_IN), f"{HOST} in"),
        Query(queries.rate(metrics.NODE_SWAPPED_OUT), f"{HOST} out"),
        unit="cps",
    )
    killed = _graph(
        "Processes ended for memory",
        "Processes that the kernel ended for want of memory, of the host or of a container.",
        Query(queries.increase(metrics.NODE_OOM_KILLS), HOST),
        unit="none",
    )
    return Section(row("CPU and memory"), [Line(8, [used, load, pressure]), Line(8, [memory, swap, killed])])


def _disks() -> Section:
    space = _graph(
        "Disk space free",
        "Share of each file system that is free.",
        Query(queries.host(metrics.HOST_DISK_FREE), MOUNT),
        unit="percentunit",
        steps=((RED, None), (GREEN, 0.05)),
    )
    inodes = _graph(
        "Inodes free",
        "Share of each file system's inodes that are free: without one no file can be made.",
        Query(queries.host(metrics.HOST_INODES_FREE), MOUNT),
        unit="percentunit",
        steps=((RED, None), (GREEN, 0.05)),
    )
    busy = _graph(
        "Disks in use",
        "Share of time in which each disk had something to do.",
        Query(queries.rate(metrics.NODE_DISK_BUSY), DEVICE),
        unit="percentunit",
    )
    queue = _graph(
        "Requests at disks",
        "Requests that wait or are served at each disk, on average. Above 10 while it is never idle is an "
        "alert after a quarter of an hour.",
        Query(queries.rate(metrics.NODE_DISK_QUEUE), DEVICE),
        unit="none",
        steps=((GREEN, None), (ORANGE, 10)),
    )
    return Section(row("Disks"), [Line(8, [space, inodes]), Line(8, [busy, queue])])


def _network() -> Section:
    traffic = _graph(
        "Network traffic",
        "Bytes a second, without the cards of containers.",
        Query(queries.traffic(metrics.NODE_RECEIVED_BYTES), f"{HOST} received"),
        Query(queries.traffic(metrics.NODE_SENT_BYTES), f"{HOST} sent"),
        unit="Bps",
    )
    errors = _graph(
        "Broken packets",
        "Packets a second with an error, both ways, by network card.",
        Query(queries.broken(), DEVICE),
        unit="cps",
    )
    tracked = _graph(
        "Connections tracked",
        "Share of the kernel's table of connections that is in use. When it is full, new ones are dropped.",
        Query(queries.tracked(), HOST),
        unit="percentunit",
        steps=((GREEN, None), (ORANGE, 0.8)),
    )
    clock = _graph(
        "Clock ahead of Prometheus",
        "How far each host's clock is ahead, the time of a scrape included. Two seconds are an alert.",
        Query(queries.clock(), HOST),
        unit="s",
    )
    return Section(row("Network and clock"), [Line(8, [traffic, errors]), Line(8, [tracked, clock])])
