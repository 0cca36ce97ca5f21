"""Where a detector remembers: a data folder, or memory where there is none."""

import logging
from collections.abc import Iterable
from pathlib import Path

from specter_detector.config import Query
from specter_detector.jobs import Job
from specter_detector.store.checkpoint import Learnt, restored, save_learnt
from specter_detector.store.errors import StoreError
from specter_detector.store.folder import DataFolder, folder_name
from specter_detector.store.history import open_history
from specter_detector.store.ring import Ring

LOGGER = logging.getLogger(__name__)
DAY = 86400.0
MARGIN = 16
"""Columns more than a fit reads: ticks write while it does."""
CHURN = 4
"""Times as many series as a query may return have room in its history: those that vanished, too."""
KEPT = 28 * DAY
"""Seconds for which the folder of a query that is not configured any more is kept."""


class Storage:
    """Histories and what has been learnt, by query and job.

    Args:
        folder: None for memory alone, which lasts as long as this object.
    """

    def __init__(self, folder: DataFolder | None) -> None:
        self._folder = folder
        self._learnt: dict[str, Learnt] = {}
        self._rings: dict[str, tuple[tuple[int, int], Ring]] = {}
        self._failing = False

    @property
    def path(self) -> Path | None:
        """The folder, None for memory."""
        return None if self._folder is None else self._folder.path

    def ring(self, query: Query, seconds: float) -> Ring:
        """Return the history of a query, at least `seconds` long; in memory where the disk refuses.

        It belongs to the storage, and the next detector gets the same one.
        """
        capacity = int(seconds / query.step) + MARGIN
        most = CHURN * query.max_series
        name = folder_name(query.alias, _identity(query))
        known = self._rings.get(name)
        if known is None or known[0] != (capacity, most):
            if known is not None:  # the same file, of another size
                known[1].close()
            self._rings[name] = (capacity, most), self._open(query, name, capacity, most)
        return self._rings[name][1]

    def _open(self, query: Query, name: str, capacity: int, most: int) -> Ring:
        if self._folder is None:
            return Ring.in_memory(name, step=query.step, capacity=capacity, max_series=most)
        try:
            return open_history(
                self._folder.query(query.alias, _identity(query)),
                "history",
                step=query.step,
                capacity=capacity,
                identity=_identity(query),
                max_series=most,
            )
        except StoreError as error:
            LOGGER.warning("the history of query %s is kept in memory alone: %s", query.alias, error)
            return Ring.in_memory(name, step=query.step, capacity=capacity, max_series=most)

    def sweep(self, queries: Iterable[Query], now: float) -> None:
        """Remove what is left of queries that have not been configured for weeks, at Unix time `now` (s)."""
        if self._folder is None:
            return
        try:
            used = [self._folder.query(query.alias, _identity(query)) for query in queries]
            self._folder.sweep(used, now, KEPT)
        except StoreError as error:
            LOGGER.warning("what is left of old queries is not removed: %s", error)

    def load(self, job: Job) -> Learnt | None:
        """Return what `job` had learnt, None where it is not known or was learnt under other options."""
        if self._folder is None:
            return self._learnt.get(f"{job.key}\n{_options(job)}")
        try:
            return restored(self._file(job), _options(job), round(DAY / job.query.step))
        except StoreError as error:
            LOGGER.warning("query %s begins anew: %s", job.query.alias, error)
            return None

    def save(self, job: Job, learnt: Learnt) -> bool:
        """Keep what `job` has learnt; returns False, and says so once, where the disk refuses."""
        if self._folder is None:
            self._learnt[f"{job.key}\n{_options(job)}"] = learnt
            return True
        try:
            save_learnt(self._file(job), learnt, _options(job))
        except StoreError as error:
            if not self._failing:
                LOGGER.warning("what has been learnt is not saved: %s", error)
            self._failing = True
            return False
        if self._failing:
            LOGGER.info("what has been learnt is saved again")
        self._failing = False
        return True

    def close(self) -> None:
        """Let another process have the folder."""
        for _, ring in self._rings.values():
            ring.close()
        if self._folder is not None:
            self._folder.close()

    def _file(self, job: Job) -> Path:
        assert self._folder is not None  # noqa: S101
        folder = self._folder.query(job.query.alias, _identity(job.query))
        return folder / f"{job.scheduler.alias}.{job.model.alias}.learnt"


def _identity(query: Query) -> str:
    """Return what makes values of a query belong together."""
    return f"{query.expr}\n{query.step:g}\n{query.offset:g}\n{query.max_age:g}"


def _options(job: Job) -> str:
    """Return what decides what a state means."""
    options = job.options
    return f"{options.kind} {options.step:g} {options.tz} {options.holidays}"
