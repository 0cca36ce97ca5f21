"""Where models are fitted: in a process of their own, so that a tick never waits for one.

A replay of weeks takes seconds in which a thread would hold the interpreter's
lock most of the time, and make ticks late.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from specter_core.errors import SpecterError
from specter_detector.models.arrays import Floats, Ints
from specter_detector.models.fit import FitOptions, Fitted, fit

LOGGER = logging.getLogger(__name__)
FIT_TIMEOUT = 120.0
FIRST_BATCH = {"seasonal": 64, "stl": 16, "mstl": 16}
LARGEST_BATCH = {"seasonal": 512, "stl": 16, "mstl": 16}
"""Series at once. A replay takes little longer for hundreds than for one, but nothing is scored before its
end: so batches double. The reference takes a tenth of a second a series and refit."""
STOPPING = "the detector is stopping"
DIED = "the fitting process died; a new one was started"


class FitError(SpecterError):
    """The fitting process died or did not answer."""


class Fitter(Protocol):
    """Runs `models.fit.fit` on many series."""

    def fit_all(
        self,
        times: Floats,
        values: Floats,
        options: FitOptions,
        *,
        known: Ints,
        new: Ints,
        limits: Floats | None = None,
    ) -> Iterator[tuple[Ints, Fitted]]:
        """Yield rows of `values` (series, n) and what was learnt of them, batch by batch.

        Args:
            times: (n,) Unix seconds.
            values: (series, n), NaN where nothing is known.
            options: how to fit.
            known: rows of which the shape is learnt.
            new: rows of which the state is wanted too; they come first.
            limits: (series,) where each ends, NaN for nowhere; None where that is not known.
        """

    def close(self) -> None:
        """Give back what it runs on."""


class ProcessFitter:
    """Fits in one worker process, which is replaced when it dies."""

    def __init__(self, timeout: float = FIT_TIMEOUT) -> None:
        self.timeout = timeout
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def fit_all(
        self,
        times: Floats,
        values: Floats,
        options: FitOptions,
        *,
        known: Ints,
        new: Ints,
        limits: Floats | None = None,
    ) -> Iterator[tuple[Ints, Fitted]]:
        """Yield the rows of each batch and what was learnt of them as soon as it is there.

        Raises:
            FitError: the worker died, one batch took longer than the time-out,
                or not one series could be fitted without an error.
        """
        fitted = 0
        run = partial(self._submit, times, values, options, limits)
        previous: _Running | None = None
        # One ahead: the worker is never idle.
        for batch in (*_batches(new, options, True), *_batches(known, options, False), None):
            current = None if batch is None else run(batch)
            for rows, result in self._results(previous, run) if previous is not None else ():
                fitted += len(rows)
                yield rows, result
            previous = current
        if not fitted and known.size + new.size:
            raise FitError(f"none of {known.size + new.size} series could be fitted; the log says why")

    def close(self) -> None:
        """End the worker, whatever it is doing."""
        with self._lock:
            self._closed = True
            self._end(kill=True)

    def _start(self) -> None:
        self._pool = _pool()
        # The first task makes the worker import the models while the first history is read.
        self._worker = self._pool.submit(os.getpid)

    def _end(self, *, kill: bool) -> None:
        """Shut the pool down; `kill` ends a worker that is busy or hangs, which a shutdown would wait for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if kill and self._worker.done() and not self._worker.cancelled() and not self._worker.exception():
            # By our list of children: the number of one that has died may be another program's by now.
            for child in multiprocessing.active_children():
                if child.pid == self._worker.result():
                    child.kill()

    def _replace(self, *, kill: bool = False) -> None:
        """Start a new worker."""
        with self._lock:
            if not self._closed:
                self._end(kill=kill)
                self._start()

    def _submit(
        self, times: Floats, values: Floats, options: FitOptions, limits: Floats | None, batch: "_Batch"
    ) -> "_Running":
        with self._lock:
            if self._closed:
                raise FitError(STOPPING)
            try:
                future = self._pool.submit(
                    fit,
                    times,
                    values[batch.rows],
                    options,
                    with_state=batch.with_state,
                    limits=None if limits is None else limits[batch.rows],
                )
            except BrokenProcessPool as error:
                self._start()
                raise FitError(DIED) from error
        return _Running(batch, future)

    def _results(
        self, running: "_Running", run: "Callable[[_Batch], _Running]"
    ) -> Iterator[tuple[Ints, Fitted]]:
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
                yield from self._results(run(_Batch(rows, batch.with_state)), run)

    def _error(self, future: "Future[Fitted]") -> BaseException | None:
        """Wait for `future` and return what `fit` raised, if it did."""
        try:
            error = future.exception(self.timeout)
        except TimeoutError as late:
            self._replace(kill=True)
            raise FitError(f"a fit took more than {self.timeout:g} s; its process was replaced") from late
        except CancelledError as stopped:
            raise FitError(STOPPING) from stopped
        if isinstance(error, BrokenProcessPool):
            self._replace()
            raise FitError(STOPPING if self._closed else DIED) from error
        return error


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


def _pool() -> ProcessPoolExecutor:
    # spawn: this process has threads, and a fork would copy their locks as they are.
    return ProcessPoolExecutor(
        max_workers=1, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker
    )


def _start_worker() -> None:
    """Prepare the worker: Ctrl-C is the parent's business, and the parent's death is the worker's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_die_with_parent, name="parent-watch", daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
