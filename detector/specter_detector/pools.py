"""Where fits are computed: in processes of this machine, or on a Dask cluster.

Never in this process: a replay of weeks takes seconds in which a thread would hold the interpreter's lock
most of the time, and make ticks late.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from typing import TYPE_CHECKING

from specter_core.errors import UsageError
from specter_detector.models.fit import Fitted

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from distributed import Client

NICENESS = 10
"""Whoever serves requests, Prometheus or the tick, goes first."""

CONNECT_SECONDS = 10.0


class LocalPool:
    """Processes of this machine, replaced when one dies."""

    executor = "local"

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers
        self._lock = threading.Lock()
        self._closed = False
        self._start()

    def submit(self, function: Callable[..., Fitted], /, *args: object, **kwargs: object) -> "Future[Fitted]":
        """Start a call in one of the processes.

        Raises:
            BrokenExecutor: one of them died.
        """
        return self._pool.submit(function, *args, **kwargs)

    def replace(self, *, kill: bool) -> None:
        """Start new processes; `kill` ends those that are busy."""
        with self._lock:
            if not self._closed:
                self._end(kill=kill)
                self._start()

    def close(self) -> None:
        """End the processes, whatever they are doing."""
        with self._lock:
            self._closed = True
            self._end(kill=True)

    def _start(self) -> None:
        # spawn: this process has threads, and a fork would copy their locks as they are.
        context = multiprocessing.get_context("spawn")
        self._started = context.SimpleQueue()
        self._pool = ProcessPoolExecutor(
            self.workers, context, initializer=_start_worker, initargs=(self._started,)
        )
        # The first task makes a worker import the models while the first history is read.
        self._pool.submit(os.getpid)

    def _end(self, *, kill: bool) -> None:
        """Shut the pool down; `kill` ends what is busy or hangs, which a shutdown would wait for."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        workers = set()
        while not self._started.empty():
            workers.add(self._started.get())
        if kill:
            # By our list of children: the number of one that has died may be another program's by now.
            for child in multiprocessing.active_children():
                if child.pid in workers:
                    child.kill()


class DaskPool:
    """Workers of a Dask cluster (`executor: dask`), which have to have this package installed.

    Args:
        address: of its scheduler, such as tcp://127.0.0.1:8786.
        connect_seconds: how long to wait for it.
    """

    executor = "dask"

    def __init__(self, address: str, connect_seconds: float = CONNECT_SECONDS) -> None:
        self._address = address
        self._connect_seconds = connect_seconds
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._executor: Executor | None = None
        self.workers = 1

    def submit(self, function: Callable[..., Fitted], /, *args: object, **kwargs: object) -> "Future[Fitted]":
        """Start a call on one of the workers.

        Raises:
            OSError: the scheduler is out of reach.
        """
        with self._lock:
            if self._executor is None:
                self._connect()
            executor = self._executor
        assert executor is not None  # noqa: S101
        return executor.submit(function, *args, **kwargs)

    def replace(self, *, kill: bool) -> None:  # noqa: ARG002  (the cluster looks after its workers)
        """Connect anew at the next call; what is being computed is cancelled."""
        self.close()

    def close(self) -> None:
        """Disconnect; the cluster is somebody else's and stays."""
        with self._lock:
            client, self._client, self._executor = self._client, None, None
        if client is not None:
            client.close()  # type: ignore[no-untyped-call]

    def _connect(self) -> None:
        try:
            from distributed import Client  # noqa: PLC0415  (half a second, for those who use it)
        except ImportError as error:
            raise UsageError(
                "executor: dask needs the extra: pip install 'specter-observability[scale]'"
            ) from error
        # Not set as the process' default: nobody else shall compute there by accident.
        client = Client(  # type: ignore[no-untyped-call]
            self._address, timeout=self._connect_seconds, set_as_default=False
        )
        self._client = client
        self.workers = max(1, len(client.scheduler_info()["workers"]))
        # pure=False: equal history fitted twice is computed twice, instead of kept for ever.
        self._executor = client.get_executor(pure=False)  # type: ignore[no-untyped-call]


def _start_worker(started: "SimpleQueue[int]") -> None:
    """Prepare a worker: Ctrl-C is the parent's business, and the parent's death is the worker's end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(NICENESS)
    started.put(os.getpid())
    threading.Thread(target=_die_with_parent, name="parent-watch", daemon=True).start()


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
