"""Small state files that other processes read at any moment."""

import json
import logging
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    State = TypeVar("State", bound=DataclassInstance)

logger = logging.getLogger(__name__)


def write_atomically(path: Path, text: str) -> None:
    """Replace the content of `path`: a reader sees the old text or the new, never half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(path)


def read_state(path: Path, usual: "State") -> "State":
    """Return what `path` says, a dataclass of the kind of `usual`.

    It is `usual` where there is no such file, or nothing of use in it: what a fault writes must not end who
    reads it.
    """
    kind = type(usual)
    try:
        return kind(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return usual
    except (OSError, ValueError, TypeError) as error:  # a ValidationError is a ValueError
        logger.warning("%s: not what a %s looks like, ignored: %s", path, kind.__name__, error)
        return usual


def write_state(path: Path, state: "DataclassInstance") -> None:
    """Write the dataclass `state` for those who read it with `read_state`."""
    write_atomically(path, json.dumps(asdict(state)) + "\n")
