"""The rule families: one file of rules each."""

from collections.abc import Callable

from specter_alerts import (
    anomaly,
    application,
    availability,
    business,
    caches,
    database,
    dependencies,
    deployments,
    detector_data,
    detector_process,
    detector_scores,
    frontend,
    host_disks,
    host_processes,
    hosts,
    http,
    integrity,
    jobs,
    logs,
    meta,
    outgoing,
    processes,
    queues,
    signin,
    workers,
)
from specter_alerts.model import RuleGroup
from specter_alerts.settings import DEFAULTS, Settings


def _http(settings: Settings) -> list[RuleGroup]:
    return [*http.groups(settings), availability.group(settings)]


def _application(settings: Settings) -> list[RuleGroup]:
    return [*application.groups(settings), *outgoing.groups(settings), processes.group(settings)]


def _detector(settings: Settings) -> list[RuleGroup]:
    return [detector_scores.group(settings), detector_data.group(settings), detector_process.group(settings)]


def _hosts(settings: Settings) -> list[RuleGroup]:
    return [*hosts.groups(settings), host_disks.group(settings), *host_processes.groups(settings)]


FAMILIES: dict[str, Callable[[Settings], list[RuleGroup]]] = {
    "http": _http,
    "signin": signin.groups,
    "logs": logs.groups,
    "application": _application,
    "business": business.groups,
    "anomaly": anomaly.groups,
    "frontend": frontend.groups,
    "deployments": deployments.groups,
    "dependencies": dependencies.groups,
    "hosts": _hosts,
    "database": database.groups,
    "integrity": integrity.groups,
    "queues": queues.groups,
    "workers": workers.groups,
    "caches": caches.groups,
    "jobs": jobs.groups,
    "detector": _detector,
    "meta": meta.groups,
}


def all_groups(settings: Settings = DEFAULTS) -> list[RuleGroup]:
    """Return the groups of every family, in the order of the files."""
    return [group for family in FAMILIES.values() for group in family(settings)]
