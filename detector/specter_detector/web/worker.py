"""A process that replays stretches: one at a time, each within a limit of processor time.

Never in the detector's own process, where the interpreter's lock would make ticks late. The process is
started by the first request, runs at a low priority, and ends by itself when it has been idle for a while.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import FrameType

from specter_core.errors import SpecterError
from specter_detector.web.stretch import Stretch, Task, judge

NICE = 10
IDLE_SECONDS = 300.0


class BusyError(SpecterError):
    """As many replays as allowed are waiting."""

    retry_after = 5


class CostlyError(SpecterError):
    """A replay took more than it may; the process was given back."""


class ReplayWorker:
    """Runs `stretch.judge` in a process of its own. Thread-safe.

    Args:
        cpu_seconds: processor time of one replay.
        deadline: seconds by the clock of one replay; the machine may be busy with other things.
        waiting: requests that may wait for the one that runs.
        idle: seconds without a request after which the process ends.
    """

    def __init__(
        self,
        *,
        cpu_seconds: int = 20,
        deadline: float = 60.0,
        waiting: int = 3,
        idle: float = IDLE_SECONDS,
    ) -> None:
        self._cpu_seconds = cpu_seconds
        self._deadline = deadline
        self._idle = idle
        self._places = threading.BoundedSemaphore(waiting + 1)
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None

    def run(self, task: Task) -> Stretch:
        """Return what `judge` says of `task`.

        Raises:
            BusyError: too many wait already.
            CostlyError: it took too long, by the processor or by the clock.
            SpecterError: the process died.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError("other replays are running and waiting; try again in a few seconds")
        try:
            with self._turn:
                return self._asked(task)
        finally:
            self._places.release()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._end()

    def _asked(self, task: Task) -> Stretch:
        pipe = self._sent(task)
        try:
            if not pipe.poll(self._deadline):
                self._end()
                raise CostlyError(f"the replay took more than {self._deadline:g} s: choose a shorter stretch")
            answer: Stretch | BaseException = pipe.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise SpecterError("the replay process died; the next request starts a new one") from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _sent(self, task: Task) -> Connection:
        """Send `task` to the process, which may have ended since the last one: then to a new one."""
        if self._pipe is not None and self._alive(self._pipe):
            with contextlib.suppress(OSError):
                self._pipe.send(task)
                return self._pipe
        self._end()
        pipe = self._start()
        pipe.send(task)
        return pipe

    @staticmethod
    def _alive(pipe: Connection) -> bool:
        """Whether there is somebody at the other end: all there is to read is that there is not."""
        return not pipe.poll(0)

    def _start(self) -> Connection:
        # spawn: this process has threads, and a fork would copy their locks as they are.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(
            target=serve, args=(theirs, self._cpu_seconds, self._idle), name="replay", daemon=True
        )
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        return ours

    def _end(self) -> None:
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.join()
            process.close()


def serve(pipe: Connection, cpu_seconds: int, idle: float) -> None:
    """Answer tasks until there is none for `idle` seconds, or nobody at the other end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGXCPU, _over_limit)
    os.nice(NICE)
    with contextlib.suppress(EOFError, OSError):  # the detector has gone
        while pipe.poll(idle):
            task = pipe.recv()
            try:
                _limit(cpu_seconds)
                pipe.send(judge(task))
            except CostlyError as error:
                pipe.send(error)
            except Exception as error:  # noqa: BLE001  (a defect: told to whoever asked, who logs it)
                pipe.send(SpecterError(f"the replay failed: {type(error).__name__}: {error}"))
            finally:
                _limit(None)


def _limit(seconds: int | None) -> None:
    """Let the system send SIGXCPU after `seconds` more of processor time, and end us soon after."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = hard if seconds is None else int(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _over_limit(_number: int, _frame: FrameType | None) -> None:
    raise CostlyError("the replay took more processor time than it may: choose a shorter stretch")
