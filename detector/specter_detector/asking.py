"""What a tick asks of the data source: the present of a query, and the ticks before that it has missed."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from specter_core.clock import align_down
from specter_detector.config import Query
from specter_detector.datasource import BrokenError, DatasourceError, SlowError, UnreachableError
from specter_detector.jobs import Job
from specter_detector.reader import SeriesReader
from specter_detector.series import History, Labels, Vector
from specter_detector.telemetry import Telemetry
from specter_detector.troubles import Troubles

LOGGER = logging.getLogger(__name__)
CATCH_UP = 3600.0
"""Seconds back to which missed ticks are made up for: without an out-of-order window Prometheus takes samples
that are at most about an hour older than its newest."""
MOST_TRIES = 3
"""Ticks in a row that may be put off because those before them cannot be had."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What there is of one query.

    Attributes:
        present: at the tick.
        missed: (Unix time (s), series) of each tick before it that no job has seen, oldest first. A tick of
            which the server has nothing is none: when the server itself was away, nothing is known, and
            that is no absence.
        due: the times (Unix s) of all ticks that should have been there.
        older: number of ticks that are too old to be made up for.
    """

    present: Vector
    missed: Sequence[tuple[float, Vector]] = ()
    due: frozenset[float] = frozenset()
    older: int = 0


class Asking:
    """Asks for all jobs of a query at once; queries may be asked in threads of their own."""

    def __init__(
        self, reader: SeriesReader, queries: Mapping[str, Query], troubles: Troubles, telemetry: Telemetry
    ) -> None:
        self._reader = reader
        self._queries = queries
        self._troubles = troubles
        self._telemetry = telemetry
        self._tries: dict[str, int] = {}

    def ask(self, jobs: Sequence[Job], at: float) -> Answer:
        """Return what the query of `jobs`, which share query and scheduler, has at Unix time `at` (s).

        Raises:
            UnreachableError: the data source is out of reach.
            SlowError, BrokenError: there is no answer now; the tick is to be made up for.
            DatasourceError: the query is refused.
        """
        alias = jobs[0].query.alias
        # Known series first: one that a new one pushed beyond the limit would look absent.
        known = frozenset[Labels]().union(*(job.known for job in jobs))
        present = self._present(alias, at, known)
        due, older = _behind(jobs, at)
        if not due:
            return Answer(present)
        missed = self._missed(alias, due, jobs[0].scheduler.infer_every, known)
        return Answer(present, missed, frozenset(due), older)

    def _present(self, alias: str, at: float, known: frozenset[Labels]) -> Vector:
        try:
            vector = self._reader.instant(self._queries[alias], at, known)
        except UnreachableError:
            self._telemetry.read(alias, "unreachable")
            raise
        except DatasourceError as error:
            self._telemetry.read(alias, "error")
            self._troubles.begins(alias, "query", str(error))
            raise
        self._troubles.ends(alias, "query")
        self._telemetry.read(alias, "ok" if vector.samples else "empty")
        if vector.cut:
            message = f"{vector.cut} series beyond max_series_per_query are not watched"
            self._troubles.begins(alias, "limit", message)
        else:
            self._troubles.ends(alias, "limit")
        return vector

    def _missed(
        self, alias: str, due: Sequence[float], interval: float, known: frozenset[Labels]
    ) -> Sequence[tuple[float, Vector]]:
        """Return what there was at the times `due`; nothing when that cannot be had."""
        try:
            history = self._reader.range(self._queries[alias], due[0], due[-1], interval, known)
        except UnreachableError:
            self._telemetry.read(alias, "unreachable")
            raise
        except DatasourceError as error:
            self._telemetry.read(alias, "error")
            self._troubles.begins(alias, "catching up", str(error))
            tries = self._tries[alias] = self._tries.get(alias, 0) + 1
            if isinstance(error, SlowError | BrokenError) and tries < MOST_TRIES:
                raise
            self._tries.pop(alias)
            LOGGER.warning("query %s: %d missed ticks are given up", alias, len(due))
            return ()
        self._tries.pop(alias, None)
        self._troubles.ends(alias, "catching up")
        missed = list(_vectors(history))
        LOGGER.info("query %s: %d of %d missed ticks are made up for", alias, len(missed), len(due))
        return missed


def _behind(jobs: Sequence[Job], at: float) -> tuple[list[float], int]:
    """Return the ticks before `at` that a job has not seen, and how many are too old to be asked for."""
    interval = jobs[0].scheduler.infer_every
    last = min((job.ticked for job in jobs if job.ticked is not None), default=at)
    count = max(0, round((at - align_down(last, interval)) / interval) - 1)
    late = min(count, int(CATCH_UP / interval))
    return [at - number * interval for number in range(late, 0, -1)], count - late


def _vectors(history: History) -> Iterator[tuple[float, Vector]]:
    """Yield the times at which there is any series, and those that there are."""
    known = np.isfinite(history.values)
    for column, at in enumerate(history.times.tolist()):
        rows = np.flatnonzero(known[:, column])
        if rows.size:
            values = history.values[rows, column].tolist()
            yield (
                at,
                Vector(
                    {history.labels[row]: value for row, value in zip(rows.tolist(), values, strict=True)}
                ),
            )
