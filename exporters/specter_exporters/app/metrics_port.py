"""Metrics on a port of their own, which the workers of one server have between them."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from specter_core.errors import SpecterError
from specter_core.web import WebServer

logger = logging.getLogger(__name__)

AGAIN_AFTER = 0.5
"""Seconds after which a worker asks anew whether the port is free."""


class MetricsPort:
    """Serve from whichever worker holds the lock; the others wait for it.

    The system lets go of the lock, and of the port, however its holder ends. Waiting is asking now and then:
    a lock that is waited for stops all of a worker whose threads are greenlets.

    Args:
        lock: the lock's file, made if it is missing; in a folder of all workers.
        make: returns the server, which is not started yet.
        pause: waits so many seconds.
    """

    def __init__(
        self, lock: Path, make: Callable[[], WebServer], pause: Callable[[float], None] = time.sleep
    ) -> None:
        self._lock = lock
        self._make = make
        self._pause = pause
        self._server: WebServer | None = None

    def start(self) -> None:
        """Serve as soon as the port is this worker's, in the background until the process ends."""
        threading.Thread(target=self._run, name="metrics-port", daemon=True).start()

    def _run(self) -> None:
        said = ""
        while self._server is None:
            try:
                self._server = self._serve()
            except (SpecterError, OSError) as error:
                # Another program may have the port, and let go of it.
                if str(error) != said:
                    said = str(error)
                    logger.warning("metrics are not served: %s", said)
            if self._server is None:
                self._pause(AGAIN_AFTER)

    def _serve(self) -> WebServer | None:
        """Return the server, which runs; None while another worker's does.

        Raises:
            SpecterError: the port cannot be had.
            OSError: nor can the lock.
        """
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            server = self._make()
            try:
                server.start()
            except SpecterError:
                server.stop()
                raise
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        # The descriptor stays open, and the lock held, until the process ends.
        return server
