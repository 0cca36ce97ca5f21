"""Damaged, cut, foreign and older history files: never a wrong value, one line in the log, a fresh start."""

from pathlib import Path

import numpy as np
import pytest

from specter_detector.series import History
from specter_detector.store.geometry import HEADER, Geometry
from specter_detector.store.ring import Ring
from tests.detector.store.plain_history import STEP, gap_columns, series

CAPACITY, SERIES, FIRST, LAST = 24, 40, 1000, 1019


def opened(folder: Path) -> Ring:
    return Ring.open(folder, "history", step=STEP, capacity=CAPACITY, identity="load")


def value(number: int, column: int) -> float:
    return column + number / 1000


def filled(folder: Path) -> None:
    """Leave a history of `SERIES` series, each value telling where it belongs."""
    ring = opened(folder)
    for column in range(FIRST, LAST + 1):
        ring.append(column * STEP, {series(number): value(number, column) for number in range(SERIES)})
    ring.close()


def assert_right_or_gap(ring: Ring) -> int:
    """Compare what is there, and return how many columns have to be fetched again."""
    history = ring.history(FIRST * STEP, LAST * STEP)
    gaps = set(gap_columns(ring, FIRST, LAST))
    for labels, row in zip(history.labels, history.values.tolist(), strict=True):
        number = int(labels[1][1].removeprefix("pod-"))
        for column, got in zip(range(FIRST, LAST + 1), row, strict=True):
            assert got == value(number, column) or (np.isnan(got) and column in gaps)
    if ring.labels:
        assert set(ring.labels) == {series(number) for number in range(SERIES)}
    return len(gaps)


def places(size: int, count: int) -> list[int]:
    """Return offsets in all parts: the header, each block's header and table, the cells."""
    rng = np.random.default_rng(0)
    geometry = Geometry(CAPACITY)
    found = [0, 9, 15, 40, 150, HEADER - 1]
    for number in range(4):
        begin = geometry.file_bytes(number)
        found += [begin, begin + 20, begin + 27]
        found += [begin + 4096 + int(each) for each in rng.integers(0, geometry.table, count)]
        cells = geometry.file_bytes(number + 1) - begin - geometry.cells()
        found += [begin + geometry.cells() + int(each) for each in rng.integers(0, min(cells, 20_000), count)]
    return [place for place in found if place < size]


def test_whatever_byte_is_damaged_no_value_is_wrong(tmp_path: Path) -> None:
    filled(tmp_path)
    file = tmp_path / "history.ring"
    good, labels = file.read_bytes(), (tmp_path / "history.labels").read_bytes()
    outcomes = {"untouched": 0, "a column": 0, "all": 0}
    for place in places(len(good), 60):
        damaged = bytearray(good)
        damaged[place] ^= 1 << (place % 8)
        file.write_bytes(damaged)
        (tmp_path / "history.labels").write_bytes(labels)
        ring = opened(tmp_path)
        lost = assert_right_or_gap(ring)
        outcomes[{0: "untouched", 1: "a column", LAST - FIRST + 1: "all"}[lost]] += 1
        if lost == 1:
            refill(ring)
            assert assert_right_or_gap(ring) == 0
        ring.close()
    assert outcomes["a column"] > 50
    assert outcomes["all"] > 5


def refill(ring: Ring) -> None:
    """Fetch what lacks, as the detector does."""
    for begin, end in ring.gaps(FIRST * STEP, LAST * STEP):
        columns = np.arange(round(begin / STEP), round(end / STEP) + 1)
        values = np.array([[value(number, int(column)) for column in columns] for number in range(SERIES)])
        names = tuple(series(number) for number in range(SERIES))
        ring.write(History(np.asarray(columns * STEP, np.float64), names, values))


@pytest.mark.parametrize("name", ["history.ring", "history.labels"])
def test_wherever_a_file_is_cut_no_value_is_wrong_and_no_series_is_forgotten_silently(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    filled(tmp_path)
    contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
    whole = contents[tmp_path / name]
    cuts = np.random.default_rng(1).integers(0, len(whole), 60).tolist()
    cuts += [0, 1, whole.find(b"\n") + 1, *(HEADER, Geometry(CAPACITY).file_bytes(1), len(whole) - 1)]
    for cut in (cut for cut in cuts if cut < len(whole)):
        for path, content in contents.items():
            path.write_bytes(content)
        (tmp_path / name).write_bytes(whole[:cut])
        caplog.clear()
        ring = opened(tmp_path)
        assert assert_right_or_gap(ring) == LAST - FIRST + 1
        assert f"{tmp_path / 'history.ring'}: " in caplog.text
        ring.close()
    for kind in ("history.ring.corrupt-*", "history.labels.corrupt-*"):
        assert 1 <= len(list(tmp_path.glob(kind))) <= 3


def test_whatever_byte_of_the_labels_is_damaged_no_series_gets_another_s_values(tmp_path: Path) -> None:
    filled(tmp_path)
    contents = {path: path.read_bytes() for path in tmp_path.iterdir()}
    whole = contents[tmp_path / "history.labels"]
    for place in np.random.default_rng(2).integers(0, len(whole), 120).tolist():
        for path, content in contents.items():
            path.write_bytes(content)
        damaged = bytearray(whole)
        damaged[place] ^= 1 << (place % 8)
        (tmp_path / "history.labels").write_bytes(damaged)
        ring = opened(tmp_path)
        assert assert_right_or_gap(ring) in (0, LAST - FIRST + 1)
        ring.close()


def test_an_older_version_is_set_aside_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    filled(tmp_path)
    file = tmp_path / "history.ring"
    content = bytearray(file.read_bytes())
    content[8] = 0
    file.write_bytes(content)
    ring = opened(tmp_path)
    assert ring.newest is None
    names = sorted(path.name for path in tmp_path.glob("*.corrupt-*"))
    assert [name.partition(".corrupt-")[0] for name in names] == ["history.labels", "history.ring"]
    reason = "it has format 0, and this is a Specter for format 1"
    assert [record.getMessage() for record in caplog.records] == [
        f"{file}: {reason}; set aside as {names[1]}, and begun anew"
    ]


def test_labels_of_another_file_are_not_believed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        filled(tmp_path / name)
    (tmp_path / "one" / "history.labels").replace(tmp_path / "two" / "history.labels")
    ring = opened(tmp_path / "two")
    assert assert_right_or_gap(ring) == LAST - FIRST + 1


def test_a_crash_while_a_file_was_made_leaves_nothing_odd(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "history.ring.new").write_bytes(b"half")
    (tmp_path / "history.labels").write_bytes(b"of one that was never made\n")
    filled(tmp_path)
    ring = opened(tmp_path)
    assert assert_right_or_gap(ring) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["history.labels", "history.ring"]
    assert caplog.text == ""
