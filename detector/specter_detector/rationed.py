"""What is worth a line in the log now: not the same again so soon, and a few at a time."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


class Rationed(Generic[Key]):
    """Chooses what to tell: a log is no place for storms.

    Args:
        quiet_for: seconds in which the same is not told again.
        most: how many are told at a time.
    """

    def __init__(self, quiet_for: float, most: int) -> None:
        self._quiet_for = quiet_for
        self._most = most
        self._told: dict[Key, float] = {}

    def choose(self, at: float, scores: Iterable[tuple[Key, float]]) -> list[Key]:
        """Return what to tell at Unix time `at` (s), the highest of `scores` first."""
        self._told = {key: told for key, told in self._told.items() if at - told < self._quiet_for}
        new = [(key, score) for key, score in scores if key not in self._told]
        chosen = [key for key, _ in sorted(new, key=lambda each: -each[1])[: self._most]]
        self._told |= dict.fromkeys(chosen, at)
        return chosen
