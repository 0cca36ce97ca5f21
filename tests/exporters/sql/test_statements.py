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
        "select 'into', \"for update\" -- into\nfrom shares for_update",
    ],
)
def test_one_statement_that_reads_is_taken(query: str) -> None:
    assert problem(query) == ""


@pytest.mark.parametrize(
    "query",
    [
        "select 1; delete from orders",
        # PostgreSQL has these in a name, and ends a comment at either end of a line.
        "select 1 as x$$; commit; delete from orders; select 2 as y$$",
        "select 1 --\r; commit; delete from orders",
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


@pytest.mark.parametrize(
    "query",
    [
        "select * into copy from orders",
        "select id from orders into outfile '/tmp/orders'",
        "select id from orders for update",
        "select id from orders FOR NO KEY UPDATE",
        "select id from orders for share",
        "select id from orders lock in share mode",
    ],
)
def test_a_select_that_does_more_is_refused(query: str) -> None:
    assert problem(query) == "expected a query that reads and no more: no INTO, no FOR UPDATE or SHARE"


def test_a_comment_that_one_database_runs_is_refused() -> None:
    said = "expected no comment that MySQL runs (/*! … */)"
    assert problem("select 1 /*! into outfile '/tmp/x' */") == said
    assert problem("select 1 /*M!100000 for update */") == said


def test_the_semicolon_at_the_end_is_left_out() -> None:
    assert stripped(" select 1 ;\n") == "select 1"
