"""Dashboards as JSON files, and whether a folder holds exactly them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from specter_core.errors import SpecterError
from specter_dashboards.main_status import main_status
from specter_dashboards.normalise import normalise

DASHBOARDS: dict[str, Callable[[], Any]] = {"main-status": main_status}


def build(name: str) -> dict[str, Any]:
    """Return the dashboard called `name` (a key of `DASHBOARDS`) as Grafana stores it."""
    return normalise(json.loads(json.dumps(DASHBOARDS[name](), default=_plain)))


def _plain(value: Any) -> Any:
    """Return a grafanalib object as what JSON can hold; everything of it has this method."""
    return value.to_json_data()


def render() -> dict[str, str]:
    """Return every generated file: its name and its content."""
    return {f"{name}.json": f"{json.dumps(build(name), indent=2, sort_keys=True)}\n" for name in DASHBOARDS}


def write(folder: Path) -> list[Path]:
    """Write every file into `folder` and return their paths.

    Raises:
        SpecterError: the folder or a file cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in render().items():
            (folder / name).write_text(text, encoding="utf-8")
            written.append(folder / name)
    except OSError as error:
        raise SpecterError(f"cannot write {error.filename}: {error.strerror}") from error
    return written


def differences(folder: Path) -> list[str]:
    """Return what is wrong with `folder`, one line a file: missing, orphan or changed. Empty: nothing."""
    expected = render()
    found = {path.name for path in folder.iterdir() if path.is_file()} if folder.is_dir() else set()
    problems = [f"{folder / name}: missing" for name in sorted(expected.keys() - found)]
    orphans = sorted(found - expected.keys())
    problems += [f"{folder / name}: orphan, no generator writes it" for name in orphans]
    problems += [
        f"{folder / name}: differs from its generator"
        for name in sorted(expected.keys() & found)
        if (folder / name).read_text(encoding="utf-8") != expected[name]
    ]
    return problems
