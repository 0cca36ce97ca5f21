"""What rows mean: violations, bounds, groups, marks, and keys that are shown in part."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from specter_exporters.sql.engines.engine import Table
from specter_exporters.sql.failures import CheckError
from specter_exporters.sql.model import BusinessQuery, IntegrityCheck, MarkKind, Side, SyncCheck, Timing
from specter_exporters.sql.outcomes import (
    BusinessOutcome,
    Groups,
    IntegrityOutcome,
    SyncOutcome,
    business,
    integrity,
    mark,
)
from specter_exporters.sql.running import compared
from specter_exporters.sql.samples import as_shown

TIMING = Timing(60.0, 10.0)


def check(**settings: Any) -> IntegrityCheck:
    return IntegrityCheck("c", "shop", "select", TIMING, **settings)


def counted(value: object) -> Table:
    return Table(("count",), ((value,),))


def test_each_row_is_a_violation_and_the_first_keys_are_kept() -> None:
    rows = tuple((f"customer-{number}@example.org", number) for number in range(5))
    table = Table(("email", "n"), rows)
    assert integrity(check(), table) == IntegrityOutcome(5, ("….org", "….org", "….org"))
    assert integrity(check(sample="shown", key="n"), table).samples == ("0", "1", "2")
    assert integrity(check(sample="none"), table).samples == ()
    assert integrity(check(), Table(("n",), ())) == IntegrityOutcome(0)
    assert integrity(check(sample="none"), Table(("n",), ((1,),), cut=True)).at_least


def test_a_column_that_is_not_there_is_told() -> None:
    with pytest.raises(CheckError, match="gave no column id; there is email, n"):
        integrity(check(key="id"), Table(("email", "n"), (("a", 1),)))


@pytest.mark.parametrize(
    ("bounds", "value", "violations"),
    [
        ({"at_most": 5}, 5, 0),
        ({"at_most": 5}, 7, 2),
        ({"at_least": 5}, Decimal("3.5"), 1.5),
        ({"at_least": 1, "at_most": 5}, 3.0, 0),
        ({"at_least": 1, "at_most": 5}, 0, 1),
    ],
)
def test_a_count_is_violated_as_often_as_it_is_beyond_its_bound(
    bounds: dict[str, float], value: object, violations: float
) -> None:
    assert integrity(check(**bounds), counted(value)) == IntegrityOutcome(violations)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (counted(None), "gave NULL; expected a number to compare"),
        (counted("7"), "gave str; expected a finite number"),
        (counted(float("nan")), "gave float; expected a finite number"),
        (Table(("n",), ()), "gave 0 rows of 1 columns; expected one row of one column"),
        (
            Table(("n",), ((1,),), cut=True),
            "gave more than 1 rows of 1 columns; expected one row of one column",
        ),
        (Table(("a", "b"), ((1, 2),)), "gave 1 rows of 2 columns; expected one row of one column"),
    ],
)
def test_what_is_no_count_is_not_known_and_never_0(table: Table, said: str) -> None:
    with pytest.raises(CheckError, match=said) as caught:
        integrity(check(at_most=1), table)
    assert caught.value.reason == "result"


def query(**settings: Any) -> BusinessQuery:
    return BusinessQuery("q", "shop", "select", TIMING, **settings)


def test_a_number_is_exposed_as_it_is_and_null_is_left_out() -> None:
    assert business(query(), counted(7), Groups(1)) == BusinessOutcome({"": 7})
    assert business(query(), counted(None), Groups(1)) == BusinessOutcome({})


def test_rows_without_a_group_are_refused_with_what_tells_them_apart() -> None:
    with pytest.raises(CheckError, match=r"gave 1 rows of 2 columns; .*; a row for each group wants `by`"):
        business(query(), Table(("a", "b"), ((1, 2),)), Groups(1))


def test_rows_are_told_apart_by_their_group_wherever_its_column_is() -> None:
    rows = (("paid", 7), (None, 2), ("failed", None), ("paid", 1))
    found = business(query(by="status"), Table(("status", "n"), rows), Groups(9))
    assert found == BusinessOutcome({"paid": 8, "null": 2})
    turned = tuple((n, status) for status, n in rows)
    assert business(query(by="status"), Table(("n", "status"), turned), Groups(9)) == found


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (Table(("status", "n", "m"), (("paid", 7, 8),)), "gave 3 columns; with `by` there are two"),
        (Table(("state", "n"), (("paid", 7),)), "gave no column status; there is state, n"),
        (Table(("status", "n"), (("paid", 7),), cut=True), "gave more than 1 rows"),
    ],
)
def test_groups_that_are_not_as_said_are_not_known(table: Table, said: str) -> None:
    with pytest.raises(CheckError, match=said):
        business(query(by="status"), table, Groups(9))


def test_groups_without_room_are_summed_up_and_those_with_a_series_keep_it() -> None:
    groups = Groups(2)
    assert groups.fit({"a": 1, "b": 5, "c": 3, "d": 2}) == ({"b": 5, "c": 3, "other": 3}, 2)
    assert groups.fit({"a": 100, "b": 1, "other": 7}) == ({"b": 1, "other": 107}, 1)


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (datetime(2026, 11, 1, 12, tzinfo=timezone(timedelta(hours=2))), "time", 1793527200.0),
        (datetime(2026, 11, 1, 10), "time", 1793527200.0),  # noqa: DTZ001  a database without zones
        (date(2026, 11, 1), "time", 1793491200.0),
        ("2026-11-01T10:00:00", "time", 1793527200.0),
        ("2026-11-01 12:00:00+02:00", "time", 1793527200.0),
        (1793527200, "time", 1793527200.0),
        (Decimal(42), "number", 42.0),
    ],
)
def test_a_mark_is_a_number_and_a_time_is_unix_time(value: object, kind: MarkKind, expected: float) -> None:
    assert mark("shop", value, kind) == expected


@pytest.mark.parametrize(("value", "kind"), [(None, "time"), ("soon", "time"), ("7", "number")])
def test_what_is_no_mark_is_not_known(value: object, kind: MarkKind) -> None:
    with pytest.raises(CheckError) as caught:
        mark("shop", value, kind)
    assert caught.value.reason == "result"


def test_a_copy_that_is_ahead_is_not_behind_but_rows_and_numbers_may_be_below_0() -> None:
    timed = SyncCheck("s", Side("a", None, None), Side("b", None, None), TIMING)
    assert compared(timed, (10.0, 100.0), (12.0, 130.0)) == SyncOutcome((10.0, 12.0), 0.0, None)
    assert compared(timed, (10.0, None), (12.0, None)).row_difference == -2
    numbered = SyncCheck("s", Side("a", None, None), Side("b", None, None), TIMING, "number")
    assert compared(numbered, (None, 100.0), (None, 130.0)) == SyncOutcome(None, None, -30.0)


def test_a_masked_key_is_its_end_and_no_more_than_half_of_it() -> None:
    assert [as_shown(key, "masked") for key in ("4711-0815", "4711", "12", 7, None)] == [
        *("…0815", "…11", "…2", "…", "…LL"),
    ]
    assert as_shown("two\nlines", "shown") == "two lines"
    assert len(as_shown("x" * 500, "shown")) == 64
