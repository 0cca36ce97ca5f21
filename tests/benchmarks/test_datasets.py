"""Folders of labelled series, on generated files."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.evaluation.datasets import read_cloud, read_labelled, read_nab
from benchmarks.evaluation.rows import DataError, MissingDataError

HOUR, MINUTE = 3600, 60


def write(
    path: Path,
    count: int,
    step: int,
    *,
    anomalous: tuple[int, ...] = (),
    unlabelled: int = 0,
    repeated: int = 0,
) -> None:
    """Write `count` rows; the first `unlabelled` have no label, the last `repeated` stand twice."""
    rows = [
        f"{index * step},{index % 24},{'' if index < unlabelled else int(index in anomalous)}"
        for index in range(count)
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["timestamp,value,label", *rows, *rows[count - repeated :]]), encoding="utf-8")


def test_folders_are_read_to_their_depth_and_names_keep_them(tmp_path: Path) -> None:
    write(tmp_path / "b" / "deep" / "x.csv", 800, HOUR, anomalous=(700,))
    write(tmp_path / "a.CSV", 800, HOUR)
    (tmp_path / "notes.txt").write_text("not a series")
    found = read_labelled(tmp_path)
    assert [one.name for one in found.series] == ["a.CSV", "b/deep/x.csv"]
    assert np.flatnonzero(found.series[1].anomalous).tolist() == [700]


@pytest.mark.parametrize(
    ("count", "step", "warm_up"),
    [
        (1000, HOUR, 15 * 24),  # two weeks and a day
        (1000, 2 * HOUR, 15 * 12),
        (3000, 300, 4.5 * 288),  # half a week and a day
        (15_000, MINUTE, 4.5 * 288),
        (600, HOUR, 300),  # half at most
    ],
)
def test_the_warm_up_goes_by_the_step(tmp_path: Path, count: int, step: int, warm_up: int) -> None:
    write(tmp_path / "a.csv", count, step)
    assert read_labelled(tmp_path).series[0].scored_from == warm_up


def test_a_part_without_labels_at_the_start_is_the_warm_up(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 1000, HOUR, unlabelled=100)
    series = read_labelled(tmp_path).series[0]
    assert series.scored_from == 100
    assert series.scored.sum() == 900


def test_gaps_are_not_scored(tmp_path: Path) -> None:
    rows = [f"{index * HOUR},1,0" for index in range(1000) if not 700 <= index < 710]
    (tmp_path / "a.csv").write_text("\n".join(["timestamp,value,label", *rows]))
    series = read_labelled(tmp_path).series[0]
    assert len(series.times) == 1000
    assert np.isnan(series.values).sum() == 10
    assert series.scored.sum() == 1000 - 360 - 10


def test_files_without_a_value_or_a_label_are_named(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", 100, HOUR)
    (tmp_path / "empty.csv").write_text("timestamp,value,label\n")
    (tmp_path / "hollow.csv").write_text("timestamp,value,label\n0,,1\n60,NaN,0\n")
    write(tmp_path / "plain.csv", 100, HOUR, unlabelled=100)
    found = read_labelled(tmp_path)
    assert [one.name for one in found.series] == ["a.csv"]
    assert found.left_out == (
        f"{tmp_path}/empty.csv: left out, no row of it has a value",
        f"{tmp_path}/hollow.csv: left out, no row of it has a value",
        f"{tmp_path}/plain.csv: left out, no row of it has a label",
    )


def test_a_folder_without_csv_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match="no CSV file in it"):
        read_labelled(tmp_path)


def test_what_is_wrong_with_all_files_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("timestamp,value,label\n60,high,0\n")
    (tmp_path / "b.csv").write_text("timestamp,value\n60,1\n")
    (tmp_path / "c.csv").write_bytes(b"timestamp,value,label\n60,1,0\n120,\xff,0\n")
    with pytest.raises(DataError) as error:
        read_labelled(tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == f"{tmp_path}/a.csv:2: value 'high' is not a number"
    assert lines[1].startswith(f"{tmp_path}/b.csv:1: no column label")
    assert lines[2].startswith(f"{tmp_path}/c.csv: not UTF-8")


def test_a_byte_order_mark_is_no_part_of_the_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufeffTimeStamp,Value,Label\n0,1,0\n60,2,0\n", encoding="utf-8")
    assert len(read_labelled(tmp_path).series) == 1


def test_the_cloud_set_takes_long_hourly_series_and_cuts_all(tmp_path: Path) -> None:
    write(tmp_path / "long.csv", 800, HOUR)
    write(tmp_path / "repeated.csv", 695, HOUR, repeated=5)  # 700 rows of 695 hours
    write(tmp_path / "short.csv", 699, HOUR)
    write(tmp_path / "minute.csv", 12 * 1440, MINUTE, anomalous=(7001,))
    cloud = read_cloud(tmp_path)
    lengths = [(one.name, len(one.times), one.scored_from) for one in (*cloud.hourly, *cloud.minute)]
    assert lengths == [("long.csv", 720, 360), ("repeated.csv", 695, 360), ("minute.csv", 3168, 1296)]
    assert np.flatnonzero(cloud.minute[0].anomalous).tolist() == [1400]


def write_nab(folder: Path, windows: dict[str, list[list[str]]]) -> None:
    (folder / "labels").mkdir()
    (folder / "labels" / "combined_windows.json").write_text(json.dumps(windows))


def test_nab_is_read_with_its_windows_and_probation(tmp_path: Path) -> None:
    write_nab(tmp_path, {"real/a.csv": [["1970-01-01 10:00:00.000000", "1970-01-01 11:00:00.000000"]]})
    (tmp_path / "data" / "real").mkdir(parents=True)
    rows = [f"{index * 300},{index}" for index in range(200) if index != 150]
    (tmp_path / "data" / "real" / "a.csv").write_text("\n".join(["timestamp,value", *rows, "59700,7"]))
    (one,) = read_nab(tmp_path)
    assert list(one.windows) == [(36_000, 39_600)]
    series = one.labelled_series()
    assert np.flatnonzero(series.anomalous).tolist() == list(range(120, 133))
    assert series.scored_from == 30
    assert not series.scored[150]
    # The last row took the slot of the one before it, whose score is none.
    by_row = one.by_row(np.arange(200.0))
    assert by_row[148:151].tolist() == [148, 149, 151]
    assert by_row[-1] == 199
    assert np.isnan(by_row[-2])


@pytest.mark.parametrize("content", ["[]", "{", '{"a.csv": [["yesterday", "today"]]}', '{"a.csv": [1]}'])
def test_windows_that_are_none_are_said(tmp_path: Path, content: str) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text(content)
    with pytest.raises(DataError, match=r"combined_windows\.json: not series with their windows"):
        read_nab(tmp_path)


def test_a_missing_file_of_nab_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingDataError, match=r"combined_windows\.json: No such file"):
        read_nab(tmp_path)
    write_nab(tmp_path, {"a.csv": []})
    with pytest.raises(MissingDataError, match=r"data/a\.csv: No such file"):
        read_nab(tmp_path)
