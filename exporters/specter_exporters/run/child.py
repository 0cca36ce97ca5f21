"""One attempt: start the command, pass its output through, end it when its time is over."""

import fcntl
import logging
import os
import select
import signal
import stat
import struct
import termios
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from specter_core.durations import format_duration
from specter_exporters.run.processes import group_lives
from specter_exporters.run.signals import ENDING, Signals
from specter_exporters.run.tail import Tail

logger = logging.getLogger(__name__)

TIMED_OUT, NOT_EXECUTABLE, NOT_FOUND = 124, 126, 127  # as in timeout(1) and in shells
CHUNK = 65536
GROUP_POLL = 0.05
# Python ignores these; what it starts shall not.
_RESTORED = (signal.SIGPIPE, signal.SIGXFSZ)


class Ended(NamedTuple):
    """How an attempt ended.

    Attributes:
        code: 0-255; 128 + n after signal n, 124 after the time-out.
        seconds: from start to end.
        why: in words, such as "exit code 3".
        stopped: the signal to the wrapper that ended it, None if none did.
    """

    code: int
    seconds: float
    why: str
    stopped: signal.Signals | None = None


class Stream:
    """One output of the child, on its way to ours."""

    def __init__(self, target: int) -> None:
        self.source, self.child_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.source, False)
        self.target = target
        self.open = True
        self._lost = False
        self._waiting = b""
        self._left: int | None = None
        # A pipe that can be written to takes so many bytes without making us wait; a file takes all.
        self._step = CHUNK if stat.S_ISREG(os.fstat(target).st_mode) else select.PIPE_BUF

    @property
    def event(self) -> tuple[int, int] | None:
        """What it waits for, for `poll`; None: it is over."""
        if self._waiting:
            return self.target, select.POLLOUT
        return (self.source, select.POLLIN) if self.open and self._left != 0 else None

    def move(self) -> bytes:
        """Do what can be done now, without waiting; return what was read."""
        if self._waiting:
            self._write()
            return b""
        try:
            self._waiting = os.read(self.source, CHUNK if self._left is None else min(CHUNK, self._left))
        except BlockingIOError:
            return b""
        if self._left is not None:
            self._left -= len(self._waiting)
        if not self._waiting:
            self.close()
        return self._waiting

    def finish(self) -> None:
        """Read no more than what is in the pipe now."""
        if self.open:
            (self._left,) = struct.unpack("i", fcntl.ioctl(self.source, termios.FIONREAD, b"\0" * 4))

    def leave(self) -> None:
        """Leave what will still be written by a process that the child left behind to `cat`."""
        if not self.open or self._ended():
            self.close()
            return
        os.set_blocking(self.source, True)
        actions = [(os.POSIX_SPAWN_DUP2, self.source, 0), (os.POSIX_SPAWN_DUP2, self.target, 1)]
        with suppress(OSError):  # without `cat`, its next write fails
            os.posix_spawnp(
                "cat", ["cat"], os.environ, file_actions=actions, setpgroup=0, setsigdef=_RESTORED
            )
        self.close()

    def _ended(self) -> bool:
        poller = select.poll()
        poller.register(self.source, select.POLLIN)
        return any(event == select.POLLHUP for _, event in poller.poll(0))

    def close(self) -> None:
        """End: the next write of the child fails as it would have without us."""
        if self.open:
            os.close(self.source)
            self.open = False

    def _write(self) -> None:
        try:
            self._waiting = self._waiting[os.write(self.target, self._waiting[: self._step]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._waiting = b""
            self.close()
        except OSError as error:
            self._waiting = b""
            if not self._lost:
                logger.warning("output of the job is lost: %s", error.strerror)
            self._lost = True


class Child:
    """A running command in a process group of its own.

    Args:
        command: program and arguments.
        signals: collected by the wrapper; they go to the group.
        tail: keeps the end of the output; None: the child has our own outputs.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, command: Sequence[str], signals: Signals, tail: Tail | None) -> None:
        self._signals = signals
        self._tail = tail
        self._streams = [] if tail is None else [Stream(1), Stream(2)]
        actions = [(os.POSIX_SPAWN_DUP2, stream.child_end, stream.target) for stream in self._streams]
        self._began = time.monotonic()
        try:
            self.pid = os.posix_spawnp(
                command[0],
                list(command),
                os.environ,
                file_actions=actions,
                setpgroup=0,
                setsigmask=signals.blocked_before,
                setsigdef=_RESTORED,
            )
        except OSError:
            for stream in self._streams:
                stream.close()
            raise
        finally:
            for stream in self._streams:
                os.close(stream.child_end)
        self._status: int | None = None
        self._stopped: signal.Signals | None = None

    def wait(self, timeout: float | None, grace: float) -> Ended:
        """Return how it ended; what it has written has been passed on by then, to who reads it.

        Args:
            timeout: seconds after which its whole group gets SIGTERM; None: never.
            grace: seconds after that until the group gets SIGKILL, and for which output is then passed on.
        """
        self._pass_on(None if timeout is None else self._began + timeout)
        timed_out = self._status is None
        if timed_out:
            self._end_group(grace)
        seconds = time.monotonic() - self._began
        self._drain(time.monotonic() + grace if timed_out else None)
        code = os.waitstatus_to_exitcode(self._status or 0)
        if timed_out:
            return Ended(
                TIMED_OUT, seconds, f"timed out after {format_duration(timeout or 0)}", self._stopped
            )
        if code < 0:
            return Ended(128 - code, seconds, f"killed by {_name(-code)}", self._stopped)
        return Ended(code, seconds, f"exit code {code}", self._stopped)

    def _pass_on(self, until: float | None) -> None:
        """Pass output and signals on until the child has ended, or until `until` (monotonic)."""
        while not self._ended() and (until is None or time.monotonic() < until):
            self._turn(until)

    def _turn(self, until: float | None) -> bool:
        """Wait until something can be passed on, and do it; return whether it was a signal to end."""
        poller = select.poll()
        poller.register(self._signals.descriptor, select.POLLIN)
        waiting = {stream.event: stream for stream in self._streams if stream.event is not None}
        for descriptor, event in waiting:
            poller.register(descriptor, event)
        ready = {descriptor for descriptor, _ in poller.poll(_milliseconds(until))}
        for (descriptor, _), stream in waiting.items():
            if descriptor in ready:
                taken = stream.move()
                if self._tail is not None:
                    self._tail.add(taken, stream.target)
        ending = False
        for number in self._signals.read():
            self._signal(number)
            if number in ENDING:
                self._stopped, ending = number, True
        return ending

    def _ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None

    def _end_group(self, grace: float) -> None:
        """TERM, and KILL what is left after `grace` seconds: also what outlives the child itself."""
        self._signal(signal.SIGTERM)
        until = time.monotonic() + grace
        self._pass_on(until)
        while group_lives(self.pid) and time.monotonic() < until:
            self._turn(min(until, time.monotonic() + GROUP_POLL))
        self._signal(signal.SIGKILL)
        self._pass_on(None)

    def _signal(self, number: int) -> None:
        """Signal the group, if there is one."""
        try:
            os.killpg(self.pid, number)
        except ProcessLookupError:
            return
        except PermissionError:
            logger.warning("the job runs as another user: %s cannot be passed on", _name(number))

    def _drain(self, until: float | None) -> None:
        """Pass on what was written; after `until` (monotonic) what our reader does not take is lost."""
        for stream in self._streams:
            stream.finish()
        # A signal ends it: our own output may be what does not go on.
        while any(stream.event for stream in self._streams) and not self._turn(until):
            if until is not None and time.monotonic() >= until:
                logger.warning("output of the job is lost: nobody reads it")
                break
        for stream in self._streams:
            stream.leave()


def _milliseconds(until: float | None) -> float | None:
    return None if until is None else 1000 * max(0.0, until - time.monotonic())


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal, or 0
        return f"signal {number}"
