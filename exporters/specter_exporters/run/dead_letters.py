"""Runs that failed for good: what was to be run, what came of each attempt, and the end of the output."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from specter_core.errors import SpecterError
from specter_core.files import replace_file

logger = logging.getLogger(__name__)

SUFFIX = ".json"
LIMIT = 100  # of one job


class Attempt(NamedTuple):
    """One attempt: when it began (Unix seconds), how long it took (s), its exit code, and that in words."""

    at: float
    seconds: float
    code: int
    why: str


class DeadLetter(NamedTuple):
    """A run that failed for good.

    Attributes:
        job: its name.
        run_id: its UUID.
        at: when it ended, Unix seconds.
        command: with its secrets masked.
        complete: whether nothing in `command` had to be masked, so that it can be run again.
        folder: it was run in.
        attempts: all of them.
        tail: the end of the output, secrets masked.
    """

    job: str
    run_id: str
    at: float
    command: Sequence[str]
    complete: bool
    folder: str
    attempts: Sequence[Attempt]
    tail: str

    @property
    def id(self) -> str:
        """What it is called in commands."""
        return f"{self.job}.{self.run_id[:8]}"


class DeadLetters:
    """The folder of them.

    Args:
        folder: is made when the first comes.
        limit: so many of a job are kept: of more, the oldest are dropped.
    """

    def __init__(self, folder: Path, *, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit

    def add(self, letter: DeadLetter) -> None:
        """Keep `letter`.

        Raises:
            OSError: it cannot be written.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fields = letter._asdict() | {"attempts": [attempt._asdict() for attempt in letter.attempts]}
        replace_file(
            self._folder / f"{round(letter.at * 1e6):017d}.{letter.id}{SUFFIX}",
            # Arguments need not be UTF-8; so written, `json.loads` has them back.
            [json.dumps(fields, indent=1, ensure_ascii=False).encode("utf-8", "surrogatepass")],
        )
        mine = [path for path in self._paths() if path.name.split(".")[1] == letter.job]
        for path in mine[: -self._limit]:
            path.unlink(missing_ok=True)

    def all(self) -> list[DeadLetter]:
        """Return all that can be read, the oldest first; log of the others why they cannot."""
        letters = []
        for path in self._paths():
            try:
                letters.append(_read(path))
            except SpecterError as error:
                logger.warning("%s", error)
        return letters

    def find(self, name: str) -> DeadLetter:
        """Return the one that is called `name`.

        Raises:
            SpecterError: there is none, or it cannot be read.
        """
        return _read(self._path(name))

    def forget(self, name: str) -> None:
        """Remove the one that is called `name`.

        Raises:
            SpecterError: there is none.
        """
        self._path(name).unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob(f"*{SUFFIX}"))

    def _path(self, name: str) -> Path:
        for path in self._paths():
            if path.name.partition(".")[2] == name + SUFFIX:
                return path
        raise SpecterError(
            f"no dead letter is called {name}; `specter run dead-letters list` shows which are"
        )


def _read(path: Path) -> DeadLetter:
    try:
        fields = json.loads(path.read_bytes())
        attempts = [Attempt(**attempt) for attempt in fields.pop("attempts")]
        return DeadLetter(**fields, attempts=attempts)
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "not a dead letter"
        raise SpecterError(f"{path}: {reason}") from error
