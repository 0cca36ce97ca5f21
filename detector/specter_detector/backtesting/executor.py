"""Where chunks are replayed: here, in local processes, or on a Dask cluster. Results keep the order."""

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from specter_core.errors import SpecterError, UsageError

A = TypeVar("A")
R = TypeVar("R")
AHEAD = 2
"""Tasks in flight a worker: one that runs and one that waits, so that memory is bounded."""


class ExecutorError(SpecterError):
    """A worker died, or the cluster cannot be reached."""


class Executor(Protocol):
    """Runs a function on many arguments."""

    def map(self, function: Callable[[A], R], tasks: Iterable[A]) -> Iterator[R]:
        """Yield what `function` returns of each of `tasks`, in their order; few are taken ahead."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give back what it runs on, whatever it is doing."""


class _Closing:
    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Nothing is held."""


class Serial(_Closing):
    """Runs in this process."""

    def map(self, function: Callable[[A], R], tasks: Iterable[A]) -> Iterator[R]:
        """Yield results one by one."""
        return map(function, tasks)


class Processes(_Closing):
    """Runs in `jobs` processes of this machine."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._pool = ProcessPoolExecutor(
            jobs, mp_context=multiprocessing.get_context("spawn"), initializer=_ignore_interrupts
        )

    def map(self, function: Callable[[A], R], tasks: Iterable[A]) -> Iterator[R]:
        """Yield results in order.

        Raises:
            ExecutorError: a process died.
        """
        waiting: deque[Any] = deque()
        try:
            for task in tasks:
                waiting.append(self._pool.submit(function, task))
                if len(waiting) >= AHEAD * self._jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenProcessPool as error:
            raise ExecutorError(
                "a worker process died: out of memory? Use fewer --jobs, or replay fewer series at once"
            ) from error

    def close(self) -> None:
        """End the processes; what has not begun is dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class Dask(_Closing):
    """Runs on the workers of a Dask cluster, which have this package installed."""

    def __init__(self, address: str, timeout: float = 30.0) -> None:
        """Connect to the scheduler at `address`.

        Raises:
            UsageError: Dask is not installed.
            ExecutorError: no answer within `timeout` seconds.
        """
        try:
            from distributed import Client  # noqa: PLC0415  (0.6 s; the extra `scale`)
        except ModuleNotFoundError as error:
            message = "--executor dask needs Dask: pip install 'specter-observability[scale]'"
            raise UsageError(message) from error
        try:
            client: Any = Client  # untyped
            self._client = client(address, timeout=timeout)
        except (OSError, TimeoutError, ValueError) as error:
            raise ExecutorError(f"--dask-address {address}: cannot be reached: {error}") from error

    def map(self, function: Callable[[A], R], tasks: Iterable[A]) -> Iterator[R]:
        """Yield results in order.

        Raises:
            ExecutorError: the cluster has no worker, or lost the task.
        """
        threads = sum(self._client.nthreads().values())
        if not threads:
            raise ExecutorError("the Dask cluster has no worker: start one with `dask worker ADDRESS`")
        waiting: deque[Any] = deque()
        for task in tasks:
            waiting.append(self._client.submit(function, task, pure=False))
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        self._client.close()


def local(jobs: int | None = None) -> Executor:
    """Return what runs in `jobs` processes; as many as there are cores by default, this one alone for 1."""
    count = jobs or len(os.sched_getaffinity(0))
    return Serial() if count == 1 else Processes(count)


def _ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which then ends the workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
