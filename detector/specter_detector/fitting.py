"""Where models are fitted: in a process of their own, so that a tick never waits for one.

statsmodels holds the interpreter's lock for tenths of a second a series; a
thread would make ticks late.
"""

import logging
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from specter_core.errors import SpecterError
from specter_detector.models.arrays import Floats
from specter_detector.models.seasonal import FitOptions, FittedModel, fit

LOGGER = logging.getLogger(__name__)
FIT_TIMEOUT = 120.0


class FitError(SpecterError):
    """The fitting process died or did not answer."""


class Fitter(Protocol):
    """Runs `models.seasonal.fit` on many series."""

    def fit_all(
        self, times: Floats, rows: Iterable[Floats], options: FitOptions
    ) -> Iterator[FittedModel | None]:
        """Yield the model of each row as soon as it is there."""

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
        self, times: Floats, rows: Iterable[Floats], options: FitOptions
    ) -> Iterator[FittedModel | None]:
        """Yield the model of each row as soon as it is there.

        Raises:
            FitError: the worker died, one series took longer than the time-out,
                or not one series could be fitted without an error.
        """
        rows_seen, self._raised = 0, 0
        previous: Future[FittedModel | None] | None = None
        # One ahead: the worker is never idle, and a stop waits for two series at most.
        for row in rows:
            rows_seen += 1
            current = self._submit(times, row, options)
            if previous is not None:
                yield self._result(previous)
            previous = current
        if previous is not None:
            yield self._result(previous)
        if rows_seen and self._raised == rows_seen:
            raise FitError(f"none of {rows_seen} series could be fitted; the log says why")

    def close(self) -> None:
        """Stop the worker; what it has not begun is dropped."""
        with self._lock:
            self._closed = True
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        self._pool = _pool()
        # The first task makes the worker import statsmodels while the first history is read.
        self._worker = self._pool.submit(_warm_up)

    def _replace(self, *, kill: bool = False) -> None:
        """Start a new worker; `kill` ends one that hangs, which a shutdown would wait for."""
        with self._lock:
            if self._closed:
                return
            if kill and self._worker.done() and self._worker.exception() is None:
                os.kill(self._worker.result(), signal.SIGKILL)
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._start()

    def _submit(self, times: Floats, row: Floats, options: FitOptions) -> "Future[FittedModel | None]":
        with self._lock:
            if self._closed:
                raise FitError("the detector is stopping")
            try:
                return self._pool.submit(fit, times, row, options)
            except BrokenProcessPool as error:
                self._start()
                raise FitError("the fitting process died; a new one was started") from error

    def _result(self, future: "Future[FittedModel | None]") -> FittedModel | None:
        try:
            error = future.exception(self.timeout)
        except TimeoutError as late:
            self._replace(kill=True)
            raise FitError(f"a fit took more than {self.timeout:g} s; its process was replaced") from late
        except CancelledError as stopped:
            raise FitError("the detector is stopping") from stopped
        if isinstance(error, BrokenProcessPool):
            self._replace()
            raise FitError("the fitting process died; a new one was started") from error
        if error is not None:
            # One odd series must not cost the others their models.
            self._raised += 1
            LOGGER.warning("a series cannot be fitted: %s: %s", type(error).__name__, error)
            return None
        return future.result()


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


def _warm_up() -> int:
    """Import statsmodels and return the worker's process id."""
    import statsmodels.tsa.seasonal  # noqa: F401, PLC0415  (in the worker alone)

    return os.getpid()
