"""A real Prometheus scrapes the real command; the pages show templates to those who may see them."""

import base64
import json
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import bcrypt
import pytest

from tests.exporters.logs.served import WITHIN, command, serving, total, until
from tests.servers.prometheus import free_port, running_prometheus

pytestmark = pytest.mark.integration

CONFIG = """
logs:
  - name: web
    files: ["{folder}/*.log"]
    format: json
    start: beginning
    requests: true
    cdn: true
poll_interval: 100ms
templates: {{warm_up: 0s}}
"""
PASSWORD = "correct horse"


def lines(first: int, count: int) -> str:
    """Return access lines, a tenth of them errors."""
    found = []
    for n in range(first, first + count):
        failed = n % 10 == 0
        found.append(
            json.dumps(
                {
                    "level": "error" if failed else "info",
                    "msg": f"charge {n} failed: password=hunter{n}" if failed else "request completed",
                    "method": "GET",
                    "path": f"/orders/{n}",
                    "status": 500 if failed else 200,
                    "duration": 0.02,
                    "bytes": 100,
                    "cache_status": "HIT" if n % 4 else "MISS",
                }
            )
        )
    return "\n".join(found) + "\n"


def test_prometheus_sees_what_is_in_the_log_through_a_restart(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    config, state = tmp_path / "exporter.yml", tmp_path / "state"
    config.write_text(CONFIG.format(folder=logs), encoding="utf-8")
    log = logs / "shop.log"
    log.write_text(lines(0, 1000), encoding="utf-8")
    # Not port 0: only a server on a port of its own choosing can come back to it at once.
    target = f"127.0.0.1:{free_port()}"
    with serving(config, state, "--web.listen-address", target) as served:
        text = (
            "global: {scrape_interval: 500ms, scrape_timeout: 500ms}\n"
            f"scrape_configs: [{{job_name: logs, static_configs: [{{targets: ['{target}']}}]}}]\n"
        )
        with running_prometheus(tmp_path / "prometheus", config=text) as prometheus:
            counted = "sum(specter_log_lines_total)"
            assert prometheus.wait_for(f"{counted} == 1000") == [1000]
            with log.open("a", encoding="utf-8") as file:
                file.write(lines(1000, 500))
            prometheus.wait_for(f"{counted} == 1500")
            served.kill()
            with log.open("a", encoding="utf-8") as file:
                file.write(lines(1500, 250))
            with serving(config, state, "--web.listen-address", target):
                prometheus.wait_for(f"{counted} == 1750")
                # Had a counter gone back, Prometheus would take it for a restart and count it from nothing.
                assert prometheus.values("sum(resets(specter_log_lines_total[5m]))") == [0]
                assert prometheus.values('specter_log_lines_total{level="error"}') == [175]
                by_route = 'sum(specter_log_http_requests_total{http_route="/orders/{id}"})'
                assert prometheus.values(by_route) == [1750]
                ratio = (
                    'sum(specter_log_cdn_requests_total{cache_status="hit"})'
                    " / sum(specter_log_cdn_requests_total)"
                )
                assert prometheus.values(ratio) == [pytest.approx(0.75, abs=0.001)]
                assert prometheus.values("specter_log_new_templates_total") == [1]
                assert prometheus.values("specter_log_template_lines_total") == [175]
                assert prometheus.values('count({__name__=~".*_created"})') == []
                assert prometheus.values("specter_log_up") == [1]


def fetch(url: str, password: str | None = None) -> tuple[int, str]:
    """Return status and body."""
    request = urllib.request.Request(url)
    if password is not None:
        credentials = base64.b64encode(f"ops:{password}".encode()).decode()
        request.add_header("Authorization", f"Basic {credentials}")
    try:
        with urllib.request.urlopen(request, timeout=WITHIN) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_templates_are_shown_to_those_who_sign_in(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yml"
    config.write_text(CONFIG.format(folder=tmp_path), encoding="utf-8")
    (tmp_path / "x.log").write_text(lines(0, 20) + '{"level":"error","msg":"<script>"}\n', encoding="utf-8")
    web = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    web.write_text(f"basic_auth_users: {{ops: '{hashed}'}}\n", encoding="utf-8")
    with serving(config, tmp_path / "open") as served:
        status, body = fetch(f"{served.url}/api/v1/templates")
        assert status == 403
        assert "--web.config.file" in body
        status, body = fetch(f"{served.url}/")
        assert status == 200
        assert "charge" not in body
        assert fetch(f"{served.url}/-/healthy")[0] == 200
        until(lambda: fetch(f"{served.url}/-/ready")[0] == 200, "ready")
    with serving(config, tmp_path / "closed", "--web.config.file", str(web)) as served:
        assert fetch(f"{served.url}/api/v1/templates")[0] == 401
        assert fetch(f"{served.url}/api/v1/templates", "wrong")[0] == 401
        address = f"{served.url}/api/v1/templates"
        body = until(lambda: _with(fetch(address, PASSWORD)[1], "charge"), "templates")
        listed = json.loads(body)["templates"]
        charge = next(each for each in listed if "charge" in each["template"])
        assert charge["count"] == 2
        assert charge["example"] == "charge 0 failed: password=…"
        page = fetch(f"{served.url}/", PASSWORD)[1]
        assert "charge 0 failed: password=…" in page
        assert "&lt;script&gt;" in page
        assert "<script>" not in page


def _with(body: str, word: str) -> str:
    return body if word in body else ""


def test_standard_input_is_read_to_its_end(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yml"
    config.write_text("logs: [{name: x, stdin: true, format: json}]\npoll_interval: 50ms\n", encoding="utf-8")
    log = tmp_path / "stderr"
    arguments = ["--config", str(config), "--storage.path", str(tmp_path / "state")]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command(*arguments, "--web.listen-address", "127.0.0.1:0"),
            stdin=subprocess.PIPE,
            stderr=output,
        )
    try:
        assert process.stdin is not None
        process.stdin.write(lines(0, 5000).encode() + b'{"level":"error","msg":"no line feed"}')
        process.stdin.close()
        mark = "metrics: "
        text = until(lambda: _with(log.read_text(encoding="utf-8"), mark), "listening")
        url = text.partition(mark)[2].split()[0] + "/metrics"
        until(lambda: total(fetch(url)[1], "specter_log_lines_total") == 5001, "reading")
        assert total(fetch(url)[1], "specter_log_up") == 0
    finally:
        process.terminate()
        process.wait(WITHIN)
    assert process.returncode == 0
