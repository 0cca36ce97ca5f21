"""The import of series as blocks: exactly the values written, cut where Prometheus cuts."""

import json
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from specter_core.errors import SpecterError
from specter_demo.history.blocks import BLOCK_HOURS, import_blocks, pieces, write_openmetrics
from specter_demo.history.simulate import Array, Series, time_grid
from specter_stack.programs import find_program
from tests.servers.prometheus import running_prometheus

BLOCK = BLOCK_HOURS * 3600.0
# A border, so that tests can lie around it.
BORDER = 2900 * BLOCK


def test_the_history_is_cut_at_the_borders_of_blocks() -> None:
    times = time_grid(BORDER - 7200.0, BORDER + BLOCK + 3600.0, 600.0)
    parts = [times[rows] for rows in pieces(times)]
    assert [(part[0] - BORDER, part[-1] - BORDER) for part in parts] == [
        (-7200.0, -600.0),
        (0.0, BLOCK - 600.0),
        (BLOCK, BLOCK + 3000.0),
    ]
    assert np.concatenate(parts).tolist() == times.tolist()


def test_a_history_shorter_than_a_block_is_one_piece() -> None:
    assert pieces(time_grid(BORDER, BORDER + 60.0, 15.0)) == [slice(0, 4)]


@pytest.mark.integration
def test_imported_blocks_hold_exactly_the_values_written(tmp_path: Path) -> None:
    database = tmp_path / "prometheus" / "data"
    database.mkdir(parents=True)
    times = time_grid(BORDER - 600.0, BORDER + 600.0, 60.0)
    awkward = 'a "quoted" \\ path\nand a line'
    counted: Array = np.arange(len(times), dtype=np.float64) * np.float64(1.25)
    holes = counted.copy()
    holes[5:8] = np.nan
    series = [
        Series("demo:rate", {"route": awkward, "service": "shop"}, counted),
        Series("demo:ratio", {}, holes),
        Series("demo:rate", {"route": "/", "service": "shop"}, counted / 3.0),
    ]
    import_blocks(find_program("promtool"), database, times, series)

    metas = [json.loads(path.read_text()) for path in database.glob("*/meta.json")]
    spans = sorted((meta["minTime"] / 1000, meta["maxTime"] / 1000) for meta in metas)
    assert [start for start, _ in spans] == [BORDER - 600.0, BORDER]
    assert spans[0][1] <= BORDER
    assert [path.name for path in tmp_path.iterdir()] == ["prometheus"]
    assert sorted(path.name for path in database.parent.iterdir()) == ["data"]
    with running_prometheus(tmp_path / "prometheus") as prometheus:
        rows = prometheus.query("{__name__=~'demo:.*'}[2h]", at=BORDER + 3600.0)
        found: dict[tuple[str, str | None], Any] = {
            (row["metric"]["__name__"], row["metric"].get("route")): row["values"]  # type: ignore[attr-defined, index]
            for row in rows
        }
    stored = {key: [(at, float(text)) for at, text in values] for key, values in found.items()}
    assert stored == {
        ("demo:rate", awkward): list(zip(times, counted, strict=True)),
        ("demo:rate", "/"): [(at, float(f"{v:.6g}")) for at, v in zip(times, counted / 3.0, strict=True)],
        ("demo:ratio", None): [(t, v) for t, v in zip(times, holes, strict=True) if not np.isnan(v)],
    }


def test_openmetrics_groups_families_and_keeps_milliseconds(tmp_path: Path) -> None:
    file = tmp_path / "history.om"
    times = np.array([1000.0, 1000.25])
    series = [
        Series("b", {"z": "1", "a": "2"}, np.array([1.0, np.nan])),
        Series("a", {}, np.array([0.0, 1 / 60])),
        Series("b", {"z": "2"}, np.array([np.nan, 123456.0])),
    ]
    write_openmetrics(file, times, series)
    assert file.read_text(encoding="utf-8").splitlines() == [
        "# TYPE a gauge",
        "a{} 0 1000",
        "a{} 0.0166667 1000.25",
        "# TYPE b gauge",
        'b{a="2",z="1"} 1 1000',
        'b{z="2"} 123456 1000.25',
        "# EOF",
    ]


def fake_promtool(folder: Path, script: str) -> Path:
    path = folder / "promtool"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'no space left on device' >&2; exit 1", "no space left on device"),
        ("echo 'on standard output'; exit 2", "on standard output"),
        ("exit 3", "exit code 3"),
    ],
)
def test_promtools_refusal_is_quoted_and_nothing_is_left_over(tmp_path: Path, script: str, said: str) -> None:
    database = tmp_path / "state" / "prometheus"
    database.mkdir(parents=True)
    times = time_grid(BORDER - 30.0, BORDER + 30.0, 15.0)
    series = [Series("demo:rate", {}, np.ones(len(times)))]
    with pytest.raises(SpecterError, match=f"^promtool cannot import the history: {said}$"):
        import_blocks(fake_promtool(tmp_path, script), database, times, series)
    assert [path.name for path in database.parent.iterdir()] == ["prometheus"]


def test_a_promtool_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "prometheus").mkdir()
    times = time_grid(BORDER, BORDER + 30.0, 15.0)
    with pytest.raises(SpecterError, match=r"the history cannot be written to .*history-import"):
        import_blocks(
            tmp_path / "nothing", tmp_path / "prometheus", times, [Series("demo:rate", {}, np.ones(2))]
        )
    assert [path.name for path in tmp_path.iterdir()] == ["prometheus"]


@pytest.mark.integration
def test_what_a_killed_import_left_behind_goes(tmp_path: Path) -> None:
    database = tmp_path / "prometheus"
    (tmp_path / "history-import").mkdir()
    (tmp_path / "history-import" / "0.om").write_text("half a file")
    times = time_grid(BORDER, BORDER + 30.0, 15.0)
    import_blocks(find_program("promtool"), database, times, [Series("demo:rate", {}, np.ones(2))])
    assert [path.name for path in tmp_path.iterdir()] == ["prometheus"]
    assert len(list(database.glob("*/meta.json"))) == 1
