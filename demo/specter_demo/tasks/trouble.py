"""What is wrong with the queue's workers, in a file that a fault changes."""

from pydantic import Field
from pydantic.dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueueTrouble:
    """What is wrong.

    Attributes:
        seconds: how much longer each task takes.
        away: whether the worker is killed.
    """

    seconds: float = Field(default=0.0, ge=0.0, le=60.0)
    away: bool = False


WORKING = QueueTrouble()
