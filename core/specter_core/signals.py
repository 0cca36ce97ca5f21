"""The end of a process: SIGTERM and SIGINT, which its main thread waits for."""

import signal
from queue import Empty, SimpleQueue


class StopSignals:
    """Waits for a signal to stop; made in the main thread.

    A queue, because its `put` may interrupt anything. An event's lock may be held by what the handler
    interrupts, which is the thread that waits for it.
    """

    def __init__(self) -> None:
        self._told: SimpleQueue[int] = SimpleQueue()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda told, _frame: self._told.put(told))

    def wait(self, seconds: float | None = None) -> bool:
        """Return True when a signal has come; False if none has after `seconds`."""
        try:
            number = self._told.get(timeout=seconds)
        except Empty:
            return False
        self._told.put(number)  # for whoever asks again
        return True
