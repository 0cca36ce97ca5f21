"""What a CSV file of a backtest may hold, and what becomes of what is odd in it."""

from pathlib import Path

import numpy as np
import pytest

from specter_core.errors import UsageError
from specter_detector.backtesting.csv_file import CsvError, Table, read_csv
from specter_detector.backtesting.labels import LabelsError, read_windows
from specter_detector.backtesting.times import nearest_step, parse_moment, parse_step, parse_time

T0 = 1_767_571_200  # 2026-01-05, 00:00 UTC


def table(folder: Path, text: str, step: float | None = None) -> Table:
    path = folder / "some.csv"
    path.write_text(text)
    return read_csv(path, step)


@pytest.mark.parametrize(
    "stamps",
    [
        [str(T0), str(T0 + 300), str(T0 + 600)],
        [f"{T0}000", f"{T0 + 300}000", f"{T0 + 600}000"],
        ["2026-01-05T00:00:00Z", "2026-01-05T00:05:00Z", "2026-01-05T00:10:00Z"],
        ["2026-01-05T01:00:00+01:00", "2026-01-05 00:05:00", "2026-01-05T00:10:00.000Z"],
        [f"{T0}.0", f"{T0 + 300}.4", f"{T0 + 600}.25"],
    ],
)
def test_timestamps_are_seconds_milliseconds_or_rfc_3339(tmp_path: Path, stamps: list[str]) -> None:
    rows = "".join(f"{stamp},{value}\n" for stamp, value in zip(stamps, (1, 2.5, -3e2), strict=True))
    found = table(tmp_path, f"timestamp,value\n{rows}")
    assert found.step == 300
    assert found.times.tolist() == [T0, T0 + 300, T0 + 600]
    assert found.values.tolist() == [[1.0, 2.5, -300.0]]
    assert found.truth is None


def test_off_grid_doubled_unsorted_and_missing_rows_have_one_outcome_each(tmp_path: Path) -> None:
    text = (
        "timestamp,a,b\n"
        f"{T0 + 900},7,8\n"  # not in order; what lies between is a gap
        f"{T0 + 10},1,NaN\n"  # off the grid, and further off than the next
        f"{T0 - 5},2,inf\n"  # nearest to the slot of the row above: wins for a
        "\n"
        f"{T0 + 300},3,\n"
        f"{T0 + 300},4,5\n"  # the same timestamp: the last row wins
    )
    found = table(tmp_path, text, 300.0)
    assert found.names == ("a", "b")
    assert found.times.tolist() == [T0, T0 + 300, T0 + 600, T0 + 900]
    np.testing.assert_array_equal(found.values, [[2, 4, np.nan, 7], [np.nan, 5, np.nan, 8]])


def test_the_label_is_the_truth_and_no_series(tmp_path: Path) -> None:
    text = (
        f"timestamp,value,label\n{T0},1,0\n{T0 + 300},1,true\n{T0 + 600},1,\n{T0 + 601},1,1\n{T0 + 900},1,0\n"
    )
    found = table(tmp_path, text, 300.0)
    assert found.names == ("value",)
    assert found.truth is not None
    assert found.truth.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert np.isnan(table(tmp_path, f"timestamp,value,label\n{T0},1,\n{T0 + 300},1,0\n").truth[0])  # type: ignore[index]


@pytest.mark.parametrize(
    ("distance", "step"), [(15, 15), (61, 60), (299.7, 300), (300, 300), (3600, 3600), (7200, 3600), (0.2, 1)]
)
def test_the_step_is_the_divisor_of_a_day_nearest_to_the_median_distance(
    tmp_path: Path, distance: float, step: float
) -> None:
    rows = "".join(f"{T0 + number * distance},1\n" for number in range(9))
    assert table(tmp_path, f"timestamp,value\n{rows}{T0 + 20 * distance},1\n").step == step
    assert nearest_step(distance) == step


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "some.csv:1: the first column must be `timestamp`; the header is: nothing"),
        ("time,value\n", "the header is: time,value"),
        ("timestamp\n", "some.csv:1: no values"),
        ("timestamp,label\n", "some.csv:1: no values"),
        ("timestamp,a,a\n", "a column twice or without a name: a"),
        (f"timestamp,value\n{T0},x\n", "some.csv:2: value 'x': expected a number"),
        ("timestamp,value\nyesterday,1\n", "some.csv:2: timestamp 'yesterday': expected Unix seconds"),
        ("timestamp,value\n-5,1\n", "some.csv:2: timestamp '-5'"),
        (f"timestamp,value,label\n{T0},1,maybe\n", "some.csv:2: label 'maybe': expected 0, 1"),
        (f"timestamp,value\n{T0},1,2\n", "some.csv:2: 3 fields, the header has 2"),
        ("timestamp,value\n", "0 distinct timestamps"),
        (f"timestamp,value\n{T0},1\n", "1 distinct timestamps: two at least tell a step, or give --step"),
        (f'timestamp,value\n{T0},"1\n', "not CSV"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(CsvError) as caught:
        table(tmp_path, text)
    assert message in str(caught.value)


def test_mixed_units_are_no_gap_of_centuries(tmp_path: Path) -> None:
    rows = "".join(f"{T0 + 300 * number},1\n" for number in range(50))
    with pytest.raises(CsvError, match="is every timestamp in the same unit"):
        table(tmp_path, f"timestamp,value\n{rows}1000,1\n")


def test_bytes_that_are_no_text_and_no_file_are_said_so(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_bytes(b"timestamp,value\n\xff\xfe")
    with pytest.raises(CsvError, match=r"some\.csv: not UTF-8"):
        read_csv(path)
    with pytest.raises(CsvError, match=r"none\.csv: No such file"):
        read_csv(tmp_path / "none.csv")


def test_windows_are_read_by_series_and_for_all(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(f"start,end,series\n{T0},{T0 + 60},a\n2026-01-06T00:00:00Z,2026-01-06T01:00:00Z,\n")
    assert dict(read_windows(path).by_series) == {"a": ((T0, T0 + 60),), "": ((T0 + 86400, T0 + 90000),)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("from,to\n", "labels.csv:1: the header must be start,end or start,end,series, not from,to"),
        (f"start,end\n{T0},{T0 - 1}\n", "labels.csv:2: the end is before the start"),
        (f"start,end\n{T0},\n", "labels.csv:2"),
        (f"start,end\n{T0}\n", "labels.csv:2"),
    ],
)
def test_a_wrong_window_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(LabelsError) as caught:
        read_windows(path)
    assert message in str(caught.value)


def test_moments_and_steps_of_the_command_line() -> None:
    assert parse_moment("now-7d", 1e9, "--from") == 1e9 - 7 * 86400
    assert parse_moment("now", 1e9, "--to") == 1e9
    assert parse_moment("2026-01-05T00:00:00Z", 1e9, "--to") == T0
    assert parse_time("1767571200.5") == 1767571200.5
    assert parse_step("5m") == 300
    with pytest.raises(UsageError, match="--from 'last week': expected Unix seconds"):
        parse_moment("last week", 1e9, "--from")
    with pytest.raises(UsageError, match="near it: 7m12s"):
        parse_step("7m")
    with pytest.raises(UsageError, match="expected a duration"):
        parse_step("5")
