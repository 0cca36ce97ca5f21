"""What may be done about tables, out of their counters."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from specter_exporters.postgres.collectors import tables
from specter_exporters.postgres.model import Fact
from specter_exporters.postgres.session import Session


def facts_of(recovering: bool = False, /, **more: float) -> list[Fact]:
    """Return what is said of a table of 100 MB that nothing is wrong with, but for `more`."""
    counted = {"size": 1e8, "live": 90_000, "dead": 100, "scans": 10, "scanned": 900_000, "found": 5_000}
    counted |= more
    row = (1, recovering, "public", "orders", *counted.values(), 0, None, None)
    session = cast("Session", SimpleNamespace(database="shop", rows=lambda *_: [row]))
    return list(tables.collector(100)(session))


def problems(**more: float) -> dict[str, float]:
    """Return the problems of such a table."""
    return {
        fact.labels[-1]: fact.value
        for fact in facts_of(**more)
        if fact.metric.name == "specter_pg_table_problem_bytes"
    }


def test_a_table_that_is_looked_up_by_its_indexes_wants_nothing() -> None:
    assert problems() == {}


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"scans": 500, "scanned": 5_000_000}, {"missing_index": 1e8}),
        ({"scans": 49, "scanned": 4_900_000, "found": 0}, {}),
        ({"scans": 500, "scanned": 4_999_999}, {}),
        ({"scans": 499, "scanned": 49_900_000}, {}),
        ({"scans": 500, "scanned": 50_000_000, "size": 9e6}, {}),
        ({"dead": 30_000}, {"bloat": pytest.approx(0.25e8)}),
        ({"dead": 20_000}, {}),
        ({"dead": 30_000, "size": 9e6}, {}),
    ],
)
def test_many_scans_of_many_rows_want_an_index_and_a_fifth_of_dead_rows_is_bloat(
    more: dict[str, float], told: dict[str, Any]
) -> None:
    assert problems(**more) == told


def test_what_a_standby_does_not_count_is_not_told_to_be_none() -> None:
    of_primary = {fact.metric.name for fact in facts_of(live=0, dead=0)}
    of_standby = {fact.metric.name for fact in facts_of(True, live=0, dead=0)}
    assert of_primary - of_standby == {
        "specter_pg_table_live_rows",
        "specter_pg_table_dead_rows",
        "specter_pg_table_changed_rows_total",
    }
    assert {"specter_pg_table_size_bytes", "specter_pg_table_seq_scans_total"} < of_standby
