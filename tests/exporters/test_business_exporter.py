"""`specter exporter app` as it is used: its own process, real clients, a real Prometheus, a restart."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from specter_core.catalogue.loading import platform_text
from specter_core.files import hold
from tests.servers.prometheus import Prometheus, free_port

pytestmark = pytest.mark.integration

WITHIN = 30.0
PAGE = Path(__file__).parents[2] / "docs" / "exporters-business.md"
TOKEN = "a-token-of-the-shop-0123456789"


def specter(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "specter_core", "exporter", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN, check=False)


def until(ask: Callable[[], Any], what: str) -> Any:
    """Poll `ask` until it answers something true; return that."""
    deadline = time.monotonic() + WITHIN
    while not (found := ask()):
        assert time.monotonic() < deadline, f"{what} did not happen within {WITHIN} s"
        time.sleep(0.05)
    return found


@contextmanager
def exporter(folder: Path, *arguments: str) -> Iterator[tuple[str, str]]:
    """Run the installed command in `folder`; yield the URLs of metrics and events."""
    command = [sys.executable, "-m", "specter_core", "exporter", "app",
               "--business.token-file", "shop=shop.token", "--business.listen-address", "127.0.0.1:0",
               "--web.listen-address", "127.0.0.1:0", *arguments]  # fmt: skip
    log = folder / "exporter.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stderr=output)

    def listening() -> tuple[str, str] | None:
        assert process.poll() is None, log.read_text()
        found = re.search(r"metrics: (\S+)\nevents: (\S+)\n", log.read_text())
        return (f"{found[1]}/metrics", found[2]) if found else None

    try:
        yield until(listening, "listening")
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN) == 0
    assert TOKEN not in log.read_text()
    assert "Traceback" not in log.read_text()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.token").write_text(TOKEN + "\n")
    return tmp_path


def metrics(url: str) -> dict[str, float]:
    """Return the scraped samples of business events by series."""
    text = requests.get(url, timeout=WITHIN).text
    samples = (line.rpartition(" ") for line in text.splitlines() if line.startswith("specter_business_"))
    return {series: float(number) for series, _, number in samples}


def examples(language: str, marker: str) -> str:
    """Return the one example of the documentation in `language` that has `marker` in it."""
    blocks = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (found,) = [block for block in blocks if marker in block]
    return str(found)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


PAYMENT = 'specter_business_events_total{event="payment",outcome="failed",reason="card_declined"}'
MONTH = 'specter_business_active_users{period="month"}'


def test_the_documented_examples_are_counted_scraped_and_outlive_a_restart(
    folder: Path, tmp_path: Path
) -> None:
    with exporter(folder) as (metrics_url, events_url):
        shell = examples("sh", "curl").replace("http://127.0.0.1:9848", events_url)
        assert run(["sh", "-c", shell], folder) == '{"accepted":1}'
        (folder / "shop.js").write_text(examples("js", "fetch").replace("http://127.0.0.1:9848", events_url))
        run(["node", "shop.js"], folder)
        python = examples("python", "BusinessClient(").replace("http://127.0.0.1:9848", events_url)
        run([sys.executable, "-c", python], folder)
        run([sys.executable, "-c", examples("python", "Recorder(")], folder)

        found = metrics(metrics_url)
        assert found[PAYMENT] == 2
        assert found['specter_business_tokens_sum{event="coaching_session",outcome="success"}'] == 812
        assert found['specter_business_feature_uses_total{feature="quests"}'] == 1
        assert found['specter_business_requests_total{code="200",sender="shop"}'] == 3
        assert found[MONTH] == 2
        site = metrics_url.removesuffix("/metrics")
        assert "Specter application exporter" in requests.get(site, timeout=WITHIN).text
        assert requests.get(f"{site}/-/healthy", timeout=WITHIN).status_code == 200
        assert requests.post(f"{site}/api/v1/events", json={}, timeout=WITHIN).status_code == 404
        assert requests.get(f"{events_url}/metrics", timeout=WITHIN).status_code == 404
        _scraped_by_prometheus(metrics_url, tmp_path)
    assert "ada" not in (folder / "data-app" / "users.json").read_text()

    with exporter(folder) as (metrics_url, events_url):
        found = metrics(metrics_url)
        assert (found[PAYMENT], found[MONTH]) == (0, 2)
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {TOKEN}"
        body = [{"event": "daily_checkin", "user": user} for user in ("ada", "4711", "new")]
        assert session.post(f"{events_url}/api/v1/events", json=body, timeout=WITHIN).json() == {
            "accepted": 3
        }
        assert metrics(metrics_url)[MONTH] == 3


def _scraped_by_prometheus(metrics_url: str, tmp_path: Path) -> None:
    target = metrics_url.removeprefix("http://").removesuffix("/metrics")
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\nscrape_configs:\n  - job_name: app\n    static_configs:\n"
        f'      - {{targets: ["{target}"], labels: {{service: shop}}}}\n'
    )
    prometheus = Prometheus(tmp_path, free_port(), config)
    prometheus.start()

    def ask(expression: str) -> list[Any]:
        url = f"{prometheus.url}/api/v1/query"
        answer = requests.get(url, params={"query": expression}, timeout=WITHIN).json()
        return list(answer["data"]["result"])

    try:
        (failed,) = until(lambda: ask(f"{PAYMENT} == 2"), "the scrape")
        assert failed["metric"]["service"] == "shop"
        (turnover,) = ask('sum by (currency) (specter_business_amount_sum{event="payment"})')
        assert (turnover["metric"], turnover["value"][1]) == ({"currency": "EUR"}, "25")
        # The objective joins the events by their name: one rule for every catalogue.
        below = (
            'sum by (event) (specter_business_events_total{outcome="success"})'
            ' / sum by (event) (specter_business_events_total{outcome=~"success|failed"})'
            " < on (event) specter_business_objective_success_ratio"
        )
        assert [one["metric"]["event"] for one in ask(below)] == ["payment"]
        assert ask('count({__name__=~"specter_business_.*_created"})') == []
        assert ask("scrape_samples_scraped > 1500") == []
    finally:
        prometheus.stop()


def test_mistakes_are_named_before_anything_listens(folder: Path) -> None:
    nobody = specter("app", folder=folder)
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "openssl rand -hex 32 > shop.token" in nobody.stderr
    (folder / "bad.yml").write_text("events: {a: {colour: red}}\nfunnels: {f: [a, b]}\n")
    broken = specter(
        "app", "--business.token-file", "shop=shop.token", "--business.catalogue", "bad.yml", folder=folder
    )
    assert broken.returncode == 2
    assert "bad.yml:1: events.a.colour: is not a known key" in broken.stderr
    assert "bad.yml:2: funnels.f[1]: b is not an event" in broken.stderr
    address = specter(
        "app", "--business.token-file", "shop=shop.token", "--business.listen-address", "9848", folder=folder
    )
    assert "--business.listen-address '9848': expected HOST:PORT" in address.stderr
    (folder / "key").write_text("short")
    key = specter(
        "app", "--business.token-file", "shop=shop.token", "--business.user-key-file", "key", folder=folder
    )
    assert "must hold 16 to 64 bytes" in key.stderr
    for done in (nobody, broken, address, key):
        assert "Traceback" not in done.stderr


def test_an_address_that_is_taken_is_named(folder: Path) -> None:
    with exporter(folder) as (metrics_url, events_url):
        for flag, url in (("--business.listen-address", events_url), ("--web.listen-address", metrics_url)):
            taken = url.removeprefix("http://").removesuffix("/metrics")
            arguments = ["--business.listen-address", "127.0.0.1:0", "--web.listen-address", "127.0.0.1:0"]
            done = specter("app", "--business.token-file", "shop=shop.token", *arguments, flag, taken,
                           "--storage.path", "other", folder=folder)  # fmt: skip
            assert done.returncode == 1
            assert f"cannot listen on {taken}: Address already in use" in done.stderr


def test_a_storage_that_is_taken_is_named(folder: Path) -> None:
    with exporter(folder):
        arguments = ["--business.listen-address", "127.0.0.1:0", "--web.listen-address", "127.0.0.1:0"]
        done = specter("app", "--business.token-file", "shop=shop.token", *arguments, folder=folder)
        assert done.returncode == 1
        assert re.search(r"data-app is in use by another exporter \(process \d+\)", done.stderr)


def test_a_storage_that_is_taken_is_not_touched(folder: Path, tmp_path: Path) -> None:
    storage = tmp_path / "held"
    storage.mkdir()
    (storage / "users.json").write_text("is put aside by whoever reads it")
    held = hold(storage)
    arguments = ["--business.listen-address", "127.0.0.1:0", "--web.listen-address", "127.0.0.1:0"]
    arguments += ["--storage.path", str(storage)]
    done = specter("app", "--business.token-file", "shop=shop.token", *arguments, folder=folder)
    os.close(held)
    assert (done.returncode, "is in use by another exporter" in done.stderr) == (1, True)
    assert sorted(each.name for each in storage.iterdir()) == ["lock", "users.json"]


def test_a_catalogue_is_checked_and_shown(folder: Path) -> None:
    shown = specter("catalogue", folder=folder)
    assert re.search(
        r"^payment +success failed +7 +money \(EUR USD GBP CHF\), seconds +98 % succeed", shown.stdout, re.M
    )
    assert "funnel purchase: registration > coaching_session > payment" in shown.stdout
    written = specter("catalogue", "--output", "yaml", folder=folder)
    assert written.stdout == platform_text()
    (folder / "mine.yml").write_text(written.stdout)
    assert specter("catalogue", "mine.yml", folder=folder).stdout == shown.stdout
    found = json.loads(specter("catalogue", "mine.yml", "--output", "json", folder=folder).stdout)
    assert found["events"]["payment"]["objective"] == {"success_ratio": 0.98, "min_per_hour": 5.0}
    critical = {name for name, event in found["events"].items() if event["critical"]}
    assert critical == {"payment", "registration"}
    assert re.search(r"^payment .*98 % succeed, 5 an hour, critical$", shown.stdout, re.M)
    (folder / "mine.yml").write_text("events: {a: {colour: red}}\n")
    wrong = specter("catalogue", "mine.yml", "--output", "json", folder=folder)
    assert wrong.returncode == 2
    assert json.loads(wrong.stdout)["problems"][0]["path"] == "events.a.colour"
    assert specter("catalogue", "missing.yml", folder=folder).returncode == 2
    assert specter("catalogue", "mine.yml", "--output", "yaml", folder=folder).returncode == 2


def test_the_catalogue_of_the_documentation_is_one(folder: Path) -> None:
    (folder / "page.yml").write_text(examples("yaml", "session_idle_minutes"))
    assert "purchase: registration > payment" in specter("catalogue", "page.yml", folder=folder).stdout


def test_the_environment_says_where_the_storage_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "SPECTER_APP_STORAGE_PATH", str(folder / "elsewhere"))
    with exporter(folder):
        assert (folder / "elsewhere" / "user.key").is_file()


def test_a_missing_extra_is_named_at_the_start_and_not_at_the_ten_thousandth_user(folder: Path) -> None:
    code = (
        "import sys; sys.modules['datasketches'] = None\n"
        "from specter_core.cli import main\n"
        "sys.argv = ['specter', 'exporter', 'app', '--business.token-file', 'shop=shop.token']\n"
        "main()"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=WITHIN, check=False)
    assert done.returncode == 1
    assert "pip install 'specter-observability[app,logs]'" in done.stderr
    assert "Traceback" not in done.stderr
