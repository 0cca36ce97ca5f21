"""Dashboards as JSON files."""

import json
from collections.abc import Callable
from typing import Any

from specter_dashboards.application_board import application_board
from specter_dashboards.business_board import business_board
from specter_dashboards.database_board import database_board
from specter_dashboards.dependencies_board import dependencies_board
from specter_dashboards.detector_board import detector_board
from specter_dashboards.frontend_board import frontend_board
from specter_dashboards.hosts_board import hosts_board
from specter_dashboards.integrity_board import integrity_board
from specter_dashboards.jobs_board import jobs_board
from specter_dashboards.logs_board import logs_board
from specter_dashboards.main_status import main_status
from specter_dashboards.normalise import normalise
from specter_dashboards.queues_board import queues_board
from specter_dashboards.signin_board import signin_board

DASHBOARDS: dict[str, Callable[[], Any]] = {
    "main-status": main_status,
    "sign-in": signin_board,
    "logs": logs_board,
    "third-parties": dependencies_board,
    "database": database_board,
    "data-integrity": integrity_board,
    "queues": queues_board,
    "jobs": jobs_board,
    "application": application_board,
    "business": business_board,
    "detector": detector_board,
    "frontend": frontend_board,
    "hosts": hosts_board,
}


def build(name: str) -> dict[str, Any]:
    """Return the dashboard called `name` (a key of `DASHBOARDS`) as Grafana stores it."""
    return normalise(json.loads(json.dumps(DASHBOARDS[name](), default=_plain)))


def _plain(value: Any) -> Any:
    """Return a grafanalib object as what JSON can hold; everything of it has this method."""
    return value.to_json_data()


def render() -> dict[str, str]:
    """Return every generated file: its name and its content."""
    return {f"{name}.json": f"{json.dumps(build(name), indent=2, sort_keys=True)}\n" for name in DASHBOARDS}
