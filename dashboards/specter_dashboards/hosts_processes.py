"""Rows of the dashboard Hosts: units of systemd, process groups, applications under PM2."""

from specter_core import metrics
from specter_dashboards import hosts_queries as queries
from specter_dashboards.house import host_link, host_row_link
from specter_dashboards.layout import Line, Section
from specter_dashboards.panels import (
    BLUE,
    GREEN,
    ORANGE,
    RED,
    UNKNOWN,
    YELLOW,
    Query,
    graph,
    override,
    row,
    states,
    table,
    value_mapping,
)

GROUP = "{{instance}} {{groupname}}"
APP = "{{instance}} {{app}}"
NO_GROUPS = "Unknown: no exporter tells of process groups"
# As pm2-prom-module numbers them.
STATUS = value_mapping(
    {
        "0": ("unknown", UNKNOWN),
        "1": ("running", GREEN),
        "2": ("pending", YELLOW),
        str(metrics.PM2_STOPPED): ("stopped", BLUE),
        str(metrics.PM2_ERRORED): ("errored", RED),
    }
)


def systemd() -> Section:
    """Return the row on systemd's units."""
    failed = table(
        "Units that have failed",
        "Units that systemd has given up, by host.",
        [Query(queries.failed_list())],
        unit="none",
        columns=[("service", "service"), ("instance", "instance"), ("name", "unit"), ("type", "type")],
        overrides=[override("instance", links=[host_row_link()])],
        no_value="No unit has failed, or no exporter tells of units",
    )
    restarts = graph(
        "Restarts by systemd",
        "Starts of a service by systemd after it had ended.",
        [Query(queries.increase(metrics.SYSTEMD_RESTARTS), "{{instance}} {{name}}")],
        unit="none",
        links=[host_link()],
    )
    return Section(row("systemd"), [Line(8, [failed, restarts])])


def process_groups() -> Section:
    """Return the row on process-exporter's groups."""
    groups = table(
        "Process groups",
        "Processes, memory, the fullest table of open files and the age of the oldest process of each group.",
        [
            Query(queries.of_group(metrics.HOST_GROUP_PROCESSES)),
            Query(queries.of_group(metrics.GROUP_MEMORY, 'memtype="resident"')),
            Query(queries.of_group(metrics.GROUP_FILES_RATIO)),
            Query(queries.group_age()),
        ],
        unit="none",
        columns=[
            ("service", "service"),
            ("instance", "instance"),
            ("groupname", "group"),
            ("Value #A", "processes"),
            ("Value #B", "memory"),
            ("Value #C", "files open"),
            ("Value #D", "oldest"),
        ],
        overrides=[
            override("instance", links=[host_row_link()]),
            override("memory", unit="bytes"),
            override("files open", unit="percentunit"),
            override("oldest", unit="s"),
        ],
        sort="memory",
        no_value=NO_GROUPS,
    )
    count = graph(
        "Processes of groups",
        "How many processes each group has.",
        [Query(queries.of_group(metrics.HOST_GROUP_PROCESSES), GROUP)],
        unit="none",
        links=[host_link()],
    )
    cpu = graph(
        "CPU of process groups",
        "CPUs that each group keeps busy.",
        [Query(queries.group_cpu(), GROUP)],
        unit="none",
        links=[host_link()],
    )
    memory = graph(
        "Memory of process groups",
        "Resident memory of each process of a group, on average. Memory that processes share counts in each.",
        [Query(queries.host(metrics.HOST_GROUP_MEMORY), GROUP)],
        unit="bytes",
        links=[host_link()],
    )
    files = graph(
        "Files open of process groups",
        "The fullest table of open files among a group's processes. Above 80% is an alert.",
        [Query(queries.of_group(metrics.GROUP_FILES_RATIO), GROUP)],
        unit="percentunit",
        steps=((GREEN, None), (ORANGE, 0.8)),
        links=[host_link()],
    )
    return Section(
        row("Process groups"), [Line(8, [groups]), Line(8, [count, cpu]), Line(8, [memory, files])]
    )


def pm2() -> Section:
    """Return the row on applications under PM2."""
    status = states(
        "Applications under PM2",
        "What PM2 says of each application; errored: it has given up starting it.",
        [Query(queries.pm2(metrics.PM2_STATUS), APP)],
        mappings=[STATUS],
    )
    instances = graph(
        "Instances under PM2",
        "Running instances of each application.",
        [Query(queries.pm2(metrics.PM2_INSTANCES), APP)],
        unit="none",
        links=[host_link()],
    )
    restarts = graph(
        "Restarts by PM2",
        "The most restarts of one instance of each application.",
        [Query(queries.pm2_restarts(), APP)],
        unit="none",
        links=[host_link()],
    )
    memory = graph(
        "Memory under PM2",
        "Memory of all instances of each application.",
        [Query(queries.pm2(metrics.PM2_MEMORY), APP)],
        unit="bytes",
        links=[host_link()],
    )
    return Section(row("PM2"), [Line(7, [status, instances]), Line(7, [restarts, memory])])
