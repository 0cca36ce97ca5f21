"""Read a foreign YAML file, and write ours."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from specter_core.config import ConfigError, Problem, parse_config
from specter_core.errors import SpecterError
from specter_detector.config import resolve
from specter_detector.importers.notes import Imported, Note
from specter_detector.schema import DetectorSchema

Kind = Literal["vmanomaly", "promql-anomaly-detection"]


class ForeignFileError(SpecterError):
    """The file cannot be imported."""

    exit_code = 2


def load(path: Path) -> dict[str, Any]:
    """Return the mapping that the YAML file holds.

    Raises:
        ForeignFileError: it cannot be read, or is no mapping.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ForeignFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = path if line is None else f"{path}:{line + 1}"
        raise ForeignFileError(f"{where}: is not valid YAML") from error
    if not isinstance(document, dict):
        raise ForeignFileError(f"{path}: expected a mapping")
    return document


def kind_of(document: Mapping[str, Any]) -> Kind | None:
    """Return whose file `document` is; None if nobody can tell."""
    if "groups" in document:
        return "promql-anomaly-detection"
    if {"reader", "models", "model", "scheduler", "schedulers"} & document.keys():
        return "vmanomaly"
    return None


def section(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the mapping at `key`; an empty one where there is none."""
    value = document.get(key)
    return value if isinstance(value, dict) else {}


def alias_of(name: object, taken: Mapping[str, object]) -> str:
    """Return `name` as an alias of ours that is not in `taken`: letters, digits, `_` and `-`, 64 at most."""
    text = re.sub(r"[^a-zA-Z0-9_\-]+", "_", str(name)).strip("_") or "query"
    text = text if re.match(r"[a-zA-Z_]", text) else f"_{text}"
    alias, number = text[:60], 2
    while alias in taken:
        alias, number = f"{text[:56]}_{number}", number + 1
    return alias


def rendered(imported: Imported, source: str) -> str:
    """Return our YAML file, checked, with what has no counterpart as a comment on top.

    Raises:
        ForeignFileError: what came of the import is no valid configuration.
    """
    lines = [f"# Imported by `specter detector import` from {one_line(source)}."]
    if imported.notes:
        lines.append("# Not taken over as it was:")
        lines += [f"#   {one_line(str(note))}" for note in imported.notes]
    text = "\n".join(lines) + "\n" + dump(imported.document)
    try:
        resolve(parse_config(text, DetectorSchema, file=f"{source} (imported)"))
    except ConfigError as error:
        raise ForeignFileError(_unusable(error.problems, imported.notes)) from error
    return text


def dump(document: Mapping[str, Any]) -> str:
    """Return `document` as YAML, in its order."""
    return yaml.safe_dump(dict(document), sort_keys=False, allow_unicode=True, width=110)


def one_line(text: str) -> str:
    """Return `text` without anything that would end a comment."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _unusable(problems: list[Problem], notes: list[Note]) -> str:
    lines = ["what came of the import is not valid here:"]
    lines += [f"  {problem.path}: {problem.message}" for problem in problems]
    return "\n".join([*lines, *(f"  noted: {note}" for note in notes)])
