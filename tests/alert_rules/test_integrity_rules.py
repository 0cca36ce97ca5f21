"""The rules on checks of data read what is exposed; real checks of a real database fire each of them."""

import functools
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from specter_alerts import promql
from specter_alerts.integrity import groups
from specter_alerts.settings import DEFAULTS
from specter_core import metrics
from specter_detector.presets.catalogue import PRESETS
from specter_exporters.sql.command import run
from specter_exporters.sql.config import load
from tests.alert_rules.live import DECLARED, exporting, exposed, scraping
from tests.exporters.serving import silent, until
from tests.servers.prometheus import Prometheus

RULES = {rule.alert for group in groups(DEFAULTS) for rule in group.alerts}
SELECTORS = [
    node
    for group in groups(DEFAULTS)
    for rule in group.rules
    for node, _ in promql.walk(promql.parse(rule.expr))
    if promql.kind(node) == "VectorSelector"
]
WHOLE = """
CREATE TABLE orders (id INTEGER PRIMARY KEY, reference TEXT, placed INTEGER);
INSERT INTO orders VALUES (1, 'a', 1000), (2, 'b', 2000);
CREATE TABLE items (id INTEGER);
"""
TROUBLE = """
INSERT INTO orders VALUES (3, NULL, 3000), (4, NULL, 4000);
DROP TABLE items;
"""
CONFIG = """\
databases:
  - {name: shop, dsn: "sqlite:///shop.db", concurrency: 2}
  - {name: slow, dsn: "mysql://me@127.0.0.1:SLOW/shop"}
  - {name: copy, dsn: "sqlite:///copy.db"}
  - {name: gone, dsn: "sqlite:///gone.db"}
integrity:
  - &check
    name: critical
    database: shop
    severity: critical
    interval: 1s
    timeout: 1s
    query: SELECT id FROM orders WHERE reference IS NULL
  - {<<: *check, name: warning, severity: warning}
  - {<<: *check, name: fails, query: SELECT * FROM items}
  - {<<: *check, name: is_gone, database: gone, query: SELECT 1 WHERE 1 = 2}
  # The server takes the connection and says nothing.
  - {<<: *check, name: hangs, database: slow, timeout: 30s}
  - {<<: *check, name: waits, database: slow}
business:
  - {name: orders, database: shop, interval: 1s, query: SELECT count(*) FROM orders}
sync:
  - name: lags
    interval: 1s
    timeout: 1s
    source: {database: shop, rows: SELECT count(*) FROM orders, mark: SELECT max(placed) FROM orders}
    target: {database: copy, rows: SELECT count(*) FROM orders, mark: SELECT max(placed) FROM orders}
    most_lag: 10m
    most_row_difference: 1
  - name: behind
    interval: 1s
    timeout: 1s
    mark: number
    source: {database: shop, mark: SELECT max(id) FROM orders}
    target: {database: copy, mark: SELECT max(id) FROM orders}
    most_mark_difference: 1
"""


def test_every_selector_names_a_metric_and_labels_that_are_exposed() -> None:
    for selector in SELECTORS:
        labels = {matcher.name for matcher in selector.matchers.matchers}
        assert labels <= ({"job"} if selector.name == metrics.UP else DECLARED[selector.name])


def test_only_a_check_that_is_called_critical_pages() -> None:
    pages = {rule.alert for group in groups(DEFAULTS) for rule in group.alerts if rule.severity == "critical"}
    assert pages == {"IntegrityViolatedCritical"}


def configured(folder: Path, slow: int) -> Path:
    """Write the configuration, with the port of the server that says nothing."""
    file = folder / "sql.yml"
    file.write_text(CONFIG.replace("SLOW", str(slow)))
    return file


def firing(server: Prometheus) -> dict[str, set[str]]:
    """Return what fires: the checks, or databases, of each alert."""
    found: dict[str, set[str]] = {}
    for row in server.query('ALERTS{alertstate="firing"}'):
        labels: Any = row["metric"]
        about = labels.get("check") or labels.get("database") or labels["job"]
        found.setdefault(labels["alertname"], set()).add(about)
    return found


def write(file: Path, script: str) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.executescript(script)


@pytest.mark.integration
def test_data_that_is_whole_is_silent_and_every_trouble_fires_on_what_is_really_exposed(
    tmp_path: Path,
) -> None:
    for name in ("shop", "copy", "gone"):
        write(tmp_path / f"{name}.db", WHOLE)
    with (
        silent() as port,
        exporting(functools.partial(run, load(configured(tmp_path, port)))) as (target, ended),
        scraping(tmp_path / "prometheus", target, "sql", groups(DEFAULTS), service="shop") as server,
    ):
        server.wait_for(f"count({metrics.SQL_CHECK_LAST_SUCCESS.name}) == 7")
        for query in PRESETS["sql"].queries:
            assert [server.query(source.expr) for source in query.sources] != [[]], query.alias
        assert firing(server).keys() <= {"SqlCheckStale"}
        seen = exposed(server, "sql")
        write(tmp_path / "shop.db", TROUBLE)
        (tmp_path / "gone.db").unlink()
        expected = {
            "IntegrityViolatedCritical": {"critical"},
            "IntegrityViolated": {"warning"},
            "SyncLagging": {"lags"},
            "SyncRowsDiffer": {"lags"},
            "SyncBehind": {"behind"},
            "SqlCheckFailing": {"fails"},
            "SqlCheckStale": {"waits"},
            "SqlDatabaseDown": {"gone"},
        }
        until(lambda: firing(server) == expected, "the alerts")
        assert {each.name for each in SELECTORS} - seen - exposed(server, "sql") == set()
        ended.set()
        until(lambda: firing(server) == {"SqlExporterDown": {"sql"}}, "the exporter's own alert")
        assert {*expected, "SqlExporterDown"} == RULES
