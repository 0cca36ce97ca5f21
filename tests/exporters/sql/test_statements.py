"""What may be a check's query: one statement that reads, however it is quoted."""

import pytest

from specter_exporters.sql.statements import problem, stripped


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        "SELECT ';' AS \"a;b\", `c;d`;",
        "-- why; not\nselect 1 /* ; */",
        "(select 1) union (select 2)",
        "with a as (select 1) select * from a",
        "values (1)",
        "select $$ ; $$, $x$ ; $x$",
        "select 'it''s; fine'",
    ],
)
def test_one_statement_that_reads_is_taken(query: str) -> None:
    assert problem(query) == ""


@pytest.mark.parametrize(
    "query",
    [
        "select 1; delete from orders",
        # A backslash escapes a quote in one dialect and is a character of its own in another.
        r"select '\'; commit; delete from orders; --'",
        r"select '\'' ; delete from orders; -- '",
        "select 1 /* /* */ ; delete from orders */",
    ],
)
def test_a_second_statement_is_refused(query: str) -> None:
    assert problem(query) == "expected one statement"


@pytest.mark.parametrize(
    "query", ["", "delete from orders", "-- select\nupdate orders set a = 1", "call x()"]
)
def test_what_does_not_read_is_refused(query: str) -> None:
    assert problem(query) == "expected a query that reads: SELECT, WITH, VALUES or TABLE"


def test_the_semicolon_at_the_end_is_left_out() -> None:
    assert stripped(" select 1 ;\n") == "select 1"
