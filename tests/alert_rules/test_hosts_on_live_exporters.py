"""The hosts family on a real node_exporter: what it reads is exposed, health is silent, an end is told."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from specter_alerts import promql
from specter_alerts.families import FAMILIES
from specter_alerts.settings import DEFAULTS
from specter_alerts.writer import render_rules
from specter_core import metrics
from specter_stack.programs import find_program
from tests.servers.exposition import exposing
from tests.servers.prometheus import Prometheus, free_port, running_prometheus

EXPOSED = Path(__file__).parent / "exposed" / "process_exporter.prom"
WITHIN = 20.0
# As shipped, but nobody waits for a host.
AT_ONCE = replace(DEFAULTS, host_down_for="0s", host_exporter_down_for="0s")
# Kernels without pressure or without connections to track have none of these, and no units where systemd is
# not. PM2's module exposes its own.
NOT_ALWAYS = {
    metrics.NODE_PRESSURE_CPU,
    metrics.NODE_PRESSURE_MEMORY,
    metrics.NODE_CONNTRACK,
    metrics.NODE_CONNTRACK_LIMIT,
    metrics.SYSTEMD_UNIT_STATE,
    metrics.SYSTEMD_RESTARTS,
    metrics.PM2_STATUS,
    metrics.PM2_RESTARTS,
}


def read_by_the_rules() -> set[str]:
    """Return the metrics that the family reads and does not record."""
    groups = FAMILIES["hosts"](DEFAULTS)
    recorded = {rule.record for group in groups for rule in group.recordings}
    read = {
        node.name
        for group in groups
        for rule in group.rules
        for node, _ in promql.walk(promql.parse(rule.expr))
        if promql.kind(node) == "VectorSelector"
    }
    return read - recorded


@contextmanager
def node_exporter(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / "node_exporter.log").open("wb") as log:
        process = subprocess.Popen(
            [
                str(find_program("node_exporter")),
                f"--web.listen-address=127.0.0.1:{port}",
                "--no-collector.systemd",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=WITHIN)


def told(prometheus: Prometheus) -> set[str]:
    found = prometheus.query('ALERTS{alertstate="firing"}')
    return {str(row["metric"]["alertname"]) for row in found}  # type: ignore[index]


def wait_until_told(prometheus: Prometheus, expected: set[str]) -> None:
    deadline = time.monotonic() + WITHIN
    while told(prometheus) != expected:
        assert time.monotonic() < deadline, f"{told(prometheus)} and not {expected}"
        time.sleep(0.1)


@pytest.mark.integration
def test_a_healthy_host_is_silent_its_exporter_and_then_the_host_are_missed(tmp_path: Path) -> None:
    port = free_port()
    with ExitStack() as stack:
        node = stack.enter_context(node_exporter(tmp_path, port))
        processes = stack.enter_context(ExitStack())
        address = processes.enter_context(exposing(EXPOSED.read_text(encoding="utf-8")))
        config = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["*.rules.yml"],
            "scrape_configs": [
                {
                    "job_name": job,
                    "static_configs": [
                        {"targets": [target], "labels": {"service": "shop", "instance": "web-1"}}
                    ],
                }
                for job, target in (("node", f"127.0.0.1:{port}"), ("process", address))
            ],
        }
        rules = {f"{name}.rules.yml": render_rules(FAMILIES[name](AT_ONCE)) for name in ("hosts", "http")}
        prometheus = stack.enter_context(
            running_prometheus(tmp_path / "prometheus", config=json.dumps(config), files=rules)
        )
        # Rates need a second scrape.
        [used] = prometheus.wait_for(metrics.HOST_CPU_USED)
        assert 0 <= used <= 1
        [load] = prometheus.wait_for(metrics.HOST_LOAD)
        assert load >= 0
        assert prometheus.wait_for(f'{metrics.HOST_GROUP_PROCESSES}{{groupname="node"}}') == [4]
        [mean] = prometheus.wait_for(f'{metrics.HOST_GROUP_MEMORY}{{groupname="node"}}')
        assert mean == pytest.approx(
            prometheus.values(f'{metrics.GROUP_MEMORY}{{groupname="node", memtype="resident"}}')[0] / 4
        )
        exposed = {row["metric"]["__name__"] for row in prometheus.query('{job=~"node|process"}')}  # type: ignore[index]
        assert read_by_the_rules() - exposed <= NOT_ALWAYS
        assert told(prometheus) == set()

        node.terminate()
        # Neither ServiceDown nor InstanceDown says the same again.
        wait_until_told(prometheus, {"HostExporterDown"})
        processes.close()
        wait_until_told(prometheus, {"HostDown"})
