"""Read a log from standard input: it has no offset, and what comes while nobody reads waits in the pipe."""

import os
import select
import sys
from collections.abc import Callable

from specter_core.clock import Clock
from specter_core.metrics import LOG_READ_BYTES
from specter_exporters.logs.series import Store
from specter_exporters.logs.tail.followed import Buffers

CHUNK = 256 * 1024


class StandardInput:
    """Standard input, or another open file.

    Args:
        log: its name.
        buffers: for its entries.
        sink: is given them.
        store: where it is counted.
        clock: the time.
        file: a file descriptor; that of standard input if None.
        join_timeout: seconds after which an entry is complete though nothing more comes.
    """

    def __init__(
        self,
        log: str,
        buffers: Buffers,
        sink: Callable[[list[bytes]], None],
        store: Store,
        clock: Clock,
        *,
        file: int | None = None,
        join_timeout: float = 1.0,
    ) -> None:
        self._buffers = buffers
        self._sink = sink
        self._clock = clock
        self._bytes = store.counters(LOG_READ_BYTES, log).find()[0]
        self._file = sys.stdin.fileno() if file is None else file
        self._join_timeout = join_timeout
        self._grown = clock.monotonic()
        self.up = True

    def pump(self) -> int:
        """Read what is there, without waiting; return how many bytes it was."""
        if not self.up:
            return 0
        ready, _, _ = select.select([self._file], [], [], 0)
        if not ready:
            if self._buffers.joiner.held and self._clock.monotonic() - self._grown >= self._join_timeout:
                self._sink(self._buffers.joiner.flush())
            return 0
        data = os.read(self._file, CHUNK)
        if not data:
            # The writer has ended: so does the log, and what it has been counted as stays.
            self.up = False
            self._sink(self._buffers.finish())
            return 0
        self._grown = self._clock.monotonic()
        self._bytes[0] += len(data)
        self._sink(self._buffers.feed(data))
        return len(data)

    def close(self) -> None:
        """Leave the file open: it is not ours."""
