"""What is wrong with the payment provider, in a file that a fault changes."""

import json
import logging
from dataclasses import asdict
from pathlib import Path

from pydantic import Field
from pydantic.dataclasses import dataclass

from specter_demo.files import write_atomically

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong.

    Attributes:
        declined: share of the charges that are declined, 0 to 1.
        unanswered: share of the charges that get no answer in time, 0 to 1.
        away: whether it cannot be reached at all.
    """

    declined: float = Field(default=0.0, ge=0.0, le=1.0)
    unanswered: float = Field(default=0.0, ge=0.0, le=1.0)
    away: bool = False


FINE = Trouble()


def read_trouble(path: Path) -> Trouble:
    """Return what `path` says; `FINE` when there is no such file, or nothing of use in it."""
    try:
        return Trouble(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return FINE
    except (OSError, ValueError, TypeError) as error:  # a ValidationError is a ValueError
        logger.warning("%s: not what a provider's trouble looks like, ignored: %s", path, error)
        return FINE


def write_trouble(path: Path, trouble: Trouble) -> None:
    """Write `trouble` for the provider, which reads it at each charge."""
    write_atomically(path, json.dumps(asdict(trouble)) + "\n")
