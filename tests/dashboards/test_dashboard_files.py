"""`specter dashboards`: what is committed is what is generated; grafanalib's output is normalised."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from specter_core.errors import SpecterError
from specter_core.generated import differences, write
from specter_dashboards.cli import dashboards
from specter_dashboards.layout import Line, Section, place
from specter_dashboards.normalise import normalise
from specter_dashboards.panels import row, stat
from specter_dashboards.writer import DASHBOARDS, build, render

GENERATED = Path(__file__).parents[2] / "dashboards" / "generated"


def test_committed_files_are_what_the_generators_write() -> None:
    assert differences(GENERATED, render()) == []


def test_generating_twice_gives_the_same_bytes() -> None:
    assert render() == render()


def test_every_file_says_that_it_is_generated() -> None:
    for text in render().values():
        assert "Written by `specter dashboards generate`" in json.loads(text)["description"]


def test_check_names_missing_orphaned_and_changed_files(tmp_path: Path) -> None:
    write(tmp_path, render())
    assert (
        CliRunner().invoke(dashboards, ["generate", "--check", "--output-dir", str(tmp_path)]).exit_code == 0
    )
    (tmp_path / "main-status.json").write_text("{}", encoding="utf-8")
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    assert differences(tmp_path, render()) == [
        f"{tmp_path}/old.json: orphan, no generator writes it",
        f"{tmp_path}/main-status.json: differs from its generator",
    ]
    result = CliRunner().invoke(dashboards, ["generate", "--check", "--output-dir", str(tmp_path)])
    assert isinstance(result.exception, SpecterError)
    assert result.exception.exit_code == 1


def test_the_command_prints_what_it_wrote(tmp_path: Path) -> None:
    result = CliRunner().invoke(dashboards, ["generate", "--output-dir", str(tmp_path)])
    assert result.output.splitlines() == [
        str(tmp_path / name)
        for name in ("main-status.json", "application.json", "business.json", "detector.json")
    ]


def nulls(value: Any, path: str = "") -> list[str]:
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in nulls(item, f"{path}.{key}")]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in nulls(item, f"{path}[{index}]")]
    return [path] if value is None else []


@pytest.mark.parametrize("name", DASHBOARDS)
def test_grafanalibs_legacy_is_gone(name: str) -> None:
    dashboard = build(name)
    assert dashboard["schemaVersion"] == 39
    assert dashboard["editable"] is False
    assert not set(dashboard) & {
        "rows",
        "style",
        "hideControls",
        "gnetId",
        "__inputs",
        "sharedCrosshair",
        "id",
    }
    assert [path for path in nulls(dashboard) if not path.endswith(".steps[0].value")] == []
    for panel in dashboard["panels"]:
        assert not set(panel) & {
            "span",
            "editable",
            "error",
            "cacheTimeout",
            "columns",
            "fontSize",
            "maxDataPoints",
        }
        for target in panel.get("targets", []):
            assert set(target) <= {
                "datasource",
                "editorMode",
                "exemplar",
                "expr",
                "format",
                "instant",
                "legendFormat",
                "range",
                "refId",
            }
            assert target["instant"] is not target["range"]
        if panel["type"] == "timeseries":
            assert panel["options"]["tooltip"]["mode"] == "multi"
            assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False


def bare(panel: dict[str, Any]) -> dict[str, Any]:
    return {"panels": [panel], "templating": {"list": []}, "schemaVersion": 12}


def test_normalise_sorts_thresholds_and_makes_the_first_open() -> None:
    steps = [
        {"color": "green", "index": 0, "op": "gt", "value": "null"},
        {"color": "red", "index": 1, "op": "gt", "value": 5},
        {"color": "yellow", "index": 2, "op": "gt", "value": 2},
    ]
    panel = {"type": "stat", "targets": [], "fieldConfig": {"defaults": {"thresholds": {"steps": steps}}}}
    result = normalise(bare(panel))["panels"][0]["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert result == [
        {"color": "green", "value": None},
        {"color": "yellow", "value": 2},
        {"color": "red", "value": 5},
    ]


def test_normalise_moves_a_tables_mappings_and_colour_to_where_grafana_looks() -> None:
    panel = {
        "type": "table",
        "targets": [],
        "mappings": [{"type": "value"}],
        "color": {"mode": "palette-classic"},
        "fieldConfig": {
            "defaults": {
                "custom": {"displayMode": "auto"},
                "thresholds": {"steps": [{"color": "blue", "value": "null"}]},
            }
        },
    }
    result = normalise(bare(panel))["panels"][0]
    assert set(result) == {"type", "targets", "fieldConfig"}
    defaults = result["fieldConfig"]["defaults"]
    assert defaults["mappings"] == [{"type": "value"}]
    assert defaults["color"] == {"mode": "palette-classic"}
    assert defaults["custom"] == {"cellOptions": {"type": "auto"}}


def test_normalise_keeps_a_chosen_number_of_points() -> None:
    thresholds = {"steps": [{"color": "blue", "value": "null"}]}
    panel = {
        "type": "stat",
        "targets": [],
        "maxDataPoints": 300,
        "fieldConfig": {"defaults": {"thresholds": thresholds}},
    }
    assert normalise(bare(panel))["panels"][0]["maxDataPoints"] == 300


def test_a_line_of_panels_fills_the_grid() -> None:
    one = stat("a", "b", [], unit="none", steps=(("blue", None),))
    placed = place([Section(row("r"), [Line(4, [one, one, one]), Line(2, [one])])])
    positions = [(p.gridPos.x, p.gridPos.y, p.gridPos.w, p.gridPos.h) for p in placed]
    assert positions == [(0, 0, 24, 1), (0, 1, 8, 4), (8, 1, 8, 4), (16, 1, 8, 4), (0, 5, 24, 2)]
    with pytest.raises(ValueError, match="5 panels do not fill 24 columns"):
        place([Section(row("r"), [Line(4, [one] * 5)])])
