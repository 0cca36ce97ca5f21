"""Every server that all runs have, together and for real, twice over the same data."""

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
import yaml

from specter_stack.configure import configure_alertmanager, configure_prometheus
from specter_stack.dependencies import configure_dependencies
from specter_stack.launcher import Stack, running_stack
from specter_stack.layout import CHECKOUT, Layout
from specter_stack.ports import choose_ports
from specter_stack.postgres import postgres_service
from specter_stack.servers import DEFAULT_PORTS, base_services
from specter_stack.service import Service, Target

pytestmark = pytest.mark.integration
SERVERS = ("prometheus", "alertmanager", "node", "blackbox", "redis", "postgres")


def eventually(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.2)


@pytest.fixture
def layout() -> Iterator[Layout]:
    folder = Path(tempfile.mkdtemp(prefix="specter-base-"))
    folder.chmod(0o755)
    try:
        yield Layout(folder / "state")
    finally:
        shutil.rmtree(folder)


def build(layout: Layout) -> tuple[Service, ...]:
    ports = choose_ports({name: port + 20_000 for name, port in DEFAULT_PORTS.items()})
    services = (
        *base_services(layout, ports),
        postgres_service(layout, ports["postgres"], layout.secrets / "postgres-password"),
    )
    targets: list[Target] = [target for service in services for target in service.targets]
    addresses = {f"{name}:{port}": f"127.0.0.1:{ports[name]}" for name, port in DEFAULT_PORTS.items()}
    # Of the list's dependencies two run here, one is left out, and two are nowhere.
    nowhere = dict.fromkeys(("shop:8080", "payments:8081"), "127.0.0.1:1")
    configure_dependencies(layout, {**addresses, **nowhere}, absent=["coaching"])
    configure_prometheus(layout, targets)
    configure_alertmanager(layout, "127.0.0.1:1")
    return services


def ask(stack: Stack, path: str, **parameters: str) -> dict[str, list[dict[str, object]]]:
    answer = requests.get(f"{stack.services['prometheus'].url}/api/v1/{path}", params=parameters, timeout=10)
    answer.raise_for_status()
    data: dict[str, list[dict[str, object]]] = answer.json()["data"]
    return data


def rules_in_the_checkout() -> set[str]:
    files = (CHECKOUT / "alert_rules" / "generated").glob("*.rules.yml")
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule.get("record") or rule["alert"] for group in groups for rule in group["rules"]}


def check_everything_works_together(stack: Stack) -> None:
    eventually(lambda: stack.states() == dict.fromkeys(SERVERS, "RUNNING"))
    groups = ask(stack, "rules")["groups"]
    loaded = {rule["name"] for group in groups for rule in group["rules"]}  # type: ignore[attr-defined]
    assert loaded == rules_in_the_checkout()

    def health() -> dict[object, object]:
        active = ask(stack, "targets", state="active")["activeTargets"]
        return {target["scrapePool"]: target["health"] for target in active}

    expected = dict.fromkeys(("prometheus", "alertmanager", "node", "dependency_probes"), "up")
    eventually(lambda: health() == expected)
    address = str(stack.services["alertmanager"].url).removeprefix("http://")
    managers = ask(stack, "alertmanagers")
    assert [manager["url"] for manager in managers["activeAlertmanagers"]] == [
        f"http://{address}/api/v2/alerts"
    ]
    assert managers["droppedAlertmanagers"] == []

    def probed() -> dict[object, object]:
        found = ask(stack, "query", query="probe_success")["result"]
        return {row["metric"]["dependency"]: row["value"][1] for row in found}  # type: ignore[index]

    eventually(lambda: probed() == {"redis": "1", "postgres": "1", "shop": "0", "payments": "0"})
    bad = ask(stack, "query", query="prometheus_rule_evaluation_failures_total > 0")["result"]
    assert bad == []


def test_all_servers_start_know_each_other_and_start_again_with_their_data(layout: Layout) -> None:
    with running_stack(layout, lambda: build(layout), print) as stack:
        stack.start(*SERVERS)
        check_everything_works_together(stack)
        first = time.time()
    said: list[str] = []
    with running_stack(layout, lambda: build(layout), said.append) as stack:
        stack.start(*SERVERS)
        assert said == []  # nothing was left behind
        check_everything_works_together(stack)
        kept = ask(stack, "query", query='up{job="node"}', time=f"{first:.3f}")["result"]
        assert [row["metric"] for row in kept] == [
            {"__name__": "up", "job": "node", "service": "node", "instance": "node-1"}
        ]
    assert not layout.summary.exists()
