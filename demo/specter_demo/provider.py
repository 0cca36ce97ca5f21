"""What is wrong with the payment provider, in a file that a fault changes."""

from pathlib import Path

from pydantic import Field
from pydantic.dataclasses import dataclass

from specter_demo.files import read_state, write_state


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
    return read_state(path, FINE)


def write_trouble(path: Path, trouble: Trouble) -> None:
    """Write `trouble` for the provider, which reads it at each charge."""
    write_state(path, trouble)
