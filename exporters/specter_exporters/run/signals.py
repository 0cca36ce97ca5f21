"""Signals as something to read: what ends the wrapper, and what tells that a child has ended."""

import os
import select
import signal
import time
from types import FrameType

PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
ENDING = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT})


class Signals:
    """Collects signals from now on, in the main thread; what was ignored before stays ignored.

    The kernel writes their numbers into a pipe, so that one `poll` waits for them and for output.
    """

    def __init__(self) -> None:
        self.descriptor, write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        # Whoever began us may have blocked some: what we start has them as they were.
        self.blocked_before = signal.pthread_sigmask(signal.SIG_UNBLOCK, {*PASSED_ON, signal.SIGCHLD})
        for number in (*PASSED_ON, signal.SIGCHLD):
            if number is signal.SIGCHLD or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, _told)

    def read(self) -> list[signal.Signals]:
        """Return the signals that have come and are to be passed on, the oldest first; do not wait."""
        try:
            numbers = os.read(self.descriptor, 4096)
        except BlockingIOError:
            return []
        return [signal.Signals(number) for number in numbers if number != signal.SIGCHLD]

    def wait(self, seconds: float) -> list[signal.Signals]:
        """Return the signals to be passed on as soon as one comes; after `seconds` without one, []."""
        poller = select.poll()
        poller.register(self.descriptor, select.POLLIN)
        until = time.monotonic() + seconds
        while (rest := until - time.monotonic()) > 0:
            if poller.poll(1000 * rest) and (told := self.read()):
                return told
        return []


def _told(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: it is in the pipe."""
