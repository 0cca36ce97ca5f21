"""The configurations in the documentation are valid."""

import re
from pathlib import Path

import pytest

from specter_core.config import parse_config
from specter_exporters.logs.schema import LogsSchema

PAGE = Path(__file__).parents[3] / "docs" / "exporters-logs.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_valid(example: str) -> None:
    assert parse_config(example, LogsSchema, file="example").logs


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 2
