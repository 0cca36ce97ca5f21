"""The commands, a real blackbox_exporter, a real Prometheus and a third party that breaks: rules see it."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
import yaml
from click.testing import CliRunner

from specter_alerts.writer import render
from specter_core.errors import SpecterError
from specter_core.generated import differences
from specter_exporters.dependencies.blackbox import SCRAPE, TARGETS
from specter_exporters.dependencies.command import dependencies
from specter_stack.programs import find_program
from tests.core.certificates import Certificate, self_signed
from tests.exporters.serving import until
from tests.servers.prometheus import free_port, running_prometheus
from tests.servers.third_party import ThirdParty, third_party

pytestmark = pytest.mark.integration

LIST = """\
blackbox_address: 127.0.0.1:{blackbox}
exporter_address: 127.0.0.1:{exporter}
dependencies:
  - name: payments
    url: {url}/health
    criticality: critical
    interval: 5s
    timeout: 2s
    expect: {{status: [200], body: "^ok$", latency: 1s}}
    tls: {{ca_file: party.crt, expiry_warning_days: 30}}
    check:
      steps: [{{name: home, url: "{url}/health", expect: {{body: ok}}}}]
  - name: moved
    url: {url}/moved
    interval: 5s
    timeout: 2s
    expect: {{status: [301]}}
    tls: {{ca_file: party.crt}}
  - name: port
    url: tcp://127.0.0.1:{port}
    criticality: optional
    interval: 5s
    timeout: 2s
"""
PROMETHEUS = """\
global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
rule_files: [dependencies.rules.yml]
"""


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return self_signed(tmp_path, "party")


@pytest.fixture
def party(certificate: Certificate) -> Iterator[ThirdParty]:
    with third_party(certificate) as running:
        running.page("/health", b"ok")
        running.page("/moved", b"", 301, Location="/nowhere")
        yield running


def write_list(folder: Path, party: ThirdParty, blackbox: int = 9115, exporter: int = 9851) -> Path:
    file = folder / "list.yml"
    file.write_text(LIST.format(url=party.url, port=party.port, blackbox=blackbox, exporter=exporter))
    return file


def generate(file: Path, folder: Path, *more: str) -> str:
    arguments = ["generate", "--config", str(file), "--output", str(folder), *more]
    result = CliRunner().invoke(dependencies, arguments)
    if result.exception is not None:
        raise result.exception
    return result.output


@contextmanager
def blackbox(config: Path, port: int) -> Iterator[None]:
    command = [
        str(find_program("blackbox_exporter")),
        f"--config.file={config}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(f"http://127.0.0.1:{port}/-/healthy"), "a healthy blackbox_exporter")
        yield
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def exporter(config: Path, port: int) -> Iterator[str]:
    code = "from specter_exporters.cli import exporter; exporter()"
    arguments = ["dependencies", "--config", str(config), "--web.listen-address", f"127.0.0.1:{port}"]
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        found = re.fullmatch(r"metrics: (http://\S+)\n", line)
        assert found, line + process.stderr.read()
        yield found[1]
    finally:
        process.terminate()
        process.communicate(timeout=20)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_generated_modules_are_accepted_and_probe_as_expected(party: ThirdParty, tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    generate(write_list(tmp_path, party), folder)
    checked = subprocess.run(
        [str(find_program("blackbox_exporter")), f"--config.file={folder}/blackbox.yml", "--config.check"],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert checked.returncode == 0, checked.stderr
    port = free_port()
    targets = yaml.safe_load((folder / "dependency_targets.yml").read_text())

    def probed() -> dict[str, str]:
        found = {}
        for each in targets:
            labels = each["labels"]
            parameters = {"target": labels["__param_target"], "module": labels["__param_module"]}
            text = requests.get(f"http://127.0.0.1:{port}/probe", parameters, timeout=20).text
            found[labels["dependency"]] = re.findall(r"^probe_success (\d)$", text, re.MULTILINE)[0]
        return found

    with blackbox(folder / "blackbox.yml", port):
        assert probed() == {"payments": "1", "moved": "1", "port": "1"}
        party.page("/health", b"no")
        party.page("/moved", b"")
        assert probed() == {"payments": "0", "moved": "0", "port": "1"}


def test_generating_is_repeatable_and_check_sees_changes(party: ThirdParty, tmp_path: Path) -> None:
    folder = tmp_path / "generated"
    file = write_list(tmp_path, party)
    written = generate(file, folder).splitlines()
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(written) == {str(folder / name) for name in before}
    assert all(path.stat().st_mode & 0o777 == 0o644 for path in folder.iterdir())
    generate(file, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert differences(folder, {name: text.decode() for name, text in before.items()}) == []
    assert generate(file, folder, "--check") == f"{folder} is up to date\n"
    (folder / SCRAPE).write_text("scrape_configs: []\n")
    with pytest.raises(SpecterError, match=r"dependency_scrape\.yml: differs from its generator"):
        generate(file, folder, "--check")


def test_prometheus_scrapes_it_all_and_rules_see_what_breaks(party: ThirdParty, tmp_path: Path) -> None:
    ports = free_port(), free_port()
    file = write_list(tmp_path, party, *ports)
    server = tmp_path / "prometheus"
    generate(file, server / "generated")
    jobs = (server / "generated" / SCRAPE).read_text()
    # What a user of Prometheus before 2.43 does, which has no `scrape_config_files`.
    config = PROMETHEUS + jobs.replace(TARGETS, f"generated/{TARGETS}")
    rules = {"dependencies.rules.yml": render()["dependencies.rules.yml"]}
    with (
        blackbox(server / "generated" / "blackbox.yml", ports[0]),
        exporter(file, ports[1]),
        running_prometheus(server, config=config, files=rules) as prometheus,
    ):
        up = 'probe_success{job="dependency_probes"} == 1'
        until(lambda: len(prometheus.values(up)) == 3, "three probes that succeed")
        assert prometheus.wait_for('specter_dependency_check_success{dependency="payments"}') == [1]
        # The certificate is made for two days; 30 is the limit in the list.
        expiring = 'ALERTS{alertname="DependencyCertificateExpiring"}'
        until(
            lambda: (
                {row["metric"]["dependency"] for row in prometheus.query(expiring)}  # type: ignore[index]
                == {"payments", "moved"}
            ),
            "certificates that expire",
        )
        assert prometheus.values('ALERTS{alertname!="DependencyCertificateExpiring"}') == []
        broken = time.monotonic()
        party.page("/health", b"maintenance")
        for alert in ("DependencyDownCritical", "DependencyCheckFailingCritical"):
            prometheus.wait_for(f'ALERTS{{alertname="{alert}", dependency="payments"}}')
        assert time.monotonic() - broken < 20
        party.page("/health", b"ok")
        until(
            lambda: not prometheus.values('ALERTS{alertname=~"Dependency(Down|Check).+"}'), "alerts that end"
        )
