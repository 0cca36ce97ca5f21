"""What may be done about tables, out of their counters."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from specter_exporters.postgres.collectors import tables
from specter_exporters.postgres.session import Session


def problems(**more: float) -> dict[str, float]:
    """Return what is said of a table of 100 MB that nothing is wrong with, but for `more`."""
    counted = {"size": 1e8, "live": 90_000, "dead": 100, "scans": 10, "scanned": 900_000, "found": 5_000}
    counted |= more
    row = (1, "public", "orders", *counted.values(), 0, None, None)
    session = cast("Session", SimpleNamespace(database="shop", rows=lambda *_: [row]))
    return {
        fact.labels[-1]: fact.value
        for fact in tables.collector(100)(session)
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
