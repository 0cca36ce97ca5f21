"""Where a detector remembers: a folder, or memory where there is none."""

import logging
from hashlib import blake2b
from pathlib import Path

from specter_detector.config import Query
from specter_detector.jobs import Job, Learnt
from specter_detector.store.errors import StoreError
from specter_detector.store.ring import Ring

LOGGER = logging.getLogger(__name__)
MARGIN = 16
"""Columns more than a fit reads: ticks write while it does."""
CHURN = 4
"""Times as many series as a query may return have room in its history: those that vanished, too."""


class Storage:
    """Histories and what has been learnt, by query and job.

    Args:
        folder: where, None for memory alone.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._learnt: dict[str, Learnt] = {}
        self._rings: dict[str, Ring] = {}

    def ring(self, query: Query, seconds: float) -> Ring:
        """Return the history of a query, at least `seconds` long."""
        capacity = int(seconds / query.step) + MARGIN
        identity = f"{query.expr}\n{query.step}\n{query.offset}\n{query.max_age}\n{capacity}"
        digest = blake2b(f"{query.alias}\n{identity}".encode(), digest_size=6).hexdigest()
        name = f"{query.alias}-{digest}"
        most = CHURN * query.max_series
        if self._folder is None:
            return self._rings.setdefault(
                name, Ring.in_memory(name, step=query.step, capacity=capacity, max_series=most)
            )
        folder = self._folder / "history"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return Ring.open(
                folder, name, step=query.step, capacity=capacity, identity=identity, max_series=most
            )
        except StoreError as error:
            LOGGER.warning("history of query %s is kept in memory alone: %s", query.alias, error)
            return Ring.in_memory(name, step=query.step, capacity=capacity, max_series=most)

    def load(self, job: Job) -> Learnt | None:
        return self._learnt.get(job.key)

    def save(self, job: Job, learnt: Learnt) -> bool:
        self._learnt[job.key] = learnt
        return True
