"""Which plan each statement had, kept over restarts of the exporter."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specter_core.files import replace_file

logger = logging.getLogger(__name__)
FORMAT = 1
Remembered = Mapping[int, tuple[str, int]]
"""(hash of the plan, changes counted) by the statement's queryid."""


class PlanFile:
    """A file of one server; what cannot be read or written costs the memory, and is logged once.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failing = False

    def load(self) -> Remembered:
        """Return what was saved last; nothing if that is not known."""
        try:
            return _plans(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("%s: cannot be used, changes are counted anew: %s", self._path, error)
            return {}

    def save(self, plans: Remembered) -> None:
        """Replace what was saved."""
        rows = [
            {"statement": statement, "plan": plan, "changes": changes}
            for statement, (plan, changes) in plans.items()
        ]
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self._path, [json.dumps({"format": FORMAT, "plans": rows}).encode()], durable=False)
        except OSError as error:
            if not self._failing:
                logger.warning("%s: cannot be written: %s", self._path, error.strerror)
            self._failing = True
        else:
            self._failing = False


def _plans(saved: Any) -> Remembered:
    """Return what a file says.

    Raises:
        ValueError, KeyError, TypeError: it is none of ours.
    """
    if saved["format"] != FORMAT:
        raise ValueError(f"format {saved['format']}")
    return {int(each["statement"]): (str(each["plan"]), int(each["changes"])) for each in saved["plans"]}
