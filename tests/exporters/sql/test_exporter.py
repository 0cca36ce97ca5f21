"""The running exporter: documented as it is, silent about passwords, held up by no database."""

import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
from click.testing import CliRunner

from specter_exporters.sql.collector import EXPOSED
from specter_exporters.sql.command import sql
from specter_stack.programs import find_program
from tests.exporters.serving import exporter, samples, silent, until
from tests.servers.prometheus import free_port

PAGE = (Path(__file__).parents[3] / "docs" / "exporters-sql.md").read_text("utf-8")
PASSWORD = "pass-word-of-the-checker"
ORDERS = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, status TEXT, reference TEXT, placed TEXT);
INSERT INTO orders (status, reference, placed) VALUES
    ('paid', 'r1', '2026-11-01T10:00:00'), ('paid', NULL, '2026-11-01T11:00:00'),
    ('not_paid', NULL, '2026-11-01T12:00:00');
"""
CONFIG = """\
databases:
  - {name: local, dsn: "sqlite:///shop.db"}
  - {name: hung, dsn: "postgresql://me@127.0.0.1:HUNG/shop", password_file: secret}
  - {name: gone, dsn_env: GONE_URL}
integrity:
  - name: paid_without_reference
    database: local
    interval: 1s
    severity: critical
    sample: shown
    query: SELECT 'order-' || id AS nr, status FROM orders WHERE status = 'paid' AND reference IS NULL
  - {name: few_orders, database: local, interval: 1s, query: SELECT count(*) FROM orders, at_most: 1}
  - {name: hangs, database: hung, timeout: 1s, query: SELECT 1}
  - {name: is_gone, database: gone, query: SELECT 1}
business:
  - name: orders
    database: local
    interval: 1s
    query: SELECT status, count(*) FROM orders GROUP BY 1
    by: status
sync:
  - name: copied
    source: {database: local, rows: SELECT count(*) FROM orders, mark: SELECT max(placed) FROM orders}
    target: {database: local, rows: SELECT 2, mark: "SELECT '2026-11-01T11:59:00'"}
    most_lag: 30s
    most_row_difference: 5
"""

COMPARED = "source rows 3, target rows 2, row difference 1, lag seconds 60 (at most 30)"


def found(text: str, name: str) -> dict[tuple[str, ...], float]:
    """Return a family's values by its labels, in the order of the labels' names."""
    return {labels: value for (family, labels), value in samples(text).items() if family == name}


@pytest.mark.integration
def test_what_is_known_is_told_at_once_and_the_rest_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{PASSWORD}\n")
    url_of_gone = f"mysql://me:{PASSWORD}@127.0.0.1:{free_port()}/shop"
    with silent() as port, requests.Session() as client:
        (tmp_path / "sql.yml").write_text(CONFIG.replace("HUNG", str(port)))
        with exporter(tmp_path, "sql", "--config", "sql.yml", GONE_URL=url_of_gone) as (url, process, log):

            def scrape() -> str:
                return client.get(f"{url}/metrics", timeout=5).text

            def up() -> dict[tuple[str, ...], float]:
                return found(scrape(), "specter_sql_up")

            # Nothing is there at the start: that is said, and nothing is 0.
            until(lambda: up() == {("local",): 0, ("hung",): 0, ("gone",): 0}, "every database is asked")
            text = scrape()
            assert found(text, "specter_sql_check_violations") == {}
            assert found(text, "specter_sql_check_failure") == {
                ("few_orders", "local", "refused"): 1,
                ("paid_without_reference", "local", "refused"): 1,
                ("orders", "local", "refused"): 1,
                ("copied", "local", "refused"): 1,
                ("hangs", "hung", "timeout"): 1,
                ("is_gone", "gone", "refused"): 1,
            }
            with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
                database.executescript(ORDERS)
            until(lambda: len(found(scrape(), "specter_sql_check_violations")) == 2, "a recovery")
            until(lambda: found(scrape(), "specter_sql_business_value"), "a number")
            text = scrape()
            assert found(text, "specter_sql_check_violations") == {
                ("paid_without_reference", "local"): 1,
                ("few_orders", "local"): 2,
            }
            assert found(text, "specter_sql_business_value") == {
                ("orders", "local", "paid"): 2,
                ("orders", "local", "not_paid"): 1,
            }
            assert "order-2" not in text
            checks = {each["check"]: each for each in client.get(f"{url}/api/v1/checks").json()["checks"]}
            assert checks["paid_without_reference"]["found"]["samples"] == ["order-2"]
            assert checks["hangs"]["state"] == "not known"
            page = client.get(f"{url}/checks").text
            assert "1 violation, such as order-2" in page
            until(lambda: "such as order-2" in log.read_text(), "a line in the log")
            told = [log.read_text(), text, page, json.dumps(checks)]
            shown = " ".join([*psutil.Process(process.pid).cmdline(), *told])
    assert "pass-word" not in shown
    check = [str(find_program("promtool")), "check", "metrics"]
    linted = subprocess.run(check, input=text, text=True, capture_output=True, check=False)
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")
    families = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE specter_sql")}
    assert families == {metric.name for metric in EXPOSED}


def checked(folder: Path, *options: str) -> Any:
    return CliRunner().invoke(sql, ["check", "--config", str(folder / "sql.yml"), *options])


def test_check_runs_everything_once_and_ends_with_1_where_something_is_wrong(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.executescript(ORDERS)
    start, _, rest = CONFIG.partition("  - {name: hung")
    _, _, checks = rest.partition("integrity:")
    lines = [each for each in checks.splitlines() if "hangs" not in each and "is_gone" not in each]
    (tmp_path / "sql.yml").write_text(f"{start}integrity:" + "\n".join(lines) + "\n")
    result = checked(tmp_path)
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "CHECK                   DATABASE  KIND       STATE     FOUND",
        "paid_without_reference  local     integrity  violated  1 violation, such as order-2",
        "few_orders              local     integrity  violated  2 violations",
        "orders                  local     business   ok        paid 2, not_paid 1",
        f"copied                  local     sync       violated  {COMPARED}",
    ]
    states = [each["state"] for each in json.loads(checked(tmp_path, "--output", "json").output)["checks"]]
    assert states == ["violated", "violated", "ok", "violated"]
    with closing(sqlite3.connect(tmp_path / "shop.db")) as database:
        database.execute("UPDATE orders SET reference = 'r' WHERE id = 2")
        database.execute("DELETE FROM orders WHERE id = 3")
        database.commit()
    (tmp_path / "sql.yml").write_text((tmp_path / "sql.yml").read_text().replace("at_most: 1", "at_most: 2"))
    assert checked(tmp_path).exit_code == 0


def test_a_missing_extra_is_named() -> None:
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from specter_core.cli import main\n"
        "sys.argv = ['specter', 'exporter', 'sql', 'check', '--config', 'sql.yml']\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == (
        "Error: `specter exporter sql` needs sqlalchemy: pip install 'specter-observability[sql]'\n"
    )


def test_every_metric_is_on_the_page_with_its_labels_and_meaning_and_no_other() -> None:
    rows = re.findall(r"^\| `(specter_sql_\w+)` \| (.*?) \| (.*) \|$", PAGE, re.MULTILINE)
    own = {"database", "check"}
    assert rows == [
        (
            metric.name,
            ", ".join(label for label in metric.labels if label not in own),
            metric.help[0].lower() + metric.help[1:],
        )
        for metric in EXPOSED
    ]
