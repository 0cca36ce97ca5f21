"""PromQL of the dashboard Hosts, on what node_exporter, process-exporter and PM2's module expose."""

from specter_core import metrics
from specter_dashboards.queries import service

CHOSEN = 'instance=~"$instance"'
HOST = f"{metrics.SERVICE}, instance"
GROUP = f"{HOST}, groupname"
EXPORTERS = 'job=~"node|process|pm2"'
FAILED = 'state="failed"'
INTERVAL = "[$__rate_interval]"


def host(series: str, *matchers: str) -> str:
    """Select a series of the chosen services and hosts."""
    return service(series, CHOSEN, *matchers)


def down() -> str:
    """Count hosts of which no exporter answers; absent where there is no host at all."""
    answers = f"max by ({HOST}) ({host(metrics.UP, EXPORTERS)})"
    return f"count({answers} == 0) or 0 * count({answers})"


def failed_units() -> str:
    """Count units that have failed; absent where nobody tells of units."""
    failed = host(metrics.SYSTEMD_UNIT_STATE, FAILED)
    return f"count({failed} == 1) or 0 * count({failed})"


def failed_list() -> str:
    """Return one row a unit that has failed."""
    return f"{host(metrics.SYSTEMD_UNIT_STATE, FAILED)} == 1"


def absent_groups() -> str:
    """Count groups of hosts without a process; absent where nobody tells of groups."""
    groups = host(metrics.HOST_GROUP_PROCESSES)
    return f"count({groups} == 0) or 0 * count({groups})"


def rate(counter: str, *matchers: str) -> str:
    """Return a counter, a second."""
    return f"rate({host(counter, *matchers)}{INTERVAL})"


def increase(counter: str) -> str:
    """Return by how much a counter grew between two points of the graph."""
    return f"increase({host(counter)}{INTERVAL})"


def uptime() -> str:
    """Return the seconds since each host started."""
    return f"time() - {host(metrics.NODE_BOOT_TIME)}"


def clock() -> str:
    """Return how far each host's clock is ahead of Prometheus', in seconds."""
    time = host(metrics.NODE_TIME)
    return f"{time} - timestamp({time})"


def traffic(counter: str) -> str:
    """Return a counter of network cards a second, added up by host."""
    return f"sum by ({HOST}) ({rate(counter, metrics.NODE_CARDS)})"


def broken() -> str:
    """Return packets with errors a second, both ways, by network card."""
    return " + ".join(
        rate(counter, metrics.NODE_CARDS)
        for counter in (metrics.NODE_RECEIVE_ERRORS, metrics.NODE_SEND_ERRORS)
    )


def tracked() -> str:
    """Return the share of the table of connections that is in use."""
    return f"{host(metrics.NODE_CONNTRACK)} / {host(metrics.NODE_CONNTRACK_LIMIT)}"


def of_group(series: str, *matchers: str) -> str:
    """Return a gauge of process groups, added up by host and group."""
    return f"sum by ({GROUP}) ({host(series, *matchers)})"


def group_cpu() -> str:
    """Return the CPUs that each group keeps busy."""
    return f"sum by ({GROUP}) ({rate(metrics.GROUP_CPU)})"


def group_age() -> str:
    """Return the seconds since the oldest process of each group started; absent without one."""
    return f"time() - max by ({GROUP}) ({host(metrics.GROUP_STARTED)} > 0)"


def pm2(series: str) -> str:
    """Return a gauge of PM2's applications, by host and application."""
    return f"max by ({HOST}, app) ({host(series)})"


def pm2_restarts() -> str:
    """Return the most restarts of one instance of each application between two points of the graph."""
    return f"max by ({HOST}, app) ({increase(metrics.PM2_RESTARTS)})"
