"""What servers refuse: said when it begins or changes, and when it is over."""

import logging

from specter_detector.isolation import FRUITLESS, Isolation

LOGGER = logging.getLogger(__name__)
FRUITLESS_AGAIN = 6
"""The same for a job of whose last batch nothing was taken: both halves and all four quarters."""
HINTS = {
    "conflict": "another process writes the same series: stop one of them, or give each its own `shard`",
}


class Refusing:
    """Remembers, a job, what was refused of its newest batch."""

    def __init__(self) -> None:
        self._reasons: dict[str, frozenset[str]] = {}
        self._hopeless: set[str] = set()

    def patience(self, key: str) -> int:
        """Return how many refusals in a row are looked into before a batch of job `key` is given up."""
        return FRUITLESS_AGAIN if key in self._hopeless else FRUITLESS

    def refused(self, found: Isolation) -> None:
        """All that can be taken of a batch has been, and something was not."""
        key, reasons = found.batch.scheduler, frozenset(found.refused)
        (self._hopeless.discard if found.taken else self._hopeless.add)(key)
        if self._reasons.get(key) == reasons:
            return
        self._reasons[key] = reasons
        hints = "".join(f"; {HINTS[reason]}" for reason in sorted(reasons) if reason in HINTS)
        LOGGER.warning(
            "%d of %d samples refused, dropped: %s%s",
            sum(found.refused.values()), found.batch.samples, found.message, hints,
        )  # fmt: skip

    def taken(self, key: str) -> None:
        """A batch of job `key` was taken as a whole."""
        self._hopeless.discard(key)
        if self._reasons.pop(key, None) is not None:
            LOGGER.info("%s: the server takes all samples again", key)
