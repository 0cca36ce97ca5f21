"""What is wrong with which query: a line in the log when it begins or changes, and one when it is over."""

import logging
import threading

LOGGER = logging.getLogger(__name__)


class Troubles:
    """Remembers what has been said; any number of threads may tell it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()

    def begins(self, alias: str, what: str, message: str) -> None:
        """Query `alias` fails at `what`; said when it begins or changes, not at every tick."""
        with self._lock:
            known = self._known.get((alias, what))
            self._known[alias, what] = message
        if known != message:
            LOGGER.warning("query %s: %s: %s", alias, what, message)

    def ends(self, alias: str, what: str) -> None:
        """Query `alias` does not fail at `what`."""
        with self._lock:
            known = self._known.pop((alias, what), None)
        if known is not None:
            LOGGER.info("query %s: %s works again", alias, what)
