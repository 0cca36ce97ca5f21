"""Rules on what is really exposed: an exporter, a Prometheus that scrapes it, and alerts without waiting."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from specter_alerts.model import AlertRule, RuleGroup
from specter_alerts.writer import render_rules
from specter_core import metrics
from specter_core.metrics import Metric
from specter_core.web import WebOptions
from tests.servers.prometheus import Prometheus, free_port, running_prometheus

DECLARED = {
    metric.name: set(metric.labels) for metric in vars(metrics).values() if isinstance(metric, Metric)
}
"""The labels of each metric that the exporters declare."""


def at_once(group: RuleGroup) -> RuleGroup:
    """Return the group, in which nobody waits."""
    rules = (
        replace(rule, wait="", keep_firing="") if isinstance(rule, AlertRule) else rule
        for rule in group.rules
    )
    return replace(group, rules=tuple(rules), interval="")


@contextmanager
def exporting(
    run: Callable[[WebOptions, Callable[[], object]], None],
) -> Iterator[tuple[str, threading.Event]]:
    """Run an exporter as its command does; yield its address, and what ends it."""
    port, ended = free_port(), threading.Event()
    serving = threading.Thread(target=run, args=(WebOptions("127.0.0.1", port), ended.wait))
    serving.start()
    try:
        yield f"127.0.0.1:{port}", ended
    finally:
        ended.set()
        serving.join(20)


@contextmanager
def scraping(
    folder: Path, target: str, job: str, groups: Sequence[RuleGroup], *, service: str, seconds: int = 1
) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes `target` each so many seconds, and has `groups` of rules, at once."""
    static = [{"targets": [target], "labels": {"service": service}}]
    every = f"{seconds}s"
    config = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": "1s"},
        "rule_files": ["*.rules.yml"],
        "scrape_configs": [{"job_name": job, "static_configs": static}],
    }
    rules = {f"{job}.rules.yml": render_rules([at_once(group) for group in groups])}
    with running_prometheus(folder, config=json.dumps(config), files=rules) as server:
        yield server


def firing(server: Prometheus) -> set[str]:
    """Return the alerts that fire."""
    found = server.query('ALERTS{alertstate="firing"}')
    return {row["metric"]["alertname"] for row in found}  # type: ignore[index]


def exposed(server: Prometheus, job: str) -> set[str]:
    """Return the names of what a job exposes."""
    return {row["metric"]["__name__"] for row in server.query(f'{{job="{job}"}}')}  # type: ignore[index]
