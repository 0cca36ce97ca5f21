"""What docs/presets.md and docs/import.md say is what the code does."""

import json
import re
from pathlib import Path

from click.testing import CliRunner

from specter_detector import defaults
from specter_detector.cli import detector
from specter_detector.exclusion_reader import SETTLING, VERDICTS
from specter_detector.importers.promql_rules import TYPES
from specter_detector.importers.vmanomaly_models import ORDER, THRESHOLDS
from specter_detector.presets.catalogue import PRESETS
from specter_detector.presets.table import DIRECTIONS

ROOT = Path(__file__).parents[2]
PRESETS_PAGE = (ROOT / "docs/presets.md").read_text()
IMPORT_PAGE = (ROOT / "docs/import.md").read_text()


def test_the_page_ends_with_the_tables_of_the_code() -> None:
    # To renew them: specter detector presets --output markdown
    result = CliRunner().invoke(detector, ["presets", "--output", "markdown"])
    assert result.output.startswith("## http\n\n")
    assert PRESETS_PAGE[PRESETS_PAGE.index("## http\n") :] == result.output


def test_the_defaults_are_said() -> None:
    assert f"| `preset_budget.max_series` | `{defaults.PRESET_MAX_SERIES}` |" in PRESETS_PAGE
    assert f"| `preset_budget.max_query_seconds` | `{defaults.PRESET_MAX_QUERY_SECONDS:g}` |" in PRESETS_PAGE
    assert f"| {SETTLING / 60:.0f} minutes |" in PRESETS_PAGE
    assert all(f"`{verdict}`" in PRESETS_PAGE for verdict in VERDICTS)


def test_the_import_page_names_types_and_models_as_the_code_has_them() -> None:
    for kind, policy in TYPES.items():
        least = policy.get("min_dev_from_expected"), policy.get("min_rel_dev_from_expected")
        said = " and ".join(
            text
            for text in (f"{least[0]:g}" if least[0] else "", f"{least[1]:.0%}" if least[1] else "")
            if text
        )
        direction = DIRECTIONS[policy.get("detection_direction", "both")]
        assert re.search(
            rf"^\| `{kind}`.*\| `{kind}` \| {direction} \| {said} \|$", IMPORT_PAGE, re.MULTILINE
        )
    assert all(f"`{word}" in IMPORT_PAGE for word in ORDER if word not in {"quantile", "custom", ORDER[0]})
    named = set(re.findall(r"`(\w+)`", IMPORT_PAGE.split("| `z_threshold`")[1].split("|")[0])) | {
        "z_threshold"
    }
    assert named <= THRESHOLDS


def test_the_presets_can_be_listed() -> None:
    result = CliRunner().invoke(detector, ["presets", "node"])
    assert result.output.startswith(
        "node: hosts with node_exporter\n  node_cpu_used: CPU used (ratio); above, "
    )
    everything = json.loads(CliRunner().invoke(detector, ["presets", "--output", "json"]).output)
    assert list(everything) == list(PRESETS)
    assert everything["signin"][0]["query"] == "signin_attempt_rate"
    wrong = CliRunner().invoke(detector, ["presets", "nodes"])
    assert "not a preset: nodes; there are http, node, " in str(wrong.exception)
