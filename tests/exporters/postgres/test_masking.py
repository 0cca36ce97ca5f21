"""Statements are shown without constants."""

import pytest

from specter_exporters.postgres.masking import LONGEST, masked


@pytest.mark.parametrize(
    ("statement", "shown"),
    [
        ("SELECT * FROM t WHERE id = $1 AND a = $2", "SELECT * FROM t WHERE id = $1 AND a = $2"),
        ("ALTER ROLE shop PASSWORD 'hunter2'", "ALTER ROLE shop PASSWORD ?"),
        ("ALTER ROLE shop PASSWORD 'it''s'", "ALTER ROLE shop PASSWORD ?"),
        (r"SELECT E'a\'b', 'secret'", "SELECT ?, ?"),
        (r"SELECT 'a\', 'secret'", "SELECT ?, ?"),
        ("SELECT $tag$it's secret$tag$, $$more$$ FROM t", "SELECT ?, ? FROM t"),
        ("SELECT 1 -- it's\n, 'secret'", "SELECT ? , ?"),
        ("SELECT /* it's */ 'secret'", "SELECT ?"),
        ("""SELECT "it's", 'secret' FROM "t" """, """SELECT "it's", ? FROM "t\""""),
        ("SELECT 'secret that never ends", "SELECT ?"),
        ("SET statement_timeout = 1500; SELECT 1.5e3, t1.c2", "SET statement_timeout = ?; SELECT ?, t1.c2"),
        ("SELECT\n   a,\n   b", "SELECT a, b"),
    ],
)
def test_constants_are_left_out(statement: str, shown: str) -> None:
    assert masked(statement) == shown


def test_long_statements_are_cut_after_constants_are_gone() -> None:
    shown = masked("SELECT '" + "s" * 1000 + "', " + "a, " * 1000)
    assert shown.startswith("SELECT ?, a, a")
    assert len(shown) == LONGEST
    assert shown.endswith("…")
