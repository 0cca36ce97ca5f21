"""The running exporter: scraped over HTTP, documented as it is, silent about passwords."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from specter_exporters.postgres.exposing import EXPOSED
from specter_stack.programs import find_program
from tests.exporters.serving import exporter, samples
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.prometheus import free_port

PAGE = (Path(__file__).parents[3] / "docs" / "exporters-postgres.md").read_text("utf-8")
PASSWORD = "pass-word-of-the-watcher"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres(password=PASSWORD) as server:
        yield server


@pytest.mark.integration
def test_a_scrape_is_sound_and_no_password_is_anywhere(postgres: PostgresServer, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    (tmp_path / "wrong").write_text("another-pass-word\n")
    gone = free_port()
    config = f"""\
servers:
  - {{name: main, dsn: "{postgres.dsn}", password_file: secret}}
  - {{name: refused, dsn: "{postgres.dsn}", password_file: wrong}}
  - {{name: gone, dsn: "host=127.0.0.1 port={gone} user=me"}}
modules:
  default: {{dsn: "dbname=postgres user={postgres.user}", password_file: secret, targets: ["127.0.0.1:*"]}}
pgbouncers:
  - {{name: pool, dsn: "host=127.0.0.1 port={gone} user=me"}}
"""
    (tmp_path / "postgres.yml").write_text(config)
    with exporter(tmp_path, "postgres", "--config", "postgres.yml") as (url, process, log):
        text = requests.get(f"{url}/metrics", timeout=20).text
        probe = requests.get(f"{url}/probe?target=127.0.0.1:{postgres.port}", timeout=20).text
        shown = " ".join([*psutil.Process(process.pid).cmdline(), log.read_text(), text, probe])
        with requests.get(url, timeout=20) as page:
            shown += page.text
    up = {labels[0]: value for (name, labels), value in samples(text).items() if name == "specter_pg_up"}
    assert up == {"main": 1, "refused": 0, "gone": 0}
    assert samples(probe)["specter_pg_up", (f"127.0.0.1:{postgres.port}",)] == 1
    assert samples(text)["specter_pgbouncer_up", ("pool",)] == 0
    why = {
        labels[1]: labels[0]
        for (name, labels), value in samples(text).items()
        if name == "specter_pg_failure" and value
    }
    assert why == {"refused": "auth", "gone": "refused"}
    assert "WARNING" in log.read_text()
    assert "pass-word" not in shown
    check = [str(find_program("promtool")), "check", "metrics"]
    linted = subprocess.run(check, input=text, text=True, capture_output=True, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_every_metric_is_on_the_page_and_no_other() -> None:
    named = set(re.findall(r"\bspecter_pg(?:bouncer)?_\w+", PAGE))
    assert named == {metric.name for metric in EXPOSED}
