"""Durations as people write them in options and configurations, with a unit or without."""

import pytest
from click.testing import CliRunner
from pydantic import TypeAdapter

from specter_core.durations import parse_seconds
from specter_exporters.logs.schema import Seconds
from specter_exporters.run.command import run


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (300, 300.0),
        (0.5, 0.5),
        ("300", 300.0),
        ("1.5", 1.5),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("1h30m", 5400.0),
        ("1w", 604_800.0),
        (0, 0.0),
    ],
)
def test_exporters_and_the_wrapper_take_the_same_durations(text: object, seconds: float) -> None:
    assert parse_seconds(text) == seconds
    assert TypeAdapter[float](Seconds).validate_python(text) == seconds
    done = CliRunner().invoke(run, ["--job", "x", "--wait", str(text)])
    assert "name the job, and the command behind --" in str(done.exception), "the option is right"


@pytest.mark.parametrize(
    "text",
    ["", "soon", "5 m", "-5", -5, "1m30", "nan", float("nan"), float("inf"), "9" * 400, True, None, "\u0663"],
)
def test_what_is_no_duration_is_refused_by_all_of_them(text: object) -> None:
    with pytest.raises(ValueError, match="expected seconds, or a duration such as 500ms"):
        parse_seconds(text)
    with pytest.raises(ValueError, match="expected seconds, or a duration such as 500ms"):
        TypeAdapter[float](Seconds).validate_python(text)
