"""What a fit of many series is, and how it is cut into batches for whoever computes them (`pools`)."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from prometheus_client import CollectorRegistry

from specter_core.errors import SpecterError
from specter_detector.models.arrays import Bools, Floats, Ints
from specter_detector.models.fit import FitOptions, Fitted, fit
from specter_detector.telemetry import Telemetry

LOGGER = logging.getLogger(__name__)
FIT_TIMEOUT = 120.0
FIRST_BATCH = {"seasonal": 64, "stl": 16, "mstl": 16}
LARGEST_BATCH = {"seasonal": 512, "stl": 16, "mstl": 16}
"""Series at once. A replay takes little longer for hundreds than for one, but nothing is scored before its
end: so batches double. The reference takes a tenth of a second a series and refit."""
STOPPING = "the detector is stopping"


class FitError(SpecterError):
    """Who computes died or did not answer."""


@dataclass(frozen=True, slots=True, eq=False)
class FitRequest:
    """Series to be fitted.

    Attributes:
        times: (n,) Unix seconds.
        values: gives (rows, n) of some rows, NaN where nothing is known; called batch by batch, so that weeks
            of all series are never in memory together.
        options: how to fit.
        known: rows of which the shape is learnt.
        new: rows of which the state is wanted too; they come first.
        limits: (series,) where each ends, NaN for nowhere; None where that is not known.
        excluded: gives (rows, n) samples of some rows that must not be learnt from; None for none.
    """

    times: Floats
    values: Callable[[Ints], Floats]
    options: FitOptions
    known: Ints
    new: Ints
    limits: Floats | None = None
    excluded: Callable[[Ints], Bools | None] | None = None


class Fitter(Protocol):
    """Runs `models.fit.fit` on many series."""

    def fit_all(self, request: FitRequest) -> Iterator[tuple[Ints, Fitted]]:
        """Yield rows and what was learnt of them, batch by batch."""

    def close(self) -> None:
        """Give back what it runs on."""


class Pool(Protocol):
    """Runs functions somewhere else."""

    workers: int
    executor: str

    def submit(self, function: Callable[..., Fitted], /, *args: object, **kwargs: object) -> "Future[Fitted]":
        """Start a call.

        Raises:
            BrokenExecutor: it died; a later call may work.
            OSError: it is out of reach.
        """

    def replace(self, *, kill: bool) -> None:
        """Start anew; `kill` ends a call that hangs."""

    def close(self) -> None:
        """End everything, also what is being computed."""


class PoolFitter:
    """Fits batch by batch in a pool, one batch more than it has workers in flight.

    Args:
        pool: where.
        timeout: seconds for one batch.
        telemetry: counts workers and restarts.
    """

    def __init__(self, pool: Pool, timeout: float = FIT_TIMEOUT, telemetry: Telemetry | None = None) -> None:
        self.timeout = timeout
        self._telemetry = telemetry or Telemetry(CollectorRegistry())
        self._pool = pool
        self._closed = False

    def fit_all(self, request: FitRequest) -> Iterator[tuple[Ints, Fitted]]:
        """Yield the rows of each batch and what was learnt of them as soon as it is there.

        Raises:
            FitError: the pool died, one batch took longer than the time-out,
                or not one series could be fitted without an error.
        """
        fitted = 0
        waiting = [
            *_batches(request.new, request.options, True),
            *_batches(request.known, request.options, False),
        ]
        running: list[_Running] = []
        while waiting or running:
            while waiting and len(running) <= self._pool.workers:
                running.append(self._submit(request, waiting.pop(0)))
            for rows, result in self._results(request, running.pop(0)):
                fitted += len(rows)
                yield rows, result
        total = request.known.size + request.new.size
        if not fitted and total:
            raise FitError(f"none of {total} series could be fitted; the log says why")

    def close(self) -> None:
        """End the pool, whatever it is doing."""
        self._closed = True
        self._pool.close()

    def _submit(self, request: FitRequest, batch: "_Batch") -> "_Running":
        if self._closed:
            raise FitError(STOPPING)
        rows = batch.rows
        try:
            future = self._pool.submit(
                fit,
                request.times,
                request.values(rows),
                request.options,
                with_state=batch.with_state,
                limits=None if request.limits is None else request.limits[rows],
                excluded=None if request.excluded is None else request.excluded(rows),
            )
        except BrokenExecutor as error:
            raise self._died(error) from error
        except OSError as error:
            self._telemetry.fit_workers(self._pool.executor, 0)
            raise FitError(f"who computes fits is out of reach: {error}") from error
        self._telemetry.fit_workers(self._pool.executor, self._pool.workers)
        return _Running(batch, future)

    def _results(self, request: FitRequest, running: "_Running") -> Iterator[tuple[Ints, Fitted]]:
        """Yield what came of a batch; one that raised is halved until the odd series are alone."""
        error = self._error(running.future)
        batch = running.batch
        if error is None:
            yield batch.rows, running.future.result()
        elif len(batch.rows) == 1:
            # One odd series must not cost the others their models.
            LOGGER.warning("a series cannot be fitted: %s: %s", type(error).__name__, error)
        else:
            for rows in np.array_split(batch.rows, 2):
                yield from self._results(request, self._submit(request, _Batch(rows, batch.with_state)))

    def _error(self, future: "Future[Fitted]") -> BaseException | None:
        """Wait for `future` and return what `fit` raised, if it did."""
        try:
            error = future.exception(self.timeout)
        except TimeoutError as late:
            self._replace("hung", kill=True)
            raise FitError(f"a fit took more than {self.timeout:g} s; its process was replaced") from late
        except (CancelledError, OSError) as stopped:
            raise self._died(stopped) from stopped
        if isinstance(error, BrokenExecutor):
            raise self._died(error) from error
        return error

    def _replace(self, reason: str, *, kill: bool) -> None:
        self._telemetry.fit_pool_restarted(reason)
        self._pool.replace(kill=kill)
        self._telemetry.fit_workers(self._pool.executor, self._pool.workers)

    def _died(self, error: BaseException) -> FitError:
        if self._closed:
            return FitError(STOPPING)
        self._replace("died", kill=False)
        return FitError(f"the fitting process died ({type(error).__name__}); a new one was started")


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    rows: Ints
    with_state: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    batch: _Batch
    future: "Future[Fitted]"


def _batches(rows: Ints, options: FitOptions, with_state: bool) -> list[_Batch]:
    batches, start, size = [], 0, FIRST_BATCH[options.kind]
    while start < rows.size:
        batches.append(_Batch(rows[start : start + size], with_state))
        start, size = start + size, min(2 * size, LARGEST_BATCH[options.kind])
    return batches
